package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// A fence keeps anybody from being randomized once somebody shows a signed head
// that this server doesn't have any more: the slots that come next may be used
// already. It may be used concurrently.
//
// Which past a head is of can't be told once its entries are gone, nor whether
// one that the trials know of covers it. So each head raises a fence, unless the
// trials were reconciled after this very head was shown.
//
// Source: blinding.md of the design, channel L25.
type fence struct {
	config   Config
	verifier note.Verifier    // of the log's own key
	key      [32]byte         // of the codes of what is noted
	began    map[string]int64 // the sizes of the lists when the server was made

	// turn holds one who notes a loss: to read which ones are noted, to mark the
	// trials, and to note that one, so that two who show the same raise one fence.
	turn chan struct{}

	// reached is the size of the largest head of each list for which the trials
	// were marked since the server was made. Held in turn. All that is shown was
	// lost before that, since the log of a server that runs only grows, so that
	// what a larger one shows beyond it is all that it adds.
	reached map[string]int64
}

func newFence(c Config) (*fence, error) {
	v, err := note.NewVerifier(c.Keys.LogVerifier)
	if err != nil {
		return nil, fmt.Errorf("server: key of the log: %w", err)
	}
	return &fence{
		config: c, verifier: v, key: c.Vault.Subkey("noted losses"), began: c.Log.Sizes(),
		turn: make(chan struct{}, 1), reached: map[string]int64{},
	}, nil
}

// errNotSigned reaches whoever shows a head.
var errNotSigned = errors.New("it isn't a checkpoint that this server has signed of one of its lists")

// open verifies a signed head and returns it with the list that it is of.
func (f *fence) open(signed string) (c audit.Checkpoint, list string, err error) {
	c, err = audit.OpenCheckpoint([]byte(signed), note.VerifierList(f.verifier))
	list, ours := strings.CutPrefix(c.Origin, f.config.Log.Origin(""))
	if err != nil || !ours {
		return c, "", rpcerr.Field("checkpoint", errNotSigned)
	}
	return c, list, nil
}

// behind reports whether the log lacks what a head of a list covers. If it does,
// the trials know of it when behind returns: they wait for a reconciliation, or
// had one after this head was shown before. Whatever is shown again writes nothing.
func (f *fence) behind(ctx context.Context, list string, shown audit.Checkpoint) (bool, error) {
	if holds, err := f.holds(ctx, list, shown); holds || err != nil {
		return false, err
	}
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done(): // it is shown again
		return true, fmt.Errorf("server: wait to note a loss: %w", ctx.Err())
	}
	noted, err := f.noted(ctx, list)
	if err != nil {
		return true, err
	}
	if known, err := f.knows(ctx, list, noted, shown); known || err != nil {
		return true, err
	}
	ctx = context.WithoutCancel(ctx) // whoever shows it may be gone
	loss := ledger.Loss{List: list, Size: shown.Size, Began: f.began[list], Noted: f.reached[list]}
	if fenced, err := f.config.Ledger.MarkBehind(ctx, loss); err != nil || !fenced {
		return true, err
	}
	f.reached[list] = max(f.reached[list], shown.Size)
	f.config.tellFenced(list)
	return true, f.note(ctx, list, noted, shown)
}

// holds reports whether the log continues a head of a list.
func (f *fence) holds(ctx context.Context, list string, shown audit.Checkpoint) (bool, error) {
	if shown.Size > f.config.Log.Len(list) {
		return false, nil
	}
	root, err := f.config.Log.RootAt(ctx, list, shown.Size)
	return err == nil && root == shown.Root, err
}

// tellFenced tells the operator of the trials of a list that wait for their
// reconciliation, as a loss is told of by its list: of every one if it is that of
// the accounts. Whoever signs in sees the state of the trial.
func (c Config) tellFenced(list string) {
	if c.Fenced == nil {
		return
	}
	for _, id := range fenced(c.Ledger) {
		if concerns(list, id) {
			c.Fenced(id)
		}
	}
}

// concerns reports whether a loss of a list is one of a trial: of its own, or of
// every trial if the list is that of the accounts.
func concerns(list string, id trial.ID) bool {
	in, _, _ := strings.Cut(list, "/")
	return list == ledger.System || in == string(id)
}

// fenced returns the trials in which nobody is randomized before they are
// reconciled. One whose state can't be read is left out.
func fenced(l *ledger.Ledger) (ids []trial.ID) {
	for _, t := range l.Trials() {
		_ = t.View(func(s *trial.State) error {
			if _, waits := s.Fence(); waits {
				ids = append(ids, t.ID())
			}
			return nil
		})
	}
	return ids
}
