package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
)

// Two are let in, two wait, and the fifth is turned away at once. Who gives up
// makes room, and who leaves lets the next one in.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 2)
		leave, err := q.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		impatient, giveUp := context.WithCancel(t.Context())
		answers := make(chan error, 2)
		enter := func(ctx context.Context) {
			_, err := q.enter(ctx)
			answers <- err
		}
		go enter(t.Context())
		go enter(impatient)
		synctest.Wait()
		if _, err := q.enter(t.Context()); !errors.Is(err, ledger.ErrBusy) || len(answers) != 0 {
			t.Errorf("the fifth: %v; %d of the waiting were let in", err, len(answers))
		}
		giveUp()
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		leave()
		if err := <-answers; err != nil {
			t.Errorf("who waited: %v", err)
		}
		if _, err := q.enter(impatient); !errors.Is(err, context.Canceled) {
			t.Errorf("full again, but entered: %v", err)
		}
	})
}

// Whoever shows a loss while another one is noted waits no longer than they want
// to.
func TestNobodyMustWaitToNoteALoss(t *testing.T) {
	private, public, err := note.GenerateKey(nil, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(t.Context(), audit.Config{Store: &storetest.Memory{}, Origin: "example.org", Signer: signer, Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f := &fence{config: Config{Log: log}, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	impatient, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := f.behind(impatient, "T1/conduct", audit.Checkpoint{Size: 9}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
