package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// fencedIn reports whether a trial of a running server waits for a
// reconciliation.
func fencedIn(t *testing.T, n *node, id trial.ID) (was trial.Restored, fenced bool) {
	t.Helper()
	running, err := n.ledger.Trial(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := running.View(func(s *trial.State) error { was, fenced = s.Fence(); return nil }); err != nil {
		t.Fatal(err)
	}
	return was, fenced
}

// rewind puts an older copy of the stopped server back, with the signed heads
// that lay beside it, so that nothing on the machine shows that it is one.
func (r *rig) rewind(database []byte, heads string) {
	r.t.Helper()
	r.putBack(database)
	checkpoints := filepath.Join(r.data, "checkpoints")
	r.must(os.RemoveAll(checkpoints))
	r.must(os.CopyFS(checkpoints, os.DirFS(heads)))
}

// An older copy that was put back whole looks right to the server. Before the
// follower has come back, it draws slots that are used already; from then on it
// draws none, until the custodian has given up those that were lost. The follower
// refuses it all the same.
func TestLeakL25OlderCopyIsFencedByAFollower(t *testing.T) {
	for name, drawn := range map[string]int{"at once": 0, "after it went on": 1, "after it grew past what was lost": 9} {
		t.Run(name, func(t *testing.T) {
			r, copied := newFollowedRig(t)
			r.randomize(2)
			r.stop()
			database, heads := r.database(), r.heads()
			r.start(r.data)
			r.randomize(3)
			f := r.follow(copied)
			f.reach(r.entries())
			r.must(f.stop())
			r.stop()

			r.rewind(database, heads)
			r.start(r.data)
			r.people += 10 // other screening numbers
			r.randomize(drawn)
			f = r.follow(copied)
			if _, ok := errors.AsType[*audit.ForkError](f.end()); !ok {
				t.Fatalf("the follower ended with %v", f.end())
			}
			was, fenced := fencedIn(t, r.n, rigTrial)
			if _, err := r.tryRandomize(); !fenced || !errors.Is(err, trial.ErrFenced) {
				t.Fatalf("fenced: %t, somebody was randomized: %v", fenced, err)
			}
			if was.Allocation != 3 || was.Delivery != 0 { // however many were drawn since
				t.Errorf("%+v is known to be lost", was)
			}
			before := r.lists()
			if again := r.follow(copied); again.end() == nil {
				t.Error("the follower is content")
			}
			if after := r.lists(); len(after[rigTrial+"/conduct"]) != len(before[rigTrial+"/conduct"]) {
				t.Error("the same head is noted twice")
			}
			r.reconcileExactly(3)
			p := r.randomize(1)
			r.must(r.trial().View(func(s *trial.State) error {
				if got, _ := s.Participant(p); got.Slot != 2+drawn+3 {
					t.Errorf("%s has slot %d: 2 were used before, %d on the older copy, 3 are lost", p, got.Slot, drawn)
				}
				return nil
			}))
		})
	}
}

// The same is found by the first call of a client that has seen more; and the
// fence is still there after a restart.
func TestLeakL25OlderCopyIsFencedByAClient(t *testing.T) {
	a := newAttacked(t)
	s := a.stolen(t)
	s.copy(a.older)
	memory := filepath.Join(t.TempDir(), "state")
	copyDir(t, a.memory, memory)
	a.serve(t, s.dir, func(in invite.Invite) {
		_, err := a.client(t, in, memory).Screening().ListParticipants(t.Context(), &loddv1.ListParticipantsRequest{TrialId: "ATT"})
		wrong, ok := errors.AsType[*client.LogError](err)
		if !ok || !wrong.Shorter || !strings.Contains(wrong.Reported, "it randomizes nobody") {
			t.Errorf("error is %T %v", err, err)
		}
	})
	n, err := open(t.Context(), config{Data: s.dir, Listen: "127.0.0.1:0", Name: "att", SignIn: signInConfig{SecondFactor: factorOff}}, attackedWorld())
	if err != nil {
		t.Fatal(err)
	}
	if was, fenced := fencedIn(t, n, "ATT"); !fenced || was != (trial.Restored{Conduct: 10}) {
		t.Errorf("fenced: %t, %+v", fenced, was)
	}
	if err := n.close(); err != nil {
		t.Error(err)
	}
}

// What a restore has counted, and the custodian has reconciled, is no news when a
// client or a follower shows it later: the trial goes on.
func TestLeakL25ReconciledLossesRaiseNoOtherFence(t *testing.T) {
	r, copied := newFollowedRig(t)
	r.randomize(1)
	b := r.backUp()
	r.randomize(2)
	f := r.follow(copied)
	f.reach(r.entries())
	r.must(f.stop())
	r.goOn(b)
	r.reconcileExactly(2)
	for range 2 {
		r.people += 10
		r.randomize(1)
		f = r.follow(copied)
		if _, ok := errors.AsType[*audit.ForkError](f.end()); !ok {
			t.Errorf("the follower ended with %v", f.end())
		}
		if was, fenced := fencedIn(t, r.n, rigTrial); fenced {
			t.Fatalf("fenced again: %+v", was)
		}
		r.stop()
		r.start(r.data)
	}
}

// On a server that nobody put back, whatever followers and clients show raises no
// fence.
func TestLeakL25HonestServerIsNotFenced(t *testing.T) {
	r, copied := newFollowedRig(t)
	for range 3 {
		r.randomize(2)
		f := r.follow(copied)
		f.reach(r.entries())
		r.must(f.stop())
		r.stop()
		r.start(r.data)
	}
	if was, fenced := fencedIn(t, r.n, rigTrial); fenced {
		t.Errorf("fenced: %+v", was)
	}
	_, err := r.trial().Do(t.Context(), ledger.Caller{Actor: "kari"}, trial.Reconciled{})
	if !errors.Is(err, trial.ErrNotFenced) {
		t.Errorf("reconciled: %v", err)
	}
}
