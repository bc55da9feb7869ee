package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/keys"
)

// restoreInPlace records that the folder is an older copy which somebody put
// back by hand. Whatever it is compared with, the operator says so: entries may
// be lost in every trial. It may be repeated after an error.
func restoreInPlace(ctx context.Context, c config, o restoreOptions) (err error) {
	r := &restoring{o: o, c: c, n: &node{world: o.world, data: c.Data}, known: heads{}, lost: map[string]loss{}}
	defer func() { err = errors.Join(err, r.n.close()) }()
	err = r.n.openFile(c.Data)
	if errors.Is(err, bolt.ErrLocked) {
		return fmt.Errorf("a server has %s open: stop it first", c.Data)
	}
	if err != nil {
		return err
	}
	if r.k, err = loadKeys(ctx, c, keys.Config{Now: o.world.wall(), Random: o.world.random}); err != nil {
		return err
	}
	// Without the guard: what it would refuse is what is to be recorded.
	if r.n.logged, err = logConfig(r.n.store, r.k, nil); err != nil {
		return err
	}
	if r.n.log, err = audit.Open(ctx, r.n.logged); err != nil {
		return err
	}
	r.doubts = "the folder was put back by hand: it isn't known what came after"
	f, err := r.compareGuard(ctx)
	if err != nil {
		return err
	}
	if r.newest && !o.anyway {
		return fmt.Errorf("%s is as new as its signed heads in %s, so that nothing shows that an older copy was put back; nothing was changed. "+
			"A record stops randomization in every trial until its custodian has run lodd trial reconcile: "+
			"if folder and heads were put back together, repeat the command with --anyway", c.Data, c.Checkpoints)
	}
	r.gone = lostTrials(r.n.log, r.known)
	if err := r.reopen(ctx, f); err != nil {
		return err
	}
	if err := r.replaceGuard(ctx); err != nil {
		return err
	}
	r.tell(f)
	fmt.Fprintln(o.out, "lodd: recorded; the server may be started")
	return nil
}

// compareGuard compares the folder with the heads that the server has signed,
// and returns the record of the fork. A head with another past is evidence, too.
func (r *restoring) compareGuard(ctx context.Context) (*fork, error) {
	here, err := audit.OpenReplica(ctx, r.n.logged)
	if err != nil {
		return nil, err
	}
	guard := audit.FileGuard{Dir: r.c.Checkpoints}
	signed, err := guard.Load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r.newest = len(signed) > 0
	other := map[string]bool{}
	for _, list := range slices.Sorted(maps.Keys(signed)) {
		if err := r.known.add(here, list, signed[list]); err != nil {
			return nil, headsAdvised(r.c, &audit.GuardError{List: list, Path: guard.Path(list), Err: err})
		}
		lacks, err := here.CheckHead(ctx, list, signed[list])
		_, forked := errors.AsType[*audit.ForkError](err)
		r.newest = r.newest && !forked && lacks == 0
		if forked {
			other[list] = true
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.count(ctx, here, r.c.Checkpoints); err != nil {
		return nil, err
	}
	f := r.fork("in-place")
	for i, l := range f.Lists {
		if other[l.List] {
			f.Lists[i].Evidence = string(r.known[l.List].signed)
		}
	}
	return f, nil
}

// replaceGuard makes the guard remember the log as it is now. The old heads stand
// in the record of the fork.
func (r *restoring) replaceGuard(ctx context.Context) error {
	if err := os.MkdirAll(r.c.Checkpoints, 0o700); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	guard := audit.FileGuard{Dir: r.c.Checkpoints}
	for list := range r.known {
		if r.n.log.Len(list) == 0 {
			if err := guard.Forget(list); err != nil {
				return err
			}
		}
	}
	for _, list := range r.n.log.Lists("") {
		signed, err := r.n.log.Checkpoint(ctx, list)
		if err != nil {
			return err
		}
		if err := guard.Save(list, signed); err != nil {
			return err
		}
	}
	return nil
}

// operator is the world of a command that serves nobody.
func operator(out io.Writer) world {
	return world{now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.New(out)}
}
