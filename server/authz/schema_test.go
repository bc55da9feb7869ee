package authz_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
)

// methods returns every method of the API.
func methods() (all []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				all = append(all, f.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return all
}

func permission(m protoreflect.MethodDescriptor) loddv1.Permission {
	return proto.GetExtension(m.Options(), loddv1.E_Permission).(loddv1.Permission)
}

func TestEveryMethodHasAPermission(t *testing.T) {
	need, err := authz.Methods()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods() {
		name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
		if p := need[name]; p == loddv1.Permission_PERMISSION_UNSPECIFIED || p != permission(m) {
			t.Errorf("%s needs %v", name, p)
		}
	}
	if len(need) != len(methods()) || len(need) < 40 {
		t.Errorf("%d methods are guarded, there are %d", len(need), len(methods()))
	}
}

// What isn't public, a session's or the administrator's is in a trial: a
// request that names none would be allowed to nobody.
func TestRequestsNameTheirTrial(t *testing.T) {
	outside := []loddv1.Permission{loddv1.Permission_PERMISSION_PUBLIC, loddv1.Permission_PERMISSION_FOLLOW, loddv1.Permission_PERMISSION_SESSION, loddv1.Permission_PERMISSION_ADMINISTER}
	for _, m := range methods() {
		if f := m.Input().Fields().ByName("trial_id"); (f == nil) != slices.Contains(outside, permission(m)) {
			t.Errorf("%s needs %v, and its request names a trial: %v", m.FullName(), permission(m), f != nil)
		}
		if m.IsStreamingClient() {
			t.Errorf("%s takes a stream of requests, of which only the first would be checked", m.FullName())
		}
	}
}

// Blinding by construction: only a method that needs PERMISSION_UNBLIND, that
// of an emergency or of an arm that was opened for the caller, or
// PERMISSION_REVEAL after the unsealing, may answer with a message that tells an
// arm, however deep.
func TestBlindMethodsTellNoArm(t *testing.T) {
	reached := 0
	for _, m := range methods() {
		name := unblinding(m.Output(), map[protoreflect.FullName]bool{})
		if name != "" {
			reached++
		}
		tells := []loddv1.Permission{
			loddv1.Permission_PERMISSION_UNBLIND, loddv1.Permission_PERMISSION_REVEAL,
			loddv1.Permission_PERMISSION_EMERGENCY, loddv1.Permission_PERMISSION_COLLECT,
		}
		if name != "" && !slices.Contains(tells, permission(m)) {
			t.Errorf("%s answers with %s", m.FullName(), name)
		}
	}
	if reached == 0 {
		t.Error("no method tells an arm: is the option still read?")
	}
}

// unblinding returns the name of the first unblinding message that m reaches.
func unblinding(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) protoreflect.FullName {
	if seen[m.FullName()] {
		return ""
	}
	seen[m.FullName()] = true
	if proto.GetExtension(m.Options(), loddv1.E_Unblinding).(bool) {
		return m.FullName()
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.IsMap() {
			f = f.MapValue()
		}
		if sub := f.Message(); sub != nil {
			if name := unblinding(sub, seen); name != "" {
				return name
			}
		}
	}
	return ""
}

// The fields that differ between twin worlds and tell nothing. Each one more is
// a place where something could hide.
func TestHidingFields(t *testing.T) {
	var found []string
	var walk func(protoreflect.MessageDescriptors)
	walk = func(ms protoreflect.MessageDescriptors) {
		for i := range ms.Len() {
			for j := range ms.Get(i).Fields().Len() {
				if f := ms.Get(i).Fields().Get(j); proto.GetExtension(f.Options(), loddv1.E_Hiding).(bool) {
					found = append(found, string(f.FullName())+"\n")
				}
			}
			walk(ms.Get(i).Messages())
		}
	}
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		walk(f.Messages())
		return true
	})
	slices.Sort(found)
	golden(t, "hiding.golden", strings.Join(found, ""))
}
