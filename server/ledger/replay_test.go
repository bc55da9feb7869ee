package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/trial"
)

// standing says where an entry stands.
type standing struct {
	in    trial.Compartment
	index int64
}

// order returns the entries in the order of the replay.
func order(w *world) []standing {
	w.Helper()
	var out []standing
	for _, l := range w.entries() {
		out = append(out, standing{l.In, l.Index})
	}
	return out
}

// The compartments, which have no common counter, merge into exactly the order
// in which the entries were decided, and so the trial can be opened again at
// any moment of its life.
func TestReplayIsTheOrderOfDecisions(t *testing.T) {
	const people = 4
	rapid.Check(t, func(rt *rapid.T) {
		w := recruiting(t, &storetest.Memory{})
		defer w.close()
		var commits []trial.Randomized
		for i := range people {
			commits = append(commits, w.ready(trial.ParticipantID(fmt.Sprintf("P%d", i))))
		}
		want := order(w)
		for range rapid.IntRange(1, 12).Draw(rt, "commands") {
			w.add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "ms")) * time.Millisecond)
			var lens []int64
			for _, c := range trial.Compartments() {
				lens = append(lens, w.log.Len(w.trial().List(c)))
			}
			e, role := action(rt, commits)
			if _, err := w.trial().Do(w.Context(), w.as(role), e); err != nil {
				continue // not allowed now
			}
			for i, c := range trial.Compartments() { // what follows from conduct comes after it
				for ; lens[i] < w.log.Len(w.trial().List(c)); lens[i]++ {
					want = append(want, standing{c, lens[i]})
				}
			}
		}
		if got := order(w); !slices.Equal(got, want) {
			rt.Fatalf("replay gives %v, decided were %v", got, want)
		}
		flow := view(w, (*trial.State).Flow)
		again := w.reopen()
		defer again.close()
		if diff := cmp.Diff(flow, view(again, (*trial.State).Flow)); diff != "" {
			rt.Error(diff)
		}
	})
}

// action draws a command of any compartment.
func action(rt *rapid.T, commits []trial.Randomized) (trial.Event, trial.Role) {
	c := rapid.SampledFrom(commits).Draw(rt, "participant")
	v := rapid.SampledFrom([]trial.VisitID{"month-6", "month-12"}).Draw(rt, "visit")
	switch rapid.IntRange(0, 4).Draw(rt, "command") {
	case 0, 1:
		return c, trial.Coordinator
	case 2:
		return trial.FormSubmitted{Participant: c.Participant, Visit: v, Form: "audit", Version: 1, On: date("2020-03-01"), Sealed: []byte{1}}, trial.Assessor
	case 3:
		return trial.ArmsViewed{Site: "OSLO", Team: "ips"}, trial.TreatmentTeam
	default:
		return trial.Died{Participant: c.Participant, On: date("2020-03-01")}, trial.Coordinator
	}
}

// A reader of some compartments, up to a lock, gets their entries in the same
// order.
func TestReplayToAPosition(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.tell()
	all := w.entries()
	to := position(w)
	var want []standing
	for _, l := range all {
		if n, ok := to[l.In]; ok && l.Index < n {
			want = append(want, standing{l.In, l.Index})
		}
	}
	var got []standing
	for l, err := range replay(w, to) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, standing{l.In, l.Index})
		if l.Meta().Index != l.Index || l.Meta().Actor != l.Actor || !l.Meta().At.Equal(l.At) {
			t.Errorf("meta %+v of %+v", l.Meta(), l)
		}
	}
	if !slices.Equal(got, want) || len(got) == 0 || len(got) == len(all) {
		t.Errorf("got %v, want %v", got, want)
	}
	to[trial.Conduct] += 1000
	var last error
	for _, err := range replay(w, to) {
		last = err
	}
	if last == nil {
		t.Error("a position beyond the end was replayed")
	}
}
