package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// needHeads refuses a folder of signed heads that has none though there must be
// some. It may be the name of another one, so it isn't made.
func (n *node) needHeads(ctx context.Context, c config) error {
	// A server of a cluster has a copy that remembers, also before it first leads.
	if c.LostCheckpoints || n.member != nil {
		return nil
	}
	heads, err := audit.FileGuard{Dir: c.Checkpoints}.Load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := hasEntries(ctx, n.store)
	if err == nil && len(heads) == 0 && entries {
		err = fmt.Errorf("%s holds no signed head though the database has entries: put the folder back, or name the right one with --checkpoints; "+
			"without it an older or shortened database cannot be told from the newest, so start with --lost-checkpoints only if it is gone", c.Checkpoints)
	}
	return err
}

// logConfig returns how the log of these keys is opened.
func logConfig(s store.Store, k *keys.Keys, guard audit.Guard) (audit.Config, error) {
	verifier, err := note.NewVerifier(k.LogVerifier)
	if err != nil {
		return audit.Config{}, err
	}
	return audit.Config{
		Store: s, Origin: strings.TrimSuffix(verifier.Name(), "/log"), Signer: k.LogSigner, Verifier: verifier, Guard: guard,
	}, nil
}

// firstHead saves a signed head of the accounts if the folder of heads has none,
// on a new server that of no entries. One that is killed right after its first
// entries finds at its next start that the folder is its own.
func (n *node) firstHead(ctx context.Context, c config) error {
	guard := audit.FileGuard{Dir: c.Checkpoints}
	heads, err := guard.Load()
	if err != nil || len(heads) > 0 {
		return err
	}
	signed, err := n.log.Checkpoint(ctx, ledger.System)
	if err != nil {
		return err
	}
	return guard.Save(ledger.System, signed)
}

// hasEntries reports whether a store holds entries of the log. One that was made
// and never used holds what package audit keeps for itself, under names with "#".
func hasEntries(ctx context.Context, s store.Store) (bool, error) {
	lists, err := s.Lists(ctx, "")
	return slices.ContainsFunc(lists, func(name string) bool { return !strings.Contains(name, "#") }), err
}

// guard saves the checkpoints of what has changed, once a second, so that a
// store that is rolled back is noticed at the next start. If that fails the
// entries are safe all the same: it is tried again, and told in the log once when
// it begins to fail and once when it works again.
func (n *node) guard(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	unsealed, failing := 0, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := n.log.SaveGuard(ctx)
			if err == nil {
				unsealed, err = n.keepUnsealed(ctx, n.checkpoints, unsealed)
			}
			switch {
			case ctx.Err() != nil:
			case err != nil && !failing:
				n.world.log.Error().Err(err).Msg("the signed heads can't be saved; the entries are safe, and it is tried again every second")
			case err == nil && failing:
				n.world.log.Info().Msg("the signed heads are saved again")
			}
			failing = err != nil
		}
	}
}

// unsealedHeads keeps, in a folder of signed heads, one of conduct for each trial
// that was unsealed: what the database knows of it is lost with the database.
func unsealedHeads(checkpoints string) audit.FileGuard {
	return audit.FileGuard{Dir: filepath.Join(checkpoints, "unsealed")}
}

// takeUnsealed notes in the map which trials a folder of signed heads knows to be
// unsealed.
func (n *node) takeUnsealed(ctx context.Context, checkpoints string) error {
	kept, err := unsealedHeads(checkpoints).Load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for list, signed := range kept {
		id, conduct := strings.CutSuffix(list, "/"+string(trial.Conduct))
		c, err := audit.OpenCheckpoint(signed, note.VerifierList(n.logged.Verifier))
		if err == nil && (!conduct || c.Origin != n.log.Origin(list)) {
			err = fmt.Errorf("it is of %s", c.Origin)
		}
		if err != nil {
			return fmt.Errorf("%s holds a head of %s that isn't this log's: %w; put the file back from another copy, or name the folder of this server's heads with --checkpoints", unsealedHeads(checkpoints).Dir, list, err)
		}
		key := server.UnsealedPrefix + id
		if _, err := n.values.Get(ctx, key); err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := n.values.Put(ctx, key, signed); err != nil {
			return err
		}
	}
	return nil
}

// noteUnsealed notes which trials were unsealed as far as the folders tell that the
// restore was given.
func (r *restoring) noteUnsealed(ctx context.Context) error {
	from := []string{r.c.Checkpoints}
	if r.o.checkpoints != "" {
		from = append(from, r.o.checkpoints)
	}
	if r.o.log != "" {
		from = append(from, filepath.Join(r.o.log, "checkpoints"))
	}
	for _, dir := range from {
		if err := r.n.takeUnsealed(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// keepUnsealed writes into a folder of signed heads which trials the map knows to
// be unsealed, and returns how many. It does nothing if those are as many as known.
func (n *node) keepUnsealed(ctx context.Context, checkpoints string, known int) (int, error) {
	keys, err := n.values.Keys(ctx, server.UnsealedPrefix)
	if err != nil || len(keys) == known {
		return known, err
	}
	heads := unsealedHeads(checkpoints)
	if err := os.MkdirAll(heads.Dir, 0o700); err != nil {
		return known, err
	}
	for _, key := range keys {
		signed, err := n.values.Get(ctx, key)
		if err != nil {
			return known, err
		}
		list := strings.TrimPrefix(key, server.UnsealedPrefix) + "/" + string(trial.Conduct)
		if err := heads.Save(list, signed); err != nil {
			return known, err
		}
	}
	return len(keys), nil
}

// fenced warns of a trial in which nobody is randomized before it is reconciled:
// whoever signs in sees the trial's state, the operator only the log.
func (n *node) fenced(id trial.ID) {
	n.world.log.Warn().Str("trial_id", string(id)).Msg("this server was brought back to an older copy of the trial: nobody is randomized in it until its custodian has run lodd trial reconcile")
}
