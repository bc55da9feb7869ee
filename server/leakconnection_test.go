package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ask calls a method of any name with an empty request.
func (w *world) ask(user, method string) error {
	w.t.Helper()
	s, err := w.conn.NewStream(w.as(user), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodec(asBytes{}))
	w.must(err)
	_ = s.SendMsg(&[]byte{}) // the end comes with the answer
	_ = s.CloseSend()
	return s.RecvMsg(&[]byte{})
}

// descriptors are the types in which a schema travels.
var descriptors = []string{"google.protobuf.FileDescriptorProto", "google.protobuf.FileDescriptorSet", "google.protobuf.DescriptorProto", "google.protobuf.Any"}

// L26: nobody is served a descriptor, by reflection or in an answer; the services
// that would tell of the inside are answered as those that don't exist.
//
// Source: blinding.md of the design, channel L26.
func TestLeakL26NoDescriptorIsServed(t *testing.T) {
	w := newTrial(t, unlimited)
	for _, user := range append([]string{"es-north", "au", "ds"}, blindRoles...) {
		unknown := w.ask(user, "/lodd.v1.NoSuchService/Method")
		if status.Code(unknown) != codes.Unimplemented {
			t.Fatalf("%s: an unknown service: %v", user, unknown)
		}
		for _, name := range []string{
			"grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
			"grpc.channelz.v1.Channelz/GetServers", "grpc.admin.v1.Admin/Get", "grpc.lb.v1.LoadBalancer/BalanceLoad",
		} {
			service, method, _ := strings.Cut(name, "/")
			want := strings.NewReplacer("lodd.v1.NoSuchService", service, "Method", method).Replace(ended(unknown, "-"))
			if got := ended(w.ask(user, "/"+name), "-"); got != want {
				t.Errorf("%s asks %s: %s, want %s", user, name, got, want)
			}
		}
	}
	for _, m := range everyMethod() {
		if found := holding(m.Output(), descriptors, map[protoreflect.FullName]bool{}); found != "" {
			t.Errorf("%s answers with %s", m.FullName(), found)
		}
	}
	file := (&descriptorpb.FileDescriptorSet{}).ProtoReflect().Descriptor()
	if holding(file, descriptors, map[protoreflect.FullName]bool{}) == "" {
		t.Error("a descriptor in an answer isn't found")
	}
}

// holding returns the first of some messages that m reaches.
func holding(m protoreflect.MessageDescriptor, names []string, seen map[protoreflect.FullName]bool) string {
	if slices.Contains(names, string(m.FullName())) {
		return string(m.FullName())
	}
	if seen[m.FullName()] {
		return ""
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		if of := m.Fields().Get(i).Message(); of != nil {
			if found := holding(of, names, seen); found != "" {
				return found
			}
		}
	}
	return ""
}

// L26: who takes over a connection from a treatment team, or a session on the same
// machine, is answered to the byte as on a connection that nobody used before.
//
// Source: blinding.md of the design, channel L26.
func TestLeakL26NothingIsCarriedOverToTheNextUser(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of calls; run without -short")
	}
	answers := func(before bool) map[string]string {
		w := newListed(t, "nsns", unlimited)
		for i := range 4 {
			w.randomize(fmt.Sprint("S-", i), "OSL")
		}
		for _, user := range append([]string{"es-north", "es-south", "re"}, blindRoles...) {
			w.as(user)
		}
		seen := map[string]string{}
		for _, user := range blindRoles {
			for _, m := range everyMethod() {
				if !reads(m) {
					continue
				}
				if before { // the same call, by those who are told an arm
					for _, team := range []string{"es-north", "es-south", "re"} {
						w.observed(team, m, about{"participant": "S-1", "visit": "baseline", "form": "background"})
					}
				}
				seen[fmt.Sprint(user, " ", m.Name())] = w.observed(user, m, about{"participant": "S-1", "visit": "baseline", "form": "background"})
			}
		}
		return seen
	}
	alone, after := answers(false), answers(true)
	for what, want := range alone {
		if after[what] != want {
			t.Errorf("%s: %s, and alone %s", what, after[what], want)
		}
	}
	if len(alone) < 200 {
		t.Errorf("%d answers", len(alone))
	}
}

// reads reports whether a method changes nothing that a blinded person may see.
func reads(m protoreflect.MethodDescriptor) bool {
	name := string(m.Name())
	return slices.ContainsFunc([]string{"List", "Get", "Read", "Check", "Prove", "WhoAmI", "ReviewAccess"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}
