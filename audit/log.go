package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/store"
)

// ErrBusy is returned by Append when too many calls wait already. Nothing was
// written; the caller may try again.
var ErrBusy = errors.New("audit: too many appends are waiting, try again")

// errClosed is returned by every call after Close.
var errClosed = errors.New("audit: log is closed")

// Config says where a log is kept and who signs it.
type Config struct {
	// Store holds the entries. The log must be its only writer of lists; the
	// map of the store is free for others. Close leaves the store open.
	Store store.Store

	// Origin names the instance, for example "lodd.example.org". The
	// checkpoints of a list have the origin Origin + "/" + list. A store
	// belongs to one origin for ever.
	Origin string

	// Signer signs checkpoints.
	Signer note.Signer

	// Verifier checks the signatures of Signer.
	Verifier note.Verifier

	// Guard keeps the last signed checkpoints outside the store. Without it,
	// an older copy of the store can't be told from the newest.
	Guard Guard

	// FullCheck is the most entries of which Open checks every one. Of a larger
	// store it checks the tiles above the entries, and of each list the entries
	// that no tile of level 1 covers, which are fewer than 65,536; the caller
	// then runs [Log.Check] beside its work. 0 is five million.
	FullCheck int64
}

const defaultFullCheck = 5_000_000

// A Log is a set of lists that only grow. All methods may be called
// concurrently.
type Log struct {
	config Config
	queue  chan *call
	done   chan struct{} // closed when the committer has returned
	broken chan struct{} // closed when failed is set

	mu      sync.RWMutex  // guards the fields below
	grown   chan struct{} // closed, and replaced, when a list has grown
	heads   map[string]head
	failed  error // why the log serves nothing more
	closing bool  // no more appends
	closed  bool  // nothing more

	unchecked int64 // see Unchecked; set by Open only

	signing sync.Mutex // guards signed; held while a checkpoint is made
	signed  map[string]signedHead

	saving sync.Mutex // guards saved; held while the guard is written
	saved  map[string]int64
}

// Open returns the log in a store after it has compared the entries with the
// tiles, as far as [Config.FullCheck] says, and both with the checkpoints of the
// guard. All cores take part. A million entries take two cores up to a second;
// of a store that is larger than FullCheck, a million take about ten milliseconds.
//
// The error wraps a *[store.DamageError] that names the list and the index of
// the first bad entry, or [ErrRolledBack].
func Open(ctx context.Context, c Config) (*Log, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	l := &Log{
		config: c,
		queue:  make(chan *call, maxWaiting),
		done:   make(chan struct{}),
		grown:  make(chan struct{}),
		broken: make(chan struct{}),
		heads:  map[string]head{},
		signed: map[string]signedHead{},
		saved:  map[string]int64{},
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
	go l.run(context.WithoutCancel(ctx))
	return l, nil
}

func (c Config) check() error {
	switch {
	case c.Store == nil:
		return errors.New("audit: no store is configured")
	case c.Signer == nil || c.Verifier == nil:
		return errors.New("audit: no signer or no verifier is configured")
	case c.Signer.Name() != c.Verifier.Name() || c.Signer.KeyHash() != c.Verifier.KeyHash():
		return fmt.Errorf("audit: signer %s and verifier %s are not of one key", c.Signer.Name(), c.Verifier.Name())
	}
	return checkOrigin(c.Origin)
}

const originList = "#origin"

// owner is the only record of originList.
func (c Config) owner() string { return "lodd log v1\n" + c.Origin + "\n" }

// checkOwner refuses the store of another instance, and reports whether the
// store is empty.
func (l *Log) checkOwner(ctx context.Context) (fresh bool, err error) {
	names, err := l.config.Store.Lists(ctx, "")
	if err != nil {
		return false, fmt.Errorf("audit: %w", err)
	}
	n, err := l.config.Store.Len(ctx, originList)
	switch {
	case err != nil:
		return false, fmt.Errorf("audit: %w", err)
	case len(names) == 0:
		return true, nil
	case n == 0:
		return false, damaged(originList, 0, "record is missing from a store that has lists")
	}
	records, err := l.config.Store.Read(ctx, originList, 0, n)
	if err != nil {
		return false, fmt.Errorf("audit: read origin: %w", err)
	}
	if got, want := string(records[0]), l.config.owner(); n != 1 || got != want {
		return false, fmt.Errorf("audit: store belongs to another log: it says %q, want %q; open the store of this instance, or start with the origin of that one", got, want)
	}
	return false, nil
}

// claim writes the origin into a new store.
func (l *Log) claim(ctx context.Context) error {
	err := l.config.Store.Append(ctx, store.Part{List: originList, Records: [][]byte{[]byte(l.config.owner())}})
	if err != nil {
		return fmt.Errorf("audit: write origin: %w", err)
	}
	return nil
}

// Failed is closed when the log serves nothing more: the outcome of an append is
// unknown, or [Log.Check] found damage. Whoever runs the log then ends; in the
// first case the log can be opened again.
func (l *Log) Failed() <-chan struct{} { return l.broken }

// Err returns why the log serves nothing more, or nil. It wraps
// [store.ErrUnknown] or a *[store.DamageError].
func (l *Log) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failed
}

// Grown returns a channel that is closed once a list grows after the call. Who
// follows the log takes it, looks at what there is, and then waits for it.
func (l *Log) Grown() <-chan struct{} {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.grown
}

// Origin returns the origin of the checkpoints of a list.
func (l *Log) Origin(list string) string { return l.config.Origin + "/" + list }

// Close waits for the appends that were accepted, and makes every later call
// fail. The store stays open: whoever opened it closes it.
//
// It doesn't save the guard: a log whose entries their reader refused must not
// be signed. Whoever has read the entries and found them good calls
// [Log.SaveGuard] before.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		<-l.done
		return nil
	}
	l.closing = true
	close(l.queue)
	l.mu.Unlock()
	<-l.done

	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// Len returns the number of durable entries of a list, 0 if it doesn't exist.
func (l *Log) Len(list string) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	h := l.heads[list]
	return h.tree.Size()
}

// Lists returns the names of the lists that begin with prefix, sorted.
func (l *Log) Lists(prefix string) []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var names []string
	for name := range l.heads {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Read returns the entries [lo, hi) of a list. The caller owns them. It is an
// error to ask for an entry at or beyond Len.
func (l *Log) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	h, err := l.head(list)
	if err != nil {
		return nil, err
	}
	if err := checkRange(list, lo, hi, h.tree.Size()); err != nil {
		return nil, err
	}
	records, err := l.config.Store.Read(ctx, list, lo, hi)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return records, nil
}

// Root returns the size of a list and the root of its tree.
func (l *Log) Root(list string) (int64, tlog.Hash) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	h := l.heads[list]
	return h.tree.Size(), h.tree.Root()
}

// head returns what is durable of a list.
func (l *Log) head(list string) (head, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return head{}, errClosed
	case l.failed != nil:
		return head{}, l.failed
	}
	return l.heads[list], nil
}

func checkRange(list string, lo, hi, size int64) error {
	if lo < 0 || lo > hi || hi > size {
		return fmt.Errorf("audit: list %s has %d entries, asked for [%d, %d)", list, size, lo, hi)
	}
	return nil
}
