package authz_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/lodd-rct/lodd/proto/lodd"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// answers returns the methods whose answer can hold a field of a class.
func answers(c lodd.Class) map[protoreflect.MethodDescriptor][]string {
	found := map[protoreflect.MethodDescriptor][]string{}
	for _, m := range methods() {
		for _, f := range authz.Fields(m.Output()) {
			if f.Class == c {
				found[m] = append(found[m], f.Name)
			}
		}
	}
	return found
}

// What tells an arm, or is there for one arm only, is answered to those who
// treat, to those for whom an arm was opened, to unblinded reviewers, and after
// the unsealing. Who is in which team is told to those who appoint them and to
// those who review that.
func TestUnblindedFieldsNeedAPermissionToUnblind(t *testing.T) {
	found := answers(lodd.Class_CLASS_UNBLINDED)
	for m, fields := range found {
		switch permission(m) {
		case loddv1.Permission_PERMISSION_UNBLIND, loddv1.Permission_PERMISSION_EMERGENCY, loddv1.Permission_PERMISSION_COLLECT,
			loddv1.Permission_PERMISSION_REVEAL, loddv1.Permission_PERMISSION_REVIEW:
		case loddv1.Permission_PERMISSION_GRANT, loddv1.Permission_PERMISSION_ACCESS:
			if !slices.Equal(fields, []string{"GrantedRole.team"}) {
				t.Errorf("%s answers with %v", m.FullName(), fields)
			}
		default:
			t.Errorf("%s, which needs %v, answers with %v", m.FullName(), permission(m), fields)
		}
	}
	if len(found) < 5 {
		t.Errorf("only %d methods answer with unblinded fields: is the option still read?", len(found))
	}
}

// Outcomes never reach those who treat, nor those who run the server.
func TestOutcomesDoNotReachTheTreatmentTeam(t *testing.T) {
	found := answers(lodd.Class_CLASS_BLINDED_ROLE)
	for m, fields := range found {
		for _, r := range []trial.Role{trial.TreatmentTeam, trial.Clinician, trial.Administrator, trial.Custodian, trial.Statistician} {
			if slices.Contains(authz.Permissions(r), permission(m)) {
				t.Errorf("%s answers a %s with %v", m.FullName(), r, fields)
			}
		}
	}
	if len(found) < 5 {
		t.Errorf("only %d methods answer with outcomes: is the option still read?", len(found))
	}
}

// Every answer with a secret or ciphertext in it. Each one more is a place from
// where it could get out.
func TestSealedFieldsInAnswers(t *testing.T) {
	var lines []string
	for m, fields := range answers(lodd.Class_CLASS_SEALED) {
		lines = append(lines, string(m.Parent().Name())+"."+string(m.Name())+" "+strings.Join(fields, " ")+"\n")
	}
	slices.Sort(lines)
	golden(t, "sealed.golden", strings.Join(lines, ""))
}

// What is marked as telling an arm is unblinded in every field.
func TestUnblindingMessagesAreUnblinded(t *testing.T) {
	arm := (&loddv1.Arm{}).ProtoReflect().Descriptor()
	for _, f := range authz.Fields(arm)[:arm.Fields().Len()] {
		if f.Class != lodd.Class_CLASS_UNBLINDED {
			t.Errorf("%s is %v", f.Name, f.Class)
		}
	}
}

// Ciphertext, codes and passwords in the log are sealed, whatever is added.
func TestBytesOfTheLogAreSealedOrMadeToBeSeen(t *testing.T) {
	seen := []string{ // digests and commitments that are made to be seen, and names of requests
		"DesignSealed.commitment", "Randomized.intent", "Entry.request_id", "EntropyContributed.entropy",
		"ContingencyPrinted.recipients", "PlanFrozen.digest", "FormSigned.digest", "FormDefined.definition",
	}
	n := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.log.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			for j := range m.Fields().Len() {
				field := m.Fields().Get(j)
				name := string(m.Name()) + "." + string(field.Name())
				if field.Kind() != protoreflect.BytesKind {
					continue
				}
				n++
				if sealed := authz.ClassOf(field) == lodd.Class_CLASS_SEALED; sealed == slices.Contains(seen, name) {
					t.Errorf("%s: sealed %v", name, sealed)
				}
			}
		}
		return true
	})
	if n < 20 {
		t.Errorf("only %d fields of bytes were looked at", n)
	}
}

// A field without a class stops the server at its start. (The schema itself has
// none: [authz.Methods] says so.)
func TestAFieldWithoutAClassIsNoticed(t *testing.T) {
	name, number, kind := "arm", int32(1), descriptorpb.FieldDescriptorProto_TYPE_STRING
	file, message, pkg, syntax := "new.proto", "New", "lodd.new", "proto3"
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: &file, Package: &pkg, Syntax: &syntax,
		MessageType: []*descriptorpb.DescriptorProto{{Name: &message, Field: []*descriptorpb.FieldDescriptorProto{
			{Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := authz.ClassOf(fd.Messages().Get(0).Fields().Get(0)); got != lodd.Class_CLASS_UNSPECIFIED {
		t.Errorf("a field without a class is %v", got)
	}
	if err := authz.Unclassified(fd.Messages()); err == nil || !strings.Contains(err.Error(), "lodd.new.New.arm has no class") {
		t.Errorf("a field without a class: %v", err)
	}
	if _, err := authz.Methods(); err != nil {
		t.Error(err)
	}
}

// Every role is in the matrix with each method that it may use, and no other.
func TestMatrixHoldsWhatTheGuardAllows(t *testing.T) {
	var roles []trial.Role
	for _, r := range people.Roles() {
		roles = append(roles, trial.Role(r))
	}
	got := map[string]bool{}
	for _, c := range authz.Matrix(roles) {
		got[string(c.Role)+" "+c.Method] = true
	}
	for _, r := range roles {
		for _, m := range methods() {
			p := permission(m)
			want := slices.Contains(authz.Permissions(r), p) || p == loddv1.Permission_PERMISSION_SESSION
			if name := string(m.Parent().Name()) + "." + string(m.Name()); got[string(r)+" "+name] != want {
				t.Errorf("%s %s: in the matrix %v, want %v", r, name, !want, want)
			}
		}
	}
}
