package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// known is what signed heads tell of lost entries.
func known(list string) int64 {
	return map[string]int64{"IPS/conduct": 7, "IPS/outcome": 2, "IPS/delivery": 5, "IPS/allocation": 2}[list]
}

// Every trial is fenced by an entry of the server, once for each restore.
func TestMarkRestoredFencesEveryTrialOnce(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	other := protocol()
	other.ID = "TAU"
	if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), other); err != nil {
		t.Fatal(err)
	}
	mark := func(lost func(string) int64) {
		t.Helper()
		if err := w.ledger.MarkRestored(t.Context(), lost); err != nil {
			t.Fatal(err)
		}
	}
	mark(known)
	mark(known)
	w = w.reopen()
	mark(known)
	restored := of[trial.Restored](w)
	if len(restored) != 1 || restored[0].Actor != trial.ServerActor || restored[0].Role != "" || restored[0].In != trial.Conduct {
		t.Fatalf("entries: %+v", restored)
	}
	// How much delivery holds may hang on an arm: conduct must not tell it.
	if diff := cmp.Diff(trial.Restored{Conduct: 7, Outcome: 2, Allocation: 2}, restored[0].Event); diff != "" {
		t.Error(diff)
	}
	for _, id := range []trial.ID{"IPS", "TAU"} {
		other, err := w.ledger.Trial(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.View(func(s *trial.State) error {
			if s.Phase() != "fenced" {
				t.Errorf("%s is %s", id, s.Phase())
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	mark(func(string) int64 { return 0 }) // another restore
	if n := len(of[trial.Restored](w)); n != 2 {
		t.Errorf("%d entries after a second restore", n)
	}
	w.do(trial.Custodian, reconciled)
	mark(known) // the same numbers, but another restore
	if n := len(of[trial.Restored](w)); n != 3 {
		t.Errorf("%d entries after a restore behind the reconciliation", n)
	}
}

var reconciled = trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO", Slots: 2}}}

// Behind a fence nobody is randomized; after the reconciliation the next one
// gets the slot behind the lost ones, with the arm that the design has there.
func TestSA03RestoreStopsRandomizationUntilReconciled(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	first := w.randomize("P1")
	waiting := w.ready("P2")
	if err := w.ledger.MarkRestored(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.trial().Randomize(t.Context(), w.as(trial.Coordinator), waiting); !errors.Is(err, trial.ErrFenced) {
			t.Errorf("behind the fence: %v", err)
		}
		if r, _, err := w.trial().Randomization(t.Context(), "P1"); err != nil || r.Index != first.Index {
			t.Errorf("an earlier randomization: %+v, %v", r, err)
		}
		w = w.reopen()
	}
	w.do(trial.Custodian, reconciled)
	if _, err := w.trial().Randomize(t.Context(), w.as(trial.Coordinator), waiting); err != nil {
		t.Fatal(err)
	}
	w.randomize("P3")
	want := map[trial.ParticipantID]int{"P1": 0, "P2": 3, "P3": 4}
	for range 2 {
		for p, slot := range want {
			if got := view(w, func(s *trial.State) int { p, _ := s.Participant(p); return p.Slot }); got != slot {
				t.Errorf("%s has slot %d, want %d", p, got, slot)
			}
		}
		w = w.reopen() // which compares every sealed arm with the design
	}
	if lock := w.do(trial.Monitor, trial.Locked{}); len(lock.Events) != 1 {
		t.Fatalf("%+v", lock)
	}
	if src, err := w.trial().AtLock(t.Context(), 1); err != nil || len(src.Participants) != 3 {
		t.Errorf("the export: %v, %v", src.Participants, err)
	}
}

// A repeated reconciliation gives up nothing twice.
func TestReconciliationIsIdempotent(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	if _, err := w.trial().Do(t.Context(), w.as(trial.Custodian), reconciled); !errors.Is(err, trial.ErrNotFenced) {
		t.Errorf("without a restore: %v", err)
	}
	if err := w.ledger.MarkRestored(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	by := w.as(trial.Custodian)
	for repeated := range 2 {
		a, err := w.trial().Do(t.Context(), by, reconciled)
		if err != nil || a.Receipt.Repeated != (repeated == 1) {
			t.Errorf("%+v, %v", a.Receipt, err)
		}
	}
	more := trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO", Slots: 3}}}
	if _, err := w.trial().Do(t.Context(), by, more); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("other slots with the same request id: %v", err)
	}
	w.randomize("P1")
	if got := view(w, func(s *trial.State) int { p, _ := s.Participant("P1"); return p.Slot }); got != 2 {
		t.Errorf("slot %d, want 2", got)
	}
}
