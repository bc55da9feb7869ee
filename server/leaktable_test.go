package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// ended returns code, text and details of the end of a call, without the number of
// the participant whom it names and without the number of the call.
func ended(err error, participant string) string {
	s := status.Convert(err)
	text := fmt.Sprintf("%v %q %s", s.Code(), s.Message(), reasonOf(s))
	for _, field := range fields(err) {
		text += " " + field
	}
	return strings.ReplaceAll(text, participant, "P")
}

// A refusing is how the calls of a user about a participant ended, by method.
type refusing map[string]string

// tried calls every method that is about a participant as every user.
func (w *world) tried(users []string, p string) refusing {
	w.t.Helper()
	out := refusing{}
	for _, user := range users {
		for _, m := range everyMethod() {
			if m.Input().Fields().ByName("participant") == nil {
				continue
			}
			for _, visit := range []string{"baseline", "month-6"} {
				form := map[string]string{"baseline": "background", "month-6": "mood"}[visit]
				err := w.call(user, m, about{"participant": p, "confirm": p, "visit": visit, "form": form})
				out[fmt.Sprint(user, " ", m.Name(), " ", visit)] = ended(err, p)
			}
		}
	}
	return out
}

// differing returns the calls that ended differently.
func differing(a, b refusing) (calls []string) {
	for call, how := range a {
		if b[call] != how {
			calls = append(calls, fmt.Sprintf("%s: %s and %s", call, how, b[call]))
		}
	}
	slices.Sort(calls)
	return calls
}

// L13: whatever somebody asks about a participant, code and text of the answer are
// the same for either arm; and to whom the participant is hidden, they are those
// for nobody at all. Of whom the treatment teams know, they may be told.
//
// Source: blinding.md of the design, channel L13.
func TestLeakL13RefusalsTellNoArm(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of calls; run without -short")
	}
	const arms = "nsns"
	w := newListed(t, arms, unlimited)
	for i := range arms {
		w.randomize(fmt.Sprint("S-", i), "OSL")
	}
	w.wait(180 * 24 * time.Hour)
	users := append([]string{"au", "re", "ds", "cl"}, blindRoles...)
	north, south := w.tried(users, "S-0"), w.tried(users, "S-1")
	for _, call := range differing(north, south) {
		t.Errorf("the arms differ: %s", call)
	}
	ended := map[string]bool{}
	for _, how := range north {
		ended[how] = true
	}
	if len(north) < 300 || len(ended) < 8 {
		t.Errorf("%d calls ended in %d ways only: the test has no power", len(north), len(ended))
	}
	hidden := []string{"tc-bgo", "oa-bgo", "dm", "ds", "admin", "es-north"}
	other, nobody := w.tried(hidden, "S-3"), w.tried(hidden, "S-999")
	for _, call := range differing(other, nobody) {
		if !strings.Contains(call, " AddScreening ") && !strings.Contains(call, " Exclude ") { // see TestForeignNumbersLookUnused
			t.Errorf("who is hidden isn't as nobody: %s", call)
		}
	}
	if w.arm("S-0") != "northern" || w.arm("S-1") != "southern" || w.arm("S-3") != "southern" {
		t.Error("the participants have other arms than the list says")
	}
}

// chooses are words in the names of fields by which an answer could be cut to what
// is hidden.
var chooses = []string{"filter", "mask", "order", "sort", "query", "where", "select", "group", "fields", "expr", "path", "arm"}

// choosing returns the fields of a message, however deep, that choose what is
// answered.
func choosing(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) (found []string) {
	if seen[m.FullName()] {
		return nil
	}
	seen[m.FullName()] = true
	if pkg := m.ParentFile().Package(); pkg != "lodd.v1" && m.FullName() != "google.protobuf.Timestamp" && !m.IsMapEntry() {
		return []string{string(m.FullName())} // a FieldMask, an Any or a Struct
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		for _, word := range strings.Split(string(f.Name()), "_") {
			if slices.Contains(chooses, word) || slices.Contains(chooses, strings.TrimSuffix(word, "s")) {
				found = append(found, string(f.FullName()))
			}
		}
		if f.Message() != nil {
			found = append(found, choosing(f.Message(), seen)...)
		}
	}
	return found
}

// L14: no request can name a field, an arm or an order, so that there is no
// hidden path to be asked for; and of the names that a request can give, a hidden
// compartment is answered as one that doesn't exist.
//
// Source: blinding.md of the design, channel L14.
func TestLeakL14NothingHiddenCanBeChosen(t *testing.T) {
	for _, m := range everyMethod() {
		if found := choosing(m.Input(), map[protoreflect.FullName]bool{}); found != nil {
			t.Errorf("%s can be asked by %q", m.FullName(), found)
		}
	}
	answer := (&loddv1.TeamParticipant{}).ProtoReflect().Descriptor()
	if found := choosing(answer, map[protoreflect.FullName]bool{}); !slices.Equal(found, []string{"lodd.v1.TeamParticipant.arm"}) {
		t.Errorf("in a message with an arm %q is found", found)
	}

	w := newListed(t, "nsns", unlimited)
	w.randomize("S-0", "OSL")
	asked := 0
	for _, user := range blindRoles {
		lists, _ := w.audit().ListCompartments(w.as(user), &loddv1.ListCompartmentsRequest{TrialId: "T1"})
		for _, m := range everyMethod() {
			if m.Input().Fields().ByName("list") == nil {
				continue
			}
			nowhere := w.observed(user, m, about{"list": "T1/nonexistent", "participant": "S-0"})
			for _, list := range []string{"T1/allocation", "T1/delivery", "system", "T2/conduct", "arm=northern"} {
				if slices.Contains(lists.GetLists(), list) {
					continue
				}
				if got := w.observed(user, m, about{"list": list, "participant": "S-0"}); got != nowhere {
					t.Errorf("%s asks %s for %s: %s, want %s", user, m.Name(), list, got, nowhere)
				}
				asked++
			}
		}
	}
	if asked < 100 {
		t.Errorf("%d questions", asked)
	}
}
