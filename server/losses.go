package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// maxNoted is how many heads of one list are noted. Those beyond raise a fence
// each time that they are shown.
const maxNoted = 1000

// losses are heads of one list that the log doesn't continue and that the trials
// know of. Only size and root of them count.
type losses []audit.Checkpoint

func (l losses) has(shown audit.Checkpoint) bool {
	return slices.ContainsFunc(l, func(c audit.Checkpoint) bool { return c.Size == shown.Size && c.Root == shown.Root })
}

func restoredKey(list string) string { return "restored/" + list }

// noted returns the heads of a list whose loss is noted. A line of the value that
// is none is left out: a fence too many, never one too few.
func (f *fence) noted(ctx context.Context, list string) (out losses, err error) {
	b, err := f.config.Credentials.Get(ctx, restoredKey(list))
	if errors.Is(err, f.config.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: read which losses are noted: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		size, root, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, errSize := strconv.ParseInt(size, 10, 64)
		hash, errRoot := tlog.ParseHash(root)
		if errSize == nil && errRoot == nil {
			out = append(out, audit.Checkpoint{Size: n, Root: hash})
		}
	}
	return out, nil
}

// note notes one head of a list more, unless there are too many.
func (f *fence) note(ctx context.Context, list string, noted losses, shown audit.Checkpoint) error {
	if len(noted) >= maxNoted {
		return nil
	}
	var b []byte
	for _, c := range append(noted, shown) {
		b = fmt.Appendf(b, "%d %s\n", c.Size, c.Root)
	}
	if err := f.config.Credentials.Put(ctx, restoredKey(list), b); err != nil {
		return fmt.Errorf("server: note the loss: %w", err)
	}
	return nil
}

// NoteRestored notes that the trials know of the loss of what signed heads cover,
// so that the same heads, whoever shows them later, raise no other fence. Heads
// that the log continues, those of trials that are gone, and what this server
// hasn't signed are left out. The entries say how many were lost and not of which
// of the log's pasts, and those of accounts have none.
//
// It must be called after [ledger.Ledger.MarkRestored] and before anything is
// served. Of c it needs Ledger, Log, Keys, Credentials and NotFound.
func NoteRestored(ctx context.Context, c Config, signed []string) error {
	f, err := newFence(c)
	if err != nil {
		return err
	}
	for _, s := range signed {
		shown, list, err := f.open(s)
		if err != nil || !c.Ledger.Serves(list) {
			continue
		}
		holds, err := f.holds(ctx, list, shown)
		if err != nil {
			return err
		}
		noted, err := f.noted(ctx, list)
		if err != nil {
			return err
		}
		if holds || noted.has(shown) {
			continue
		}
		if err := f.note(ctx, list, noted, shown); err != nil {
			return err
		}
	}
	return nil
}

// UnsealedPrefix is how the keys of the map begin under which it is noted, outside
// the log, that a trial was unsealed; its id follows. A copy of the log from before
// its unsealing doesn't know of it, but the seed that it would draw from is public.
const UnsealedPrefix = "unsealed/"

// noteUnsealed notes that a trial is unsealed, with the signed head of its conduct
// as evidence.
func (k *core) noteUnsealed(ctx context.Context, id trial.ID) error {
	if noted, err := k.notedUnsealed(ctx, id); noted || err != nil {
		return err
	}
	head, err := k.config.Log.Checkpoint(ctx, string(id)+"/"+string(trial.Conduct))
	if err == nil {
		err = k.config.Credentials.Put(ctx, UnsealedPrefix+string(id), head)
	}
	if err != nil {
		return fmt.Errorf("server: note the unsealing: %w", err)
	}
	return nil
}

func (k *core) notedUnsealed(ctx context.Context, id trial.ID) (bool, error) {
	_, err := k.config.Credentials.Get(ctx, UnsealedPrefix+string(id))
	if err != nil && !errors.Is(err, k.config.NotFound) {
		return false, fmt.Errorf("server: read which trials were unsealed: %w", err)
	}
	return err == nil, nil
}

// errSeedKnown reaches whoever would allocate from a seed that people have.
var errSeedKnown = &rpcerr.Refusal{Code: codes.FailedPrecondition, Text: "the trial was unsealed before this server was brought back to an older copy: " +
	"people may hold the design, the seed and every allocation, so that nobody can be enrolled in it any more; bring back a newer copy, or unseal it again"}

// seedSecret refuses what would use the sequences of a trial that was unsealed in
// a past that its log doesn't hold any more. One whose log knows of the unsealing
// is bound by the rules.
func (k *core) seedSecret(ctx context.Context, t *ledger.Trial) error {
	if noted, err := k.notedUnsealed(ctx, t.ID()); !noted || err != nil {
		return err
	}
	return t.View(func(s *trial.State) error {
		if at, _ := s.Unsealed(); at.IsZero() {
			return errSeedKnown
		}
		return nil
	})
}
