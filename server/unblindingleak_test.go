package server_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// A view is everything that blinded people get to see, by who asks for what.
type view map[string]string

// The people who must not notice an unblinding. Of them these are told how many
// there were.
var (
	blinded = []string{"oa-osl", "oa2", "tc-osl", "tc-bgo", "dm", "es-north"}
	counted = map[string]int{"tc-osl": 2, "tc-bgo": 0, "dm": 2}
)

// observe sets a world up, lets something happen, and returns what blinded people
// see afterwards. The restart in between makes the entropy of both worlds the
// same again.
func observe(t *testing.T, happens func(*world)) view {
	t.Helper()
	w := newUnblinding(t)
	w.must(w.join(w.invite(), "oa2"))
	w.must(w.grant("cus", "oa2", "assessor", "", ""))
	w.wait(180 * 24 * time.Hour)
	for _, user := range []string{"pi", "cl"} {
		w.as(user) // has signed in, whatever happens
	}
	happens(w)
	w.requests = 1e6
	w.restart()

	v := view{}
	for _, user := range blinded {
		v.everything(w, user)
	}
	v.work(w)
	for _, user := range blinded {
		v.everything(w, user)
	}
	return v
}

// work is a day on which blinded people go on.
func (v view) work(w *world) {
	w.t.Helper()
	w.randomize("S-N", "OSL") // the next slot
	for _, form := range []string{"mood", "work"} {
		_, err := w.submit("oa-osl", "S-1", "month-6", form, map[string]string{"mood": `{"glad": 1, "calm": 2}`, "work": `{"days": 3}`}[form])
		w.must(err)
	}
	_, err := w.assessment().CorrectForm(w.as("oa-osl"), &loddv1.CorrectFormRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"glad": 3}`, Reason: "misread",
	})
	w.must(err)
	w.takeLock()
	bundle, _, name, err := w.download("dm", 1)
	w.must(err)
	v["export"] = name + string(bundle)
}

// everything calls every method as a user, with what the request needs to be
// about a participant who was unblinded, and keeps every byte of the answers.
func (v view) everything(w *world, user string) {
	w.t.Helper()
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				if m := methods.Get(j); m.Input().Fields().ByName("trial_id") != nil {
					key := fmt.Sprintf("%s %s %d", user, m.Name(), len(v))
					v[key] = w.answers(user, m)
				}
			}
		}
		return true
	})
}

// answers returns all that a method answers a user, as bytes.
func (w *world) answers(user string, m protoreflect.MethodDescriptor) string {
	w.t.Helper()
	var out bytes.Buffer
	for _, list := range []string{"T1/conduct", "T1/outcome", "T1/allocation"} {
		req := dynamicpb.NewMessage(m.Input())
		about := map[protoreflect.Name]any{
			"trial_id": "T1", "participant": "S-1", "visit": "month-6", "form": "mood", "list": list, "lock": int32(1), "size": int64(1), "raw": true,
		}
		if m.Name() == "ListEntries" {
			delete(about, "size") // all of them
			delete(about, "participant")
		}
		for name, value := range about {
			if f := m.Input().Fields().ByName(name); f != nil && !f.IsList() && f.Message() == nil && fmt.Sprintf("%T", f.Default().Interface()) == fmt.Sprintf("%T", value) {
				req.Set(f, protoreflect.ValueOf(value))
			}
		}
		fmt.Fprintln(&out, list, w.invoke(user, m, req))
	}
	return out.String()
}

// invoke returns the messages of an answer, and how it ended.
func (w *world) invoke(user string, m protoreflect.MethodDescriptor, req proto.Message) string {
	w.t.Helper()
	s, err := w.conn.NewStream(w.as(user), &grpc.StreamDesc{ServerStreams: true}, fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()))
	w.must(err)
	w.must(s.SendMsg(req))
	w.must(s.CloseSend())
	var out bytes.Buffer
	for {
		resp := dynamicpb.NewMessage(m.Output())
		if err := s.RecvMsg(resp); err != nil {
			if err != io.EOF { //nolint:errorlint // that of grpc is bare
				fmt.Fprintf(&out, "%x", marshal(w, status.Convert(err).Proto()))
			}
			return out.String()
		}
		fmt.Fprintf(&out, "%x ", marshal(w, resp))
	}
}

func marshal(w *world, m proto.Message) []byte {
	w.t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	w.must(err)
	return b
}

// differences returns which observations of two worlds differ.
func differences(a, b view) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if a[key] != b[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// After an investigator has unblinded a participant, and a clinician has read
// another's arm, no blinded person sees anything else than in the world without
// it, save the number that some may know.
//
// Source: blinding.md of the design, channel L24.
func TestLeakL24UnblindingIsNotNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("whole days of calls, in which nothing runs beside anything; run without -short")
	}
	without := observe(t, func(*world) {})
	with := observe(t, func(w *world) {
		_, err := w.unblind("pi", "S-1", "")
		w.must(err)
		got, err := w.unblind("pi", "S-2", "cl")
		w.must(err)
		_, err = w.collect("cl", got.GetReceipt().GetIndex())
		w.must(err)
		for user, want := range counted {
			got, err := w.unblinding().ListUnblindings(w.as(user), &loddv1.ListUnblindingsRequest{TrialId: "T1"})
			w.must(err)
			if diff := cmp.Diff(want, int(got.GetCount())); diff != "" || len(got.GetUnblindings()) > 0 {
				t.Errorf("%s is told %v (-want +got): %s", user, got, diff)
			}
		}
	})
	for _, key := range differences(without, with) {
		user, method, _ := strings.Cut(key, " ")
		if counted[user] == 0 || !strings.HasPrefix(method, "ListUnblindings ") {
			t.Errorf("%s differs:\n%s\n%s", key, without[key], with[key])
		}
	}
	if len(without) != len(with) || len(without) < 300 {
		t.Errorf("%d and %d observations", len(without), len(with))
	}
}

// The comparison notices what a server would let out that noted an unblinding
// where others read, or told the assessor.
func TestLeakL24NoticesALeak(t *testing.T) {
	if testing.Short() {
		t.Skip("whole days of calls, in which nothing runs beside anything; run without -short")
	}
	without := observe(t, func(*world) {})
	for name, tt := range map[string]struct {
		leak trial.Event
		seen string
	}{
		"an entry in conduct": {trial.VisitMissed{Participant: "S-2", Visit: "month-6", Reason: "other"}, "oa-osl GetCheckpoint"},
		"the assessor knows": {trial.BlindBroken{
			Participant: "S-1", Person: "oa2", On: trial.DateOf(time.Date(2026, 8, 29, 0, 0, 0, 0, time.UTC), time.UTC), How: "other", Timing: "before-assessment",
		}, "oa2 ListDue"},
	} {
		t.Run(name, func(t *testing.T) {
			with := observe(t, func(w *world) {
				tr, err := w.ledger.Trial("T1")
				w.must(err)
				_, err = tr.Do(t.Context(), ledger.Caller{Actor: "pi", Role: trial.Investigator}, tt.leak)
				w.must(err)
			})
			if d := differences(without, with); !slices.ContainsFunc(d, func(key string) bool { return strings.HasPrefix(key, tt.seen) }) {
				t.Errorf("differences %q, want %s", d, tt.seen)
			}
		})
	}
}
