package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// A fence keeps anybody from being randomized once somebody shows a signed head
// that this server doesn't have any more: the slots that come next may be used
// already. It may be used concurrently.
//
// Source: blinding.md of the design, channel L25.
type fence struct {
	config   Config
	verifier note.Verifier    // of the log's own key
	began    map[string]int64 // the sizes of the lists when the server was made

	mu sync.Mutex // held while a loss is noted
}

func newFence(c Config) (*fence, error) {
	v, err := note.NewVerifier(c.Keys.LogVerifier)
	if err != nil {
		return nil, fmt.Errorf("server: key of the log: %w", err)
	}
	return &fence{config: c, verifier: v, began: c.Log.Sizes()}, nil
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
// the trials know of it when behind returns. Whatever is shown again writes
// nothing.
func (f *fence) behind(ctx context.Context, list string, shown audit.Checkpoint) (bool, error) {
	if shown.Size <= f.config.Log.Len(list) {
		root, err := f.config.Log.RootAt(ctx, list, shown.Size)
		if err != nil || root == shown.Root {
			return false, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	noted, err := f.noted(ctx, list)
	if err != nil || shown.Size <= noted {
		return true, err
	}
	ctx = context.WithoutCancel(ctx) // whoever shows it may be gone
	if err := f.config.Ledger.MarkBehind(ctx, ledger.Loss{List: list, Size: shown.Size, Began: f.began[list], Noted: noted}); err != nil {
		return true, err
	}
	return true, NoteRestored(ctx, f.config.Credentials, list, shown.Size)
}

// noted returns the size of the largest head of a list whose loss is noted.
func (f *fence) noted(ctx context.Context, list string) (int64, error) {
	b, err := f.config.Credentials.Get(ctx, restoredKey(list))
	if errors.Is(err, f.config.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("server: read which losses are noted: %w", err)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, nil // a fence too many, never one too few
	}
	return n, nil
}

func restoredKey(list string) string { return "restored/" + list }

// NoteRestored notes that the trials know of the loss of entries of a list up to
// a size, so that heads up to it, whoever shows them later, raise no other fence.
// The entries say how many were lost and not of which of the log's pasts, and
// those of accounts have none.
func NoteRestored(ctx context.Context, m Map, list string, size int64) error {
	if err := m.Put(ctx, restoredKey(list), strconv.AppendInt(nil, size, 10)); err != nil {
		return fmt.Errorf("server: note the restore: %w", err)
	}
	return nil
}
