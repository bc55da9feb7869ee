package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

func (w *world) behind(loss ledger.Loss) {
	w.Helper()
	if fenced, err := w.ledger.MarkBehind(w.Context(), loss); err != nil || fenced == strings.HasPrefix(loss.List, "GONE") {
		w.Fatalf("fenced: %t, %v", fenced, err)
	}
}

// losses returns what is noted as lost, in order.
func (w *world) losses() (out []trial.Restored) {
	for _, l := range of[trial.Restored](w) {
		out = append(out, l.Event.(trial.Restored))
	}
	return out
}

// Each larger loss that somebody shows is noted, in one number for each list and
// none for delivery; what is smaller writes nothing. After the reconciliation only
// what lies beyond is new.
func TestLeakL25LargerLossesAreNotedOnce(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	var want []trial.Restored
	for _, step := range []struct {
		name string
		loss ledger.Loss
		adds bool
		then trial.Restored
	}{
		{"a head", ledger.Loss{List: "IPS/conduct", Size: 12, Began: 10}, true, trial.Restored{Conduct: 2}},
		{"it again", ledger.Loss{List: "IPS/conduct", Size: 12, Began: 10}, false, trial.Restored{}},
		{"a smaller one", ledger.Loss{List: "IPS/conduct", Size: 11, Began: 10, Noted: 12}, false, trial.Restored{}},
		{"a larger one", ledger.Loss{List: "IPS/conduct", Size: 15, Began: 10, Noted: 12}, true, trial.Restored{Conduct: 5}},
		{"another list", ledger.Loss{List: "IPS/allocation", Size: 9, Began: 6}, true, trial.Restored{Conduct: 5, Allocation: 3}},
		{"a third", ledger.Loss{List: "IPS/outcome", Size: 3, Began: 7}, true, trial.Restored{Conduct: 5, Outcome: 1, Allocation: 3}},
		{"delivery", ledger.Loss{List: "IPS/delivery", Size: 30, Began: 7}, false, trial.Restored{}},
		{"accounts", ledger.Loss{List: "system", Size: 30, Began: 7}, false, trial.Restored{}},
		{"a trial that is gone", ledger.Loss{List: "GONE/conduct", Size: 30}, false, trial.Restored{}},
	} {
		w.behind(step.loss)
		if step.adds {
			want = append(want, step.then)
		}
		if diff := cmp.Diff(want, w.losses()); diff != "" {
			t.Errorf("after %s:\n%s", step.name, diff)
		}
	}
	w = w.reopen()
	w.behind(ledger.Loss{List: "IPS/allocation", Size: 9, Began: 6})
	w.do(trial.Custodian, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO", Slots: 3}}})
	w.behind(ledger.Loss{List: "IPS/allocation", Size: 10, Began: 6, Noted: 9}) // one more
	want = append(want, trial.Restored{Allocation: 1})
	if diff := cmp.Diff(want, w.losses()); diff != "" {
		t.Error(diff)
	}
	w.do(trial.Custodian, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO", Slots: 1}}})
	if e := w.randomize("P1"); e.List == "" || view(w, func(s *trial.State) int { p, _ := s.Participant("P1"); return p.Slot }) != 4 {
		t.Errorf("P1 has another slot than the one behind the lost ones")
	}
}

// A head of delivery or of the accounts raises the fence without a number: that
// of the accounts in every trial.
func TestLeakL25LossesWithoutANumberRaiseTheFence(t *testing.T) {
	for _, list := range []string{"IPS/delivery", ledger.System} {
		w := recruiting(t, &storetest.Memory{})
		other := protocol()
		other.ID = "TAU"
		if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), other); err != nil {
			t.Fatal(err)
		}
		w.behind(ledger.Loss{List: list, Size: 100, Began: 3})
		if diff := cmp.Diff([]trial.Restored{{}}, w.losses()); diff != "" {
			t.Errorf("%s:\n%s", list, diff)
		}
		tau, err := w.ledger.Trial("TAU")
		if err != nil {
			t.Fatal(err)
		}
		if err := tau.View(func(s *trial.State) error {
			if _, fenced := s.Fence(); fenced != (list == ledger.System) {
				t.Errorf("%s: TAU is fenced: %t", list, fenced)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// Of commands that wait while the fence is raised, each is either before it or
// refused: nobody is randomized behind it, however many ask at once.
func TestLeakL25NobodySlipsThroughTheFence(t *testing.T) {
	const callers = 64
	w := recruiting(t, &storetest.Memory{})
	var prepared []trial.Randomized
	for i := range callers {
		prepared = append(prepared, w.ready(trial.ParticipantID(fmt.Sprintf("P%d", i))))
	}
	var wg sync.WaitGroup
	before := make(chan struct{}, callers)
	for i, p := range prepared {
		by := w.as(trial.Coordinator)
		wg.Go(func() {
			_, err := w.trial().Randomize(t.Context(), by, p)
			if err != nil && !errors.Is(err, trial.ErrFenced) {
				t.Errorf("%d: %v", i, err)
			}
			before <- struct{}{}
		})
	}
	<-before
	for range 3 { // three clients that have seen the same
		wg.Go(func() {
			if _, err := w.ledger.MarkBehind(t.Context(), ledger.Loss{List: "IPS/conduct", Size: 1 << 20, Began: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	fences := of[trial.Restored](w)
	if len(fences) != 1 {
		t.Fatalf("%d fences", len(fences))
	}
	for _, r := range of[trial.Randomized](w) {
		if r.Index > fences[0].Index {
			t.Errorf("%s was randomized in entry %d, behind the fence in entry %d", r.Event.(trial.Randomized).Participant, r.Index, fences[0].Index)
		}
	}
}
