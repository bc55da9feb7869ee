package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// most is how many entries the owner of a trial appends at once, as package
// ledger does.
const most = 256

// A waiting entry is one on its way into the log.
type waiting struct {
	entry []byte
	done  chan error
}

// trials is the log with one owner for each trial, as in the server: the owner
// appends whatever waits.
type trials struct {
	store store.Store
	log   *audit.Log
	queue []chan waiting
	wg    sync.WaitGroup
}

func openOneTrial(ctx context.Context, dir string, _ int) (peer, error) { return openBolt(ctx, dir, 1) }

func openTrialEach(ctx context.Context, dir string, callers int) (peer, error) {
	return openBolt(ctx, dir, callers)
}

func openBolt(ctx context.Context, dir string, n int) (peer, error) {
	db, err := bolt.Open(filepath.Join(dir, "lodd.db"), bolt.Options{})
	if err != nil {
		return nil, err
	}
	return openTrials(ctx, db, n)
}

func openTrials(ctx context.Context, s store.Store, n int) (peer, error) {
	signer, verifier, err := newKey()
	if err != nil {
		return nil, err
	}
	l, err := audit.Open(ctx, audit.Config{Store: s, Origin: "bench", Signer: signer, Verifier: verifier})
	if err != nil {
		return nil, err
	}
	t := &trials{store: s, log: l}
	for i := range n {
		queue := make(chan waiting, 4096)
		t.queue = append(t.queue, queue)
		t.wg.Go(func() { t.own(ctx, fmt.Sprintf("t%d/conduct", i), queue) })
	}
	return t, nil
}

// newKey makes a key that signs checkpoints.
func newKey() (note.Signer, note.Verifier, error) {
	secret, public, err := note.GenerateKey(rand.Reader, "bench")
	if err != nil {
		return nil, nil, err
	}
	signer, signerErr := note.NewSigner(secret)
	verifier, verifierErr := note.NewVerifier(public)
	return signer, verifier, errors.Join(signerErr, verifierErr)
}

// own appends what comes for one trial.
func (t *trials) own(ctx context.Context, list string, queue chan waiting) {
	for first := range queue {
		batch := []waiting{first}
		for len(batch) < most && len(queue) > 0 {
			batch = append(batch, <-queue)
		}
		p := audit.Part{List: list, At: t.log.Len(list)}
		for _, w := range batch {
			p.Entries = append(p.Entries, w.entry)
		}
		_, err := t.log.Append(ctx, p)
		for _, w := range batch {
			w.done <- err
		}
	}
}

func (t *trials) append(_ context.Context, caller int, entry []byte) error {
	w := waiting{bytes.Clone(entry), make(chan error, 1)}
	t.queue[caller%len(t.queue)] <- w
	return <-w.done
}

func (t *trials) close() error {
	for _, q := range t.queue {
		close(q)
	}
	t.wg.Wait()
	return errors.Join(t.log.Close(), t.store.Close())
}
