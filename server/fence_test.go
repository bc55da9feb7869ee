package server_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// head returns the signed head of a list as the server has it now.
func (w *world) head(list string) string {
	w.t.Helper()
	signed, err := w.log.Checkpoint(w.t.Context(), list)
	w.must(err)
	return string(signed)
}

func (w *world) report(user, checkpoint string) (behind bool, err error) {
	w.t.Helper()
	resp, err := w.audit().ReportCheckpoint(w.as(user), &loddv1.ReportCheckpointRequest{TrialId: "T1", Checkpoint: checkpoint})
	return resp.GetBehind(), err
}

// putBack restarts the server on an older copy of its store.
func (w *world) putBack(older *storetest.Memory) {
	w.t.Helper()
	w.close()
	w.store = older
	w.tokens = map[string]string{}
	w.start("third")
}

func (w *world) state() string {
	w.t.Helper()
	got, err := w.trials().GetTrial(w.as("tc-osl"), &loddv1.GetTrialRequest{TrialId: "T1"})
	w.must(err)
	return got.GetState()
}

// reconcile gives up slots of one stratum, as the custodian does.
func (w *world) reconcile(slots int32) error {
	w.t.Helper()
	req := &loddv1.ReconcileRequest{TrialId: "T1", RequestId: w.id(), Confirm: "T1"}
	if slots > 0 {
		req.Lost = []*loddv1.LostSlots{{Stratum: "OSL/sex=female", Slots: slots}}
	}
	_, err := w.trials().Reconcile(w.as("cus"), req)
	return err
}

// slotOf returns the slot of somebody who is randomized.
func (w *world) slotOf(id trial.ParticipantID) (slot int) {
	w.t.Helper()
	t1, err := w.ledger.Trial("T1")
	w.must(err)
	w.must(t1.View(func(s *trial.State) error {
		p, _ := s.Participant(id)
		slot = p.Slot
		return nil
	}))
	return slot
}

// tryPrepare does what a coordinator does first to randomize somebody.
func (w *world) tryPrepare(p string) error {
	w.t.Helper()
	_, err := w.randomization().PrepareRandomization(w.as("tc-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: p})
	return err
}

// Somebody put an older copy of the server back, and nobody noticed. The first
// who shows what is lost stops randomization, until the custodian has said which
// slots were used; those are never used again.
func TestLeakL25OlderCopyIsFencedByTheFirstWhoKnows(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	older := w.store.Reopen()
	w.randomize("S-2", "OSL")
	w.randomize("S-3", "OSL")
	conduct, allocation := w.head("T1/conduct"), w.head("T1/allocation")

	w.putBack(older)
	w.ready("S-4", "OSL")
	if got := w.state(); got != "open" {
		t.Fatalf("the trial is %s: nobody has shown anything", got)
	}
	if behind, err := w.report("oa-osl", conduct); err != nil || !behind {
		t.Fatalf("behind = %t, %v", behind, err)
	}
	if got := w.state(); got != "fenced" {
		t.Errorf("the trial is %s", got)
	}
	refused(t, w.tryPrepare("S-4"), codes.FailedPrecondition, "FENCED")
	if behind, err := w.report("au", allocation); err != nil || !behind {
		t.Errorf("behind = %t, %v", behind, err)
	}
	if n := w.count("T1/conduct", "restored"); n != 2 { // the second knows how many slots
		t.Errorf("%d fences", n)
	}

	refused(t, w.reconcile(1), codes.InvalidArgument, "") // two allocations are known to be lost
	w.must(w.reconcile(2))
	w.randomize("S-5", "OSL")
	if slot := w.slotOf("S-5"); slot != 3 {
		t.Errorf("S-5 has slot %d, want 3: slots 1 and 2 are lost", slot)
	}

	// Others who haven't heard of it show the same, before and after a restart.
	for range 2 {
		for user, head := range map[string]string{"tc-bgo": conduct, "au": allocation} {
			w.as(user)
			writes := w.store.Writes()
			if behind, err := w.report(user, head); err != nil || !behind || w.store.Writes() != writes {
				t.Errorf("%s: behind = %t, %v, %d writes", user, behind, err, w.store.Writes()-writes)
			}
		}
		if got := w.state(); got != "open" {
			t.Errorf("the trial is %s again", got)
		}
		w.restart()
	}
}

// Somebody who has seen more than was known at the reconciliation fences the trial
// again, for what lies beyond.
func TestLeakL25WhatWasNotReconciledIsFencedAgain(t *testing.T) {
	w := newTrial(t, nil)
	older := w.store.Reopen()
	var heads []string
	for _, p := range []string{"S-1", "S-2", "S-3"} {
		w.randomize(p, "OSL")
		heads = append(heads, w.head("T1/allocation"))
	}
	w.putBack(older)
	for _, step := range []struct {
		head  string
		slots int32 // that must be given up, and no fewer
	}{{heads[0], 1}, {heads[2], 2}} {
		behind, err := w.report("au", step.head)
		if err != nil || !behind || w.state() != "fenced" {
			t.Fatalf("behind = %t, %v; the trial is %s", behind, err, w.state())
		}
		refused(t, w.reconcile(step.slots-1), codes.InvalidArgument, "")
		w.must(w.reconcile(step.slots))
	}
	w.randomize("S-4", "OSL")
	if slot := w.slotOf("S-4"); slot != 3 {
		t.Errorf("S-4 has slot %d, want 3", slot)
	}
}

// A server that was brought back and has grown past what is shown has another
// past, and that is as bad.
func TestLeakL25OlderCopyThatHasGrownSinceIsFenced(t *testing.T) {
	w := newTrial(t, nil)
	older := w.store.Reopen()
	w.ready("S-1", "OSL")
	conduct, system := w.head("T1/conduct"), w.head("system")
	w.putBack(older)
	for _, p := range []string{"S-1", "S-2", "S-3"} {
		w.ready(p, "OSL")
	}
	for _, head := range []string{conduct, conduct, system} { // of the accounts, sign-ins are lost
		if behind, err := w.report("au", head); err != nil || !behind {
			t.Errorf("behind = %t, %v", behind, err)
		}
	}
	if got := w.state(); got != "fenced" || w.count("T1/conduct", "restored") != 1 {
		t.Errorf("the trial is %s, by %d entries", got, w.count("T1/conduct", "restored"))
	}
}

// A head that the log continues, whatever its size, is no news and writes
// nothing.
func TestReportOfWhatTheLogHoldsChangesNothing(t *testing.T) {
	w := newTrial(t, nil)
	heads := []string{w.head("T1/conduct"), w.head("T1/outcome"), w.head("system")}
	w.randomize("S-1", "OSL")
	heads = append(heads, w.head("T1/conduct"), w.head("T1/delivery"), w.head("T1/allocation"))
	w.as("au")
	writes := w.store.Writes()
	for _, head := range heads {
		if behind, err := w.report("au", head); err != nil || behind {
			t.Errorf("behind = %t, %v", behind, err)
		}
	}
	if got := w.store.Writes() - writes; got != 0 {
		t.Errorf("%d writes", got)
	}
}

// Whatever this server hasn't signed says nothing about it, and about what the
// caller may not check the answer says nothing.
func TestReportRefuses(t *testing.T) {
	w := newTrial(t, nil)
	sign := func(s note.Signer, origin string) string {
		signed, err := audit.Checkpoint{Origin: origin, Size: 1 << 20, Root: tlog.Hash{1}}.Sign(s)
		w.must(err)
		return string(signed)
	}
	private, _, err := note.GenerateKey(nil, "example.org")
	w.must(err)
	other, err := note.NewSigner(private)
	w.must(err)
	for name, checkpoint := range map[string]string{
		"nothing": "", "no note": "T1/conduct",
		"no signature":   strings.SplitAfter(w.head("T1/conduct"), "\n\n")[0],
		"another key":    sign(other, "example.org/T1/conduct"),
		"another origin": sign(w.keys.LogSigner, "example.com/T1/conduct"),
		"a longer name":  sign(w.keys.LogSigner, "example.organ/T1/conduct"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.report("au", checkpoint)
			refused(t, err, codes.InvalidArgument, "")
			if diff := cmp.Diff([]string{"checkpoint"}, fields(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, none := w.report("oa-osl", sign(w.keys.LogSigner, "example.org/T1/none"))
	refused(t, none, codes.NotFound, "NOT_FOUND")
	for _, list := range []string{"T1/delivery", "T1/allocation", "system", "T2/conduct"} {
		_, ahead := w.report("oa-osl", sign(w.keys.LogSigner, "example.org/"+list))
		same(t, ahead, none)
		if !strings.HasPrefix(list, "T2") {
			_, held := w.report("oa-osl", w.head(list))
			same(t, held, none)
		}
	}
	if got := w.state(); got != "open" {
		t.Errorf("the trial is %s", got)
	}
}
