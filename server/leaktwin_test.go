package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// newListed returns a trial whose arms are written down beforehand: those of the
// women at Oslo, each arm by its first letter. Two worlds with lists of one length
// differ in nothing else.
func newListed(t *testing.T, arms string, config func(*server.Config)) *world {
	t.Helper()
	w := newUnsealed(t, config)
	w.must(w.join(w.invite(), "re"))
	w.must(w.grant("cus", "re", "reviewer", "", ""))
	w.must(w.join(w.invite(), "cl"))
	w.must(w.grant("cus", "cl", "clinician", "", ""))
	var list strings.Builder
	list.WriteString("stratum,arm\n")
	for _, stratum := range []string{"BGO/sex=female", "BGO/sex=male", "OSL/sex=female", "OSL/sex=male"} {
		of := "ns"
		if stratum == "OSL/sex=female" {
			of = arms
		}
		for _, arm := range of {
			fmt.Fprintf(&list, "%s,%s\n", stratum, map[rune]string{'n': "northern", 's': "southern"}[arm])
		}
	}
	_, err := w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{
		TrialId: "T1", RequestId: w.id(), FileName: "design.yaml", Design: []byte("design: list\ntolerance: 2\n"), List: []byte(list.String()), ListFormat: "csv",
	})
	w.must(err)
	w.open()
	return w
}

// blindRoles are the people of a world who must not learn an arm.
var blindRoles = []string{"cus", "tc-osl", "tc-bgo", "oa-osl", "oa-bgo", "dm", "ts", "pi", "admin"}

// observed returns the messages of an answer and how it ended, with hiding fields
// by their length only.
func (w *world) observed(user string, m protoreflect.MethodDescriptor, about about) string {
	w.t.Helper()
	s, err := w.conn.NewStream(w.as(user), &grpc.StreamDesc{ServerStreams: true}, path(m))
	w.must(err)
	w.must(s.SendMsg(w.request(m, about)))
	w.must(s.CloseSend())
	var out strings.Builder
	for {
		resp := dynamicpb.NewMessage(m.Output())
		if err := s.RecvMsg(resp); err != nil {
			fmt.Fprintf(&out, "%v %v", status.Convert(err).Proto(), s.Trailer())
			break
		}
		fmt.Fprintf(&out, "%d bytes", proto.Size(resp))
		hide(resp)
		fmt.Fprintf(&out, " %x\n", marshal(w, resp))
	}
	return out.String()
}

// hide overwrites every hiding field, and the detail of the entry with the
// commitment.
func hide(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	if kind := fields.ByName("kind"); m.Descriptor().Name() == "ListEntriesResponse" && m.Get(kind).String() == "design_sealed" {
		m.Clear(fields.ByName("detail"))
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch hiding := proto.GetExtension(f.Options(), loddv1.E_Hiding).(bool); {
		case hiding && f.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfBytes(make([]byte, len(v.List().Get(i).Bytes()))))
			}
		case hiding && f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes(make([]byte, len(v.Bytes()))))
		case hiding:
			m.Set(f, protoreflect.ValueOfString(strings.Repeat("x", len(v.String()))))
		case f.Message() != nil && f.IsList():
			for i := range v.List().Len() {
				hide(v.List().Get(i).Message())
			}
		case f.Message() != nil && !f.IsMap():
			hide(v.Message())
		}
		return true
	})
}

// audited is what blinded people are answered to every question about the log, in
// a trial with these arms. The treatment team's own work is part of it.
func audited(t *testing.T, arms string, leak func(*world, string)) map[string]string {
	t.Helper()
	w := newListed(t, arms, unlimited)
	for i := range arms {
		p := fmt.Sprint("S-", i)
		w.randomize(p, "OSL")
		leak(w, p)
	}
	for _, team := range []string{"es-north", "es-south"} {
		_, err := w.delivery().ListTeam(w.as(team), &loddv1.ListTeamRequest{TrialId: "T1"})
		w.must(err)
	}
	w.takeLock()
	for _, user := range append([]string{"ds", "es-north", "re", "cl", "au"}, blindRoles...) {
		w.as(user)
	}
	w.requests = 1e6
	seen := map[string]string{}
	for _, user := range blindRoles {
		for i := range loddv1.File_lodd_v1_audit_proto.Services().Get(0).Methods().Len() {
			m := loddv1.File_lodd_v1_audit_proto.Services().Get(0).Methods().Get(i)
			for _, list := range []string{"T1/conduct", "T1/outcome", "T1/delivery", "T1/allocation", "system"} {
				for _, raw := range []bool{false, true} {
					seen[fmt.Sprint(user, " ", m.Name(), " ", list, " ", raw)] = w.observed(user, m, about{"list": list, "raw": raw, "old_size": int64(1)})
				}
			}
		}
	}
	return seen
}

// L4: in worlds that differ in the arms of all, or of one participant, blinded
// people get the same answers to every question about the log. An entry that names
// the arm by its kind alone would be noticed.
//
// Source: blinding.md of the design, channel L4.
func TestLeakL4AuditQueriesTellNoArm(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of calls; run without -short")
	}
	const arms = "nssnnss"
	honest := func(*world, string) {}
	base := audited(t, arms, honest)
	for name, other := range map[string]string{"all": "snnssnn", "one": "nssnnsn"} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(base, audited(t, other, honest)); diff != "" {
				t.Errorf("the worlds differ:\n%s", diff)
			}
		})
	}
	if len(base) < 500 {
		t.Errorf("%d answers", len(base))
	}
	t.Run("a leak", func(t *testing.T) {
		telling := func(w *world, p string) {
			if w.arm(p) == "northern" {
				_, err := w.participants().RecordError(w.as("tc-osl"), &loddv1.RecordErrorRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Kind: "not-eligible"})
				w.must(err)
			}
		}
		if cmp.Diff(audited(t, arms, telling), audited(t, "snnssnn", telling)) == "" {
			t.Error("an entry for one arm alone is not noticed")
		}
	})
}
