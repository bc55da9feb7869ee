package server_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// The reply to a randomization that is durable is lost, and 50 people ask again
// at once: one allocation, one event, one answer. Whoever doesn't like an arm
// can't get another one by asking again.
//
// Source: blinding.md of the design, channel L2.
func TestLeakL2RepeatedCallsGetOneAllocation(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	intents := []string{w.prepare("S-1", "OSL"), w.prepare("S-1", "OSL"), w.prepare("S-1", "OSL")}
	w.store.WriteUnknown = true
	w.store.FailAppend = func(...store.Part) error { return errors.Join(store.ErrUnknown, errors.New("the power went")) }
	_, err := w.commit("tc-osl", intents[0], "S-1")
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	w.restart()
	ctx := w.as("tc-osl")
	const n = 50
	receipts, errs := make([]*loddv1.Receipt, n), make([]error, n)
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() {
			resp, err := w.randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{TrialId: "T1", IntentId: intents[i%3], Confirm: "S-1"})
			receipts[i], errs[i] = resp.GetReceipt(), err
		})
	}
	callers.Wait()
	for i, r := range receipts {
		w.must(errs[i])
		if !r.GetRepeatedRequest() || r.GetIndex() != receipts[0].GetIndex() || !bytes.Equal(r.GetLeafHash(), receipts[0].GetLeafHash()) {
			t.Errorf("answers %v and %v", r, receipts[0])
		}
	}
	if r, a := w.count("T1/conduct", "randomized"), w.count("T1/allocation", "allocated"); r != 1 || a != 1 {
		t.Errorf("%d randomizations, %d allocations; want 1 of each", r, a)
	}
}

// Whoever sees an arm can't have the randomization undone so that the next one
// gets the slot: an exclusion is refused, a randomization in error is flagged,
// and after either, after a withdrawal and after an erasure the next one gets the
// next slot.
//
// Source: blinding.md of the design, channel L3.
func TestLeakL3VoidedSlotIsGivenToNobody(t *testing.T) {
	w := newTrial(t, nil)
	slot := func(p string) (slot int) {
		t.Helper()
		tr, err := w.ledger.Trial("T1")
		w.must(err)
		w.must(tr.View(func(s *trial.State) error {
			who, ok := s.Participant(trial.ParticipantID(p))
			if slot = -1; ok && who.Randomized() {
				slot = who.Slot
			}
			return nil
		}))
		return slot
	}
	void := []func(ctx context.Context, p string) error{
		func(ctx context.Context, p string) error {
			_, err := w.screening().Exclude(ctx, &loddv1.ExcludeRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Reason: "not-eligible"})
			refused(t, err, codes.FailedPrecondition, "ALREADY_RANDOMIZED")
			return nil
		},
		func(ctx context.Context, p string) error {
			_, err := w.participants().RecordError(ctx, &loddv1.RecordErrorRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Kind: "not-eligible"})
			return err
		},
		func(ctx context.Context, p string) error {
			_, err := w.participants().RecordWithdrawal(ctx, &loddv1.RecordWithdrawalRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Scope: "data", Reason: "other", Confirm: p})
			if err != nil {
				return err
			}
			_, err = w.participants().EraseParticipant(w.as("pi"), &loddv1.EraseParticipantRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Confirm: p})
			return err
		},
	}
	for i, f := range void {
		p := "S-" + string(rune('A'+i))
		w.randomize(p, "OSL")
		w.must(f(w.as("tc-osl"), p))
		if got := slot(p); got != i {
			t.Errorf("%s has slot %d, want %d", p, got, i)
		}
	}
	w.restart()
	w.randomize("S-NEXT", "OSL")
	if got := slot("S-NEXT"); got != len(void) {
		t.Errorf("the next one has slot %d, want %d", got, len(void))
	}
}
