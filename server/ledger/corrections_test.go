package ledger_test

import (
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// position is that of the first lock.
func position(w *world) ledger.Position {
	w.Helper()
	l := view(w, func(s *trial.State) trial.Lock { return s.Locks()[0] })
	return ledger.Position{trial.Conduct: l.Conduct, trial.Outcome: l.Outcome}
}

func replay(w *world, to ledger.Position) iter.Seq2[ledger.Logged, error] {
	return w.trial().Replay(w.Context(), to)
}

// Corrections that come at once are all made, one after the other: each says
// what was there before it, and none takes another back.
func TestParallelCorrectionsAreAllKept(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.on("2020-09-02")
	w.submit("P1", "month-6", "audit", numbers(0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	var callers sync.WaitGroup
	const n = 9
	for i := range n {
		by := w.as(trial.Assessor)
		callers.Go(func() {
			patch := ledger.Patch{Set: instrument.Values{fmt.Sprintf("n%d", i): instrument.Number(i + 1), "t0": instrument.String(fmt.Sprint(i))}}
			_, changes, err := w.trial().Correct(t.Context(), by, audit6, patch, fmt.Sprint("reason ", i))
			if err != nil || len(changes) != 2 {
				t.Errorf("correction %d: %+v, %v", i, changes, err)
			}
		})
	}
	callers.Wait()
	got, err := w.trial().ReadForm(t.Context(), audit6, "")
	if err != nil || len(got.Corrections) != n {
		t.Fatalf("%d corrections, %v; want %d", len(got.Corrections), err, n)
	}
	values := numbers(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, c := range got.Corrections {
		for _, change := range c.Changes {
			if was := values[change.Item]; was != change.Old {
				t.Errorf("%s: %s was %v, the correction says %v", c.Reason, change.Item, was, change.Old)
			}
			values[change.Item] = change.New
		}
	}
	if diff := cmp.Diff(values, got.Values); diff != "" {
		t.Error(diff)
	}
	for i := range n {
		if item := fmt.Sprintf("n%d", i); got.Values[item] != instrument.Number(i+1) {
			t.Errorf("%s is %v, want %d", item, got.Values[item], i+1)
		}
	}
}

// A change never hides an earlier value: every state of an item can be read
// back, in order.
func TestAUD04EveryValueStaysReadable(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.on("2020-09-02")
	w.submit("P1", "month-6", "audit", numbers(0, 7))
	patches := []ledger.Patch{{Set: numbers(1)}, {Set: numbers(2)}, {Set: instrument.Values{"n0": instrument.Refused}}, {Drop: []string{"n0"}}, {Set: numbers(3)}}
	for _, p := range patches {
		if _, _, err := w.trial().Correct(t.Context(), w.as(trial.Assessor), audit6, p, "misread"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.reopen().trial().ReadForm(t.Context(), audit6, "")
	if err != nil {
		t.Fatal(err)
	}
	history := []instrument.Value{got.Corrections[0].Changes[0].Old}
	for _, c := range got.Corrections {
		if len(c.Changes) != 1 || c.Changes[0].Item != "n0" {
			t.Errorf("changes %+v, want one of n0", c.Changes)
		}
		history = append(history, c.Changes[0].New)
	}
	want := []instrument.Value{instrument.Number(0), instrument.Number(1), instrument.Number(2), instrument.Refused, nil, instrument.Number(3)}
	if diff := cmp.Diff(want, history); diff != "" {
		t.Error(diff)
	}
}
