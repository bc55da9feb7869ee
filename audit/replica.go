package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/store"
)

// A ForkError tells that a log isn't an extension of the copy that a replica
// holds: it became shorter, or its past is another one. It is evidence against
// whoever signed both heads.
type ForkError struct {
	// List is the list.
	List string

	// Size and Root are of the copy.
	Size int64
	Root tlog.Hash

	// Remembered is the newest signed checkpoint that the replica has accepted,
	// nil if it has no guard. Given is the signed checkpoint that it refuses.
	Remembered, Given []byte

	// Problem says what was found.
	Problem string
}

// Error implements error.
func (e *ForkError) Error() string {
	return fmt.Sprintf("audit: list %s is not what it was: %s", e.List, e.Problem)
}

// A Replica is a copy of a log that somebody else writes. It takes entries only
// if they continue what it holds and add up to a head that the log has signed.
// All methods may be called concurrently.
type Replica struct {
	log *Log // one without a committer: nothing is appended but by Extend

	extending sync.Mutex // held while a list is extended
}

// OpenReplica returns the copy in a store after it has checked every entry of it,
// as [Open] does, and makes one in an empty store. The config needs no Signer.
// The store stays open when the replica is no longer used.
//
// The error wraps a *[store.DamageError], or [ErrRolledBack] if the copy is older
// than what the guard remembers.
func OpenReplica(ctx context.Context, c Config) (*Replica, error) {
	if c.Store == nil || c.Verifier == nil {
		return nil, errors.New("audit: no store or no verifier is configured")
	}
	if err := checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	c.FullCheck = math.MaxInt64
	l := &Log{
		config: c, grown: make(chan struct{}), broken: make(chan struct{}),
		heads: map[string]head{}, saved: map[string]int64{},
	}
	fresh, err := l.checkOwner(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	if err := l.checkGuard(ctx); err != nil {
		return nil, err
	}
	if fresh {
		if err := l.claim(ctx); err != nil {
			return nil, err
		}
	}
	return &Replica{log: l}, nil
}

// Len returns the number of entries of a list, 0 if it doesn't exist.
func (r *Replica) Len(list string) int64 { return r.log.Len(list) }

// Sizes returns the number of entries of every list at one moment.
func (r *Replica) Sizes() map[string]int64 { return r.log.Sizes() }

// Root returns the size of a list and the root of its tree.
func (r *Replica) Root(list string) (int64, tlog.Hash) { return r.log.Root(list) }

// RootAt returns the root that a list had when it had size entries.
func (r *Replica) RootAt(ctx context.Context, list string, size int64) (tlog.Hash, error) {
	return r.log.RootAt(ctx, list, size)
}

// Read returns the entries [lo, hi) of a list. The caller owns them.
func (r *Replica) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	return r.log.Read(ctx, list, lo, hi)
}

// Extend adds entries to a list, at most as many as one [Log.Append] takes, and
// returns when they are durable. The checkpoint is the signed head of the list
// after them. Without entries it confirms what is there.
//
// The error is a [*ForkError] if the checkpoint shows that the list is no
// extension of what the replica holds; nothing was written then, and nothing
// more should be taken from that log. The checkpoint's root alone decides, so
// that an error in the entries looks the same.
func (r *Replica) Extend(ctx context.Context, p Part, checkpoint []byte) error {
	r.extending.Lock()
	defer r.extending.Unlock()
	c, err := r.CheckSignature(p.List, checkpoint)
	if err != nil {
		return err
	}
	switch n := r.Len(p.List); {
	case c.Size < n:
		return r.fork(p.List, checkpoint, fmt.Sprintf("it has %d entries, and this copy %d", c.Size, n))
	case p.At != n:
		return fmt.Errorf("audit: list %s: entries begin at %d, this copy ends at %d", p.List, p.At, n)
	}
	s, err := r.stage(p)
	if err != nil {
		return err
	}
	tree := s.list(p.List).head.tree
	switch {
	case tree.Size() != c.Size:
		return fmt.Errorf("audit: list %s: entries end at %d, the checkpoint has size %d", p.List, tree.Size(), c.Size)
	case tree.Root() != c.Root:
		return r.fork(p.List, checkpoint, fmt.Sprintf("its first %d entries are not those of this copy, or not those that were sent", c.Size))
	}
	return r.write(ctx, s, p.List, checkpoint)
}

// CheckSignature returns the checkpoint of a signed note of a list, if the log's
// key has signed it.
func (r *Replica) CheckSignature(list string, signed []byte) (Checkpoint, error) {
	if err := checkList(list); err != nil {
		return Checkpoint{}, err
	}
	c, err := OpenCheckpoint(signed, note.VerifierList(r.log.config.Verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: list %s: %w", list, err)
	}
	if want := r.log.Origin(list); c.Origin != want {
		return Checkpoint{}, fmt.Errorf("audit: list %s: checkpoint is of %s, want %s", list, c.Origin, want)
	}
	return c, nil
}

// CheckHead returns a [*ForkError] unless the list had the signed head when it had
// as many entries. A head beyond the copy's end is no error: it only shows how
// many entries the copy lacks, which is what CheckHead returns.
func (r *Replica) CheckHead(ctx context.Context, list string, signed []byte) (lacks int64, err error) {
	c, err := r.CheckSignature(list, signed)
	if err != nil {
		return 0, err
	}
	n := r.Len(list)
	if c.Size > n {
		return c.Size - n, nil
	}
	root, err := r.log.RootAt(ctx, list, c.Size)
	if err != nil {
		return 0, err
	}
	if root != c.Root {
		return 0, r.fork(list, signed, fmt.Sprintf("its first %d entries are not those of the signed checkpoint of that size", c.Size))
	}
	return 0, nil
}

// stage computes what the list is with the entries.
func (r *Replica) stage(p Part) (*staging, error) {
	c, err := newCall([]Part{p})
	if err != nil {
		return nil, err
	}
	if err := r.log.Err(); err != nil {
		return nil, err
	}
	s := &staging{log: r.log, lists: map[string]*staged{}}
	return s, s.stage(c)
}

// write makes what was staged durable, shows it, and remembers the checkpoint.
func (r *Replica) write(ctx context.Context, s *staging, list string, checkpoint []byte) error {
	if parts := s.parts(); len(parts) > 0 {
		err := r.log.config.Store.Append(ctx, parts...)
		switch {
		case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrRefused):
			return fmt.Errorf("audit: extend: %w", err)
		case err != nil:
			return r.log.fail(err)
		}
		s.publish()
	}
	guard := r.log.config.Guard
	if size := r.Len(list); guard == nil || size == 0 || r.log.saved[list] == size {
		return nil
	}
	if err := guard.Save(list, checkpoint); err != nil {
		return fmt.Errorf("audit: save guard: %w", err)
	}
	r.log.saved[list] = r.Len(list)
	return nil
}

func (r *Replica) fork(list string, given []byte, problem string) error {
	e := &ForkError{List: list, Given: given, Problem: problem}
	e.Size, e.Root = r.Root(list)
	if guard := r.log.config.Guard; guard != nil {
		remembered, err := guard.Load()
		if err != nil {
			return errors.Join(e, err)
		}
		e.Remembered = remembered[list]
	}
	return e
}
