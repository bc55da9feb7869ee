package server_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// unseal takes the trial to its end.
func (w *world) unseal() {
	w.t.Helper()
	w.over()
	w.must(w.propose("pi"))
	w.must(w.approve("cus"))
}

// broughtBack is what a server is that was restored from an older copy, with the
// values that the newer one has and the older one lacks.
func (w *world) broughtBack(older *storetest.Memory) {
	w.t.Helper()
	value, err := w.store.Get(w.t.Context(), server.UnsealedPrefix+"T1")
	w.must(err)
	w.must(older.Put(w.t.Context(), server.UnsealedPrefix+"T1", value))
	w.putBack(older)
}

func (w *world) tryOpen() error {
	_, err := w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	return err
}

func (w *world) trySeal() error {
	_, err := w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{TrialId: "T1", RequestId: w.id(), FileName: "design.yaml", Design: w.file("design.yaml")})
	return err
}

// isSeedKnown demands that something was refused because the seed is known.
func isSeedKnown(t *testing.T, what string, err error) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != codes.FailedPrecondition || !strings.Contains(s.Message(), "was unsealed before this server was brought back") {
		t.Errorf("%s: %v", what, err)
	}
}

// A copy from before the unsealing would allocate from a seed that people hold.
func TestTrialThatWasUnsealedAllocatesNobodyFromAnOlderCopy(t *testing.T) {
	w := newTrial(t, nil)
	to := two(t)
	_, err := w.print("cus", w.id(), 3, to)
	w.must(err)
	w.randomize("S-2", "OSL")
	w.ready("S-1", "OSL")
	w.ready("S-3", "OSL")
	intent := w.prepare("S-3", "OSL")
	older := w.store.Reopen()
	w.unseal()
	head := w.head("T1/conduct")

	w.broughtBack(older)
	w.shows(head, "fenced")
	w.must(w.reconcile(1))
	isSeedKnown(t, "prepare", w.tryPrepare("S-1"))
	_, err = w.commit("tc-osl", intent, "S-3")
	isSeedKnown(t, "commit", err)
	_, err = loddv1.NewRandomizationServiceClient(w.conn).RecordContingencyAllocation(w.as("tc-osl"), w.used(nil))
	isSeedKnown(t, "contingency allocation", err)
	_, err = w.print("cus", w.id(), 4, to)
	isSeedKnown(t, "printing", err)
	w.closeEnrolment()
	isSeedKnown(t, "opening", w.tryOpen())

	// What is recorded without an allocation goes on, to another unsealing.
	w.takeLock()
	w.must(w.freeze("ts", "1.1"))
	w.must(w.propose("pi"))
	w.must(w.approve("cus"))
	refused(t, w.tryOpen(), codes.FailedPrecondition, "UNSEALED")
}

func TestTrialThatWasUnsealedIsSealedNoMoreFromAnOlderCopy(t *testing.T) {
	w := newUnsealed(t, nil)
	older := w.store.Reopen()
	w.must(w.trySeal())
	w.open()
	w.unseal()
	w.broughtBack(older)
	isSeedKnown(t, "sealing", w.trySeal())
}

// A note that is damaged makes no seed secret again.
func TestDamagedNoteOfAnUnsealingStopsAllocation(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	damaged := w.store.Reopen()
	w.must(damaged.Put(t.Context(), server.UnsealedPrefix+"T1", []byte("x")))
	w.putBack(damaged)
	isSeedKnown(t, "prepare", w.tryPrepare("S-1"))
}

// A server that was killed between the unsealing and its note makes up for it
// before anybody sees the seed.
func TestRevealNotesTheUnsealingFirst(t *testing.T) {
	w := newTrial(t, nil)
	_, err := w.store.Get(t.Context(), server.UnsealedPrefix+"T1")
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("noted before the unsealing: %v", err)
	}
	w.unseal()
	w.must(w.store.Delete(t.Context(), server.UnsealedPrefix+"T1"))
	if _, _, err := w.reveal("pi"); err != nil {
		t.Fatal(err)
	}
	value, err := w.store.Get(t.Context(), server.UnsealedPrefix+"T1")
	w.must(err)
	if c := w.opened(string(value)); c.Origin != "example.org/T1/conduct" || c.Size == 0 {
		t.Errorf("noted with %+v", c)
	}
}

// Whoever holds the arms could correct what an analysis stands on for their sake.
func TestMistakesAreNotRecordedAfterTheUnsealing(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	before := &loddv1.CorrectLevelsRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Levels: map[string]string{"sex": "male"}, Reason: "misread"}
	_, err := w.participants().CorrectLevels(w.as("tc-osl"), before)
	w.must(err)
	w.unseal()
	_, err = w.correctLevels("tc-osl", "S-2", map[string]string{"sex": "male"}, "misread")
	refused(t, err, codes.FailedPrecondition, "UNSEALED")
	refused(t, w.duplicate("tc-osl", "S-1", "S-2"), codes.FailedPrecondition, "UNSEALED")
	refused(t, w.replace("pi", "S-1", "S-2"), codes.FailedPrecondition, "UNSEALED")
	again, err := w.participants().CorrectLevels(w.as("tc-osl"), before) // a repeat is answered as it was
	if err != nil || !again.GetReceipt().GetRepeatedRequest() {
		t.Errorf("repeated: %v, %v", again, err)
	}
}
