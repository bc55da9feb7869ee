package ledger_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// 50 people, each with a request of their own, commit the same participant at
// once: one randomization, one allocation, one answer.
func TestRND07ParallelCommitsGiveOneAllocation(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	commit := w.ready("P1")
	receipts := make([]ledger.Receipt, 50)
	var callers sync.WaitGroup
	for i := range receipts {
		by := w.as(trial.Coordinator)
		if i%2 == 0 { // half of them are retries of one request
			by.Request = trial.RequestID{1}
		}
		callers.Go(func() {
			var err error
			if receipts[i], err = w.trial().Randomize(t.Context(), by, commit); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	first := 0
	for _, r := range receipts {
		if !r.Repeated {
			first++
		}
		if r.Repeated = false; r != withoutRepeated(receipts[0]) {
			t.Errorf("receipt %+v, another was %+v", r, receipts[0])
		}
	}
	if n, m := len(of[trial.Randomized](w)), len(of[trial.Allocated](w)); first != 1 || n != 1 || m != 1 {
		t.Errorf("%d first answers, %d randomizations, %d allocations", first, n, m)
	}
	if got, ok, err := w.trial().Randomization(t.Context(), "P1"); got != withoutRepeated(receipts[0]) || !ok || err != nil {
		t.Errorf("receipt later: %+v, %t, %v", got, ok, err)
	}
}

func withoutRepeated(r ledger.Receipt) ledger.Receipt {
	r.Repeated = false
	return r
}

// Participants who are randomized in parallel get consecutive slots of their
// stratum in the order of the log, and the arms that the sealed design gives,
// to which the trial committed before the first of them.
func TestRND06ParallelParticipantsGetConsecutiveSlots(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	const n = 40
	commits := make([]trial.Randomized, n)
	for i := range commits {
		commits[i] = w.ready(trial.ParticipantID(fmt.Sprintf("P%d", i)))
	}
	var callers sync.WaitGroup
	for _, commit := range commits {
		by := w.as(trial.Coordinator)
		callers.Go(func() {
			if _, err := w.trial().Randomize(t.Context(), by, commit); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	checkAllocations(t, w, n)
	again := w.reopen()
	checkAllocations(t, again, n)
	again.randomize("LAST")
	checkAllocations(t, again, n+1)
}

func checkAllocations(t *testing.T, w *world, n int) {
	t.Helper()
	randomized, allocated, drawn := of[trial.Randomized](w), of[trial.Allocated](w), arms(w)
	if len(randomized) != n || len(allocated) != n {
		t.Fatalf("%d randomizations and %d allocations, want %d", len(randomized), len(allocated), n)
	}
	seq, commitment := sequence(w, "OSLO")
	for i, l := range allocated {
		e, r := l.Event.(trial.Allocated), randomized[i].Event.(trial.Randomized)
		if e.Participant != r.Participant || e.Slot != i || e.Stratum != "OSLO" {
			t.Errorf("allocation %d is %s at %s/%d; the randomization is of %s", i, e.Participant, e.Stratum, e.Slot, r.Participant)
		}
		if want := protocol().Arms[seq.At(i)].ID; drawn[e.Participant] != want {
			t.Errorf("slot %d has arm %s, the sequence gives %s", i, drawn[e.Participant], want)
		}
		if len(e.Sealed) != len(allocated[0].Event.(trial.Allocated).Sealed) {
			t.Errorf("the length of the sealed arm at slot %d tells it apart", i)
		}
	}
	published := of[trial.DesignSealed](w)[0]
	if published.Event != (trial.DesignSealed{Commitment: commitment}) || published.Index > randomized[0].Index {
		t.Errorf("published %+v, the sealed design gives %v", published.Event, commitment)
	}
}

// Sites have independent sequences.
func TestRND04EachStratumCountsItsOwnSlots(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	for i, site := range []trial.SiteID{"OSLO", "BERGEN", "BERGEN", "OSLO", "BERGEN"} {
		p := trial.ParticipantID(fmt.Sprintf("P%d", i))
		e := screened(p)
		e.Site = site
		w.must(w.trial().Screen(t.Context(), w.as(trial.Coordinator), e, eligible))
		w.submit(p, "baseline", "history", numbers(1))
		w.submit(p, "baseline", "audit", numbers(2))
		by := w.as(trial.Coordinator)
		w.must(w.trial().Do(t.Context(), by, trial.Prepared{Participant: p}))
		w.do(trial.Coordinator, trial.Randomized{Participant: p, Intent: by.Request})
	}
	var slots []string
	for _, l := range of[trial.Allocated](w) {
		e := l.Event.(trial.Allocated)
		slots = append(slots, fmt.Sprint(e.Stratum, " ", e.Slot))
	}
	if got, want := fmt.Sprint(slots), "[OSLO 0 BERGEN 0 BERGEN 1 OSLO 1 BERGEN 2]"; got != want {
		t.Errorf("slots %s, want %s", got, want)
	}
}
