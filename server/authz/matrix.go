package authz

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lodd-rct/lodd/proto/lodd"
	_ "github.com/lodd-rct/lodd/proto/lodd/log/v1" // so that its fields are checked, too
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// A Cell says that a role may use a method, and what the answer can hold.
type Cell struct {
	Role       trial.Role
	Method     string // as in "TrialService.GetTrial"
	Permission string // as in "read_trial"
	// Whole says that a grant that is limited to a site doesn't give it.
	Whole  bool
	Fields []Field
}

// A Field is a field of an answer, however deep.
type Field struct {
	Name  string // as in "Receipt.index"
	Class lodd.Class
}

// Matrix returns, for each role and each method that it may use, what the answer
// can hold, as the schema says it: sorted by role in the order of roles, then by
// method. A method that everybody with a session may use is each role's.
func Matrix(roles []trial.Role) []Cell {
	var cells []Cell
	methods := descriptors()
	for _, r := range roles {
		held := append(Permissions(r), loddv1.Permission_PERMISSION_SESSION)
		for _, m := range methods {
			need := permissionOf(m)
			if !slices.Contains(held, need) {
				continue
			}
			cells = append(cells, Cell{
				Role: r, Method: string(m.Parent().Name()) + "." + string(m.Name()),
				Permission: strings.ToLower(strings.TrimPrefix(need.String(), "PERMISSION_")),
				Whole:      whole(need),
				Fields:     Fields(m.Output()),
			})
		}
	}
	return cells
}

// Fields returns the fields that m reaches, each once, in the order of the
// schema. A field that only holds another message counts by its own class, too.
func Fields(m protoreflect.MessageDescriptor) []Field {
	var out []Field
	seen := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || m.ParentFile().Package() == "google.protobuf" {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			out = append(out, Field{string(m.Name()) + "." + string(f.Name()), ClassOf(f)})
			if sub := f.Message(); sub != nil && !f.IsMap() {
				walk(sub)
			}
		}
	}
	walk(m)
	return out
}

// ClassOf returns the class of a field of API or log.
func ClassOf(f protoreflect.FieldDescriptor) lodd.Class {
	c, _ := proto.GetExtension(f.Options(), lodd.E_Class).(lodd.Class)
	return c
}

// descriptors returns every method of the API, sorted by name.
func descriptors() (all []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				all = append(all, f.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	slices.SortFunc(all, func(a, b protoreflect.MethodDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return all
}

func permissionOf(m protoreflect.MethodDescriptor) loddv1.Permission {
	p, _ := proto.GetExtension(m.Options(), loddv1.E_Permission).(loddv1.Permission)
	return p
}

// unclassified returns an error for each field of API and log without a class,
// sorted by their texts: files have no fixed order.
func unclassified() error {
	var errs []error
	for _, pkg := range []protoreflect.FullName{"lodd.v1", "lodd.log.v1"} {
		protoregistry.GlobalFiles.RangeFilesByPackage(pkg, func(f protoreflect.FileDescriptor) bool {
			errs = append(errs, unclassifiedIn(f.Messages())...)
			return true
		})
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func unclassifiedIn(ms protoreflect.MessageDescriptors) (errs []error) {
	for i := range ms.Len() {
		m := ms.Get(i)
		if m.IsMapEntry() {
			continue
		}
		for j := range m.Fields().Len() {
			if f := m.Fields().Get(j); ClassOf(f) == lodd.Class_CLASS_UNSPECIFIED {
				errs = append(errs, fmt.Errorf("authz: field %s has no class", f.FullName()))
			}
		}
		errs = append(errs, unclassifiedIn(m.Messages())...)
	}
	return errs
}
