package ledger_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// An allocation comes right after its randomization, whatever else happened in
// the same millisecond: its place is no matter of chance.
func TestAllocationFollowsItsRandomizationWithinAMillisecond(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	commits := []trial.Randomized{w.ready("P1"), w.ready("P2")}
	for _, c := range commits {
		w.do(trial.Coordinator, c)
		w.submit(c.Participant, "month-6", "audit", numbers(1))
		w.do(trial.TreatmentTeam, trial.ArmsViewed{Site: "OSLO", Team: "ips"})
	}
	all := w.entries()
	randomized := 0
	for i, l := range all[:len(all)-1] {
		e, ok := l.Event.(trial.Randomized)
		if !ok {
			continue
		}
		randomized++
		if a, ok := all[i+1].Event.(trial.Allocated); !ok || a.Participant != e.Participant {
			t.Errorf("after the randomization of %s comes %T of %s", e.Participant, all[i+1].Event, all[i+1].In)
		}
	}
	if randomized != len(commits) {
		t.Errorf("%d randomizations", randomized)
	}
}

// A lock right after an outcome, with nothing else in conduct since the
// randomization, has that outcome in it.
func TestLockHoldsTheOutcomeJustBeforeIt(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.submit("P1", "month-6", "audit", numbers(1))
	w.do(trial.Monitor, trial.Locked{})
	src, err := w.trial().AtLock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := src.Record("P1", "month-6", "audit"); !ok || !slices.Equal(src.Participants, []trial.ParticipantID{"P1"}) {
		t.Errorf("the form is in the lock: %t; participants %v", ok, src.Participants)
	}
}

// The place of a request is kept in 64 bits, two of them for the compartment.
func TestCompartmentsFitInTwoBits(t *testing.T) {
	if n := len(trial.Compartments()); n > 4 {
		t.Errorf("%d compartments: type packed needs more bits", n)
	}
}

// Members come in the order of their randomization, also within a millisecond,
// and without those whose data are destroyed.
func TestMembersAreInOrderAndNotErased(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	first, second, third := w.ready("P3"), w.ready("P2"), w.ready("P1")
	for _, c := range []trial.Randomized{third, first, second} {
		w.do(trial.Coordinator, c)
	}
	both := []ledger.Team{{Site: "OSLO", Arm: "ips"}, {Site: "OSLO", Arm: "tau"}}
	members := func() []trial.ParticipantID {
		got, err := w.trial().Members(t.Context(), w.as(trial.TreatmentTeam), both)
		if err != nil {
			t.Error(err)
		}
		var ids []trial.ParticipantID
		for _, m := range got {
			ids = append(ids, m.Participant)
		}
		return ids
	}
	if got := members(); !slices.Equal(got, []trial.ParticipantID{"P1", "P3", "P2"}) {
		t.Errorf("members %v", got)
	}
	erased := trial.Withdrawn{Participant: "P3", Scope: trial.FromData, Reason: "no-longer-wants", On: date("2020-03-01")}
	w.must(w.trial().Do(t.Context(), w.as(trial.Coordinator), erased))
	if got := members(); !slices.Equal(got, []trial.ParticipantID{"P1", "P2"}) {
		t.Errorf("members %v after the erasure of P3", got)
	}
	var callers sync.WaitGroup // the deck draws as it is asked, also by many at once
	by := w.as(trial.TreatmentTeam)
	by.Request = trial.RequestID{}
	for range 8 {
		callers.Go(func() {
			if got, err := w.trial().Members(t.Context(), by, both); err != nil || len(got) != 2 {
				t.Errorf("%d members, %v", len(got), err)
			}
		})
	}
	callers.Wait()
}
