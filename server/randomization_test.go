package server_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func TestPrepareRandomizationRefuses(t *testing.T) {
	w := newTrial(t, nil)
	prepare := func(p string) error {
		_, err := w.randomization().PrepareRandomization(w.as("tc-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: p})
		return err
	}
	add := func(p string, change func(*loddv1.AddScreeningRequest)) {
		req := w.screened(p, "OSL")
		change(req)
		_, err := w.screening().AddScreening(w.as("tc-osl"), req)
		w.must(err)
	}
	add("S-1", func(r *loddv1.AddScreeningRequest) { r.Consent = nil })
	add("S-2", func(r *loddv1.AddScreeningRequest) { r.Answers = nil })
	add("S-3", func(*loddv1.AddScreeningRequest) {})
	add("S-4", func(r *loddv1.AddScreeningRequest) { r.Answers["adult"] = false })
	w.randomize("S-5", "OSL")
	refused(t, prepare("S-0"), codes.NotFound, "NOT_FOUND")
	refused(t, prepare("S-1"), codes.FailedPrecondition, "NO_CONSENT")
	refused(t, prepare("S-2"), codes.FailedPrecondition, "NOT_ELIGIBLE")
	refused(t, prepare("S-3"), codes.FailedPrecondition, "NO_BASELINE")
	refused(t, prepare("S-4"), codes.FailedPrecondition, "EXCLUDED")
	refused(t, prepare("S-5"), codes.FailedPrecondition, "ALREADY_RANDOMIZED")
	w.ready("S-6", "OSL")
	_, err := w.trials().CloseEnrolment(w.as("cus"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	refused(t, prepare("S-6"), codes.FailedPrecondition, "ENROLMENT_CLOSED")
}

func TestRandomize(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	req := &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1"}
	prepared, err := w.randomization().PrepareRandomization(w.as("tc-osl"), req)
	w.must(err)
	if prepared.GetIntentId() != req.GetRequestId() || prepared.GetExpires().AsTime().Sub(w.clock.now()) != 15*time.Minute ||
		prepared.GetSite() != "OSL" || prepared.GetConsentVersion() != "1" || prepared.GetConsentOn() != "2026-03-01" || prepared.GetLevels()["sex"] != "female" {
		t.Errorf("prepared = %v", prepared)
	}
	intent := prepared.GetIntentId()
	_, err = w.commit("tc-osl", intent, "S-2")
	refused(t, err, codes.InvalidArgument, "NOT_CONFIRMED")
	_, err = w.commit("tc-osl", intent, "")
	refused(t, err, codes.InvalidArgument, "NOT_CONFIRMED")
	_, err = w.commit("tc-osl", w.id(), "S-1")
	refused(t, err, codes.NotFound, "NOT_FOUND")
	_, err = w.commit("tc-osl", "", "S-1")
	refused(t, err, codes.InvalidArgument, "")

	first, err := w.commit("tc-osl", intent, "S-1")
	w.must(err)
	w.wait(time.Hour) // a repeat is the same answer also when the intent is old
	again, err := w.commit("tc-osl", intent, "S-1")
	w.must(err)
	if first.GetReceipt().GetRepeatedRequest() || !again.GetReceipt().GetRepeatedRequest() ||
		!bytes.Equal(first.GetReceipt().GetLeafHash(), again.GetReceipt().GetLeafHash()) {
		t.Errorf("first %v, again %v", first, again)
	}
}

func TestIntentExpires(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	intent := w.prepare("S-1", "OSL")
	w.wait(15*time.Minute + time.Millisecond)
	_, err := w.commit("tc-osl", intent, "S-1")
	refused(t, err, codes.FailedPrecondition, "INTENT_EXPIRED")
}

func TestGetRandomization(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	get := func(user, intent, p string) (*loddv1.GetRandomizationResponse, error) {
		return w.randomization().GetRandomization(w.as(user), &loddv1.GetRandomizationRequest{TrialId: "T1", IntentId: intent, Participant: p})
	}
	state := func(user, intent, p, want string) {
		t.Helper()
		got, err := get(user, intent, p)
		w.must(err)
		if got.GetState() != want || (got.GetReceipt() != nil) != (want == "committed") {
			t.Errorf("intent %q, participant %q: %v, want %s", intent, p, got, want)
		}
	}
	state("tc-osl", "", "S-1", "none")
	state("tc-osl", w.id(), "", "none")
	old := w.prepare("S-1", "OSL")
	state("tc-osl", old, "", "prepared")
	state("tc-bgo", old, "", "none") // of another site
	w.wait(16 * time.Minute)
	state("tc-osl", old, "", "expired")
	_, err := w.commit("tc-osl", w.prepare("S-1", "OSL"), "S-1")
	w.must(err)
	state("tc-osl", old, "", "committed")
	state("tc-osl", "", "S-1", "committed")
	state("tc-bgo", old, "", "none")

	_, err = get("tc-osl", "", "")
	refused(t, err, codes.InvalidArgument, "")
	_, absent := get("tc-bgo", "", "S-9")
	_, hidden := get("tc-bgo", "", "S-1")
	refused(t, absent, codes.NotFound, "NOT_FOUND")
	same(t, absent, hidden)
}

// However often and by whomever a participant is randomized at once, there is
// one randomization, and everyone gets its receipt.
func TestParallelCommitsGiveOneRandomization(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	intents := []string{w.prepare("S-1", "OSL"), w.prepare("S-1", "OSL")}
	ctx := w.as("tc-osl")
	const n = 50
	answers, errs := make([]*loddv1.CommitRandomizationResponse, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			answers[i], errs[i] = w.randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{TrialId: "T1", IntentId: intents[i%2], Confirm: "S-1"})
		})
	}
	wg.Wait()
	firsts := 0
	for i := range n {
		w.must(errs[i])
		if !bytes.Equal(answers[i].GetReceipt().GetLeafHash(), answers[0].GetReceipt().GetLeafHash()) || answers[i].GetReceipt().GetIndex() != answers[0].GetReceipt().GetIndex() {
			t.Errorf("answers %v and %v", answers[0], answers[i])
		}
		if !answers[i].GetReceipt().GetRepeatedRequest() {
			firsts++
		}
	}
	if r, a := w.count("T1/conduct", "randomized"), w.count("T1/allocation", "allocated"); r != 1 || a != 1 || firsts != 1 {
		t.Errorf("%d randomized, %d allocated, %d first answers; want 1 of each", r, a, firsts)
	}
}

// A full disk is said so and nothing is done; a write of unknown outcome is
// said so, and a repeat after a restart finds out.
func TestRandomizeOnAFailingStore(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	intent := w.prepare("S-1", "OSL")
	w.as("tc-osl")
	w.store.FailAppend = func(...store.Part) error { return store.ErrFull }
	_, err := w.commit("tc-osl", intent, "S-1")
	refused(t, err, codes.ResourceExhausted, "DISK_FULL")
	w.store.FailAppend = nil
	if n := w.count("T1/conduct", "randomized"); n != 0 {
		t.Fatalf("%d entries on a full disk", n)
	}

	w.store.WriteUnknown = true
	w.store.FailAppend = func(...store.Part) error {
		return errors.Join(store.ErrUnknown, errors.New("meta page of /var/lib/lodd"))
	}
	_, err = w.commit("tc-osl", intent, "S-1")
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	w.store.FailAppend = nil
	w.restart()
	answer, err := w.commit("tc-osl", intent, "S-1")
	w.must(err)
	if !answer.GetReceipt().GetRepeatedRequest() || w.count("T1/allocation", "allocated") != 1 {
		t.Errorf("after the restart: %v", answer)
	}
}
