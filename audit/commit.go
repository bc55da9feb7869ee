package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/store"
)

// Limits of one append and of one transaction, which holds as many appends as
// are waiting.
const (
	// MaxEntries is the most entries in one Append.
	MaxEntries = 1024

	// MaxBytes is the most bytes of entries in one Append.
	MaxBytes = 1 << 20

	// maxWaiting is the most calls of Append that wait.
	maxWaiting = 4096
)

// A Part is what one Append adds to one list.
type Part struct {
	// List is the name of the list: letters, digits and - _ . / only, at most
	// 200 bytes. A list begins to exist with its first entry.
	List string

	// At is the length that the list must have.
	At int64

	// Entries are added in order, each of at most [store.MaxRecord] bytes.
	Entries [][]byte
}

// A Receipt says where an entry is. It is no proof: for that, check
// [Log.ProveRecord] against a checkpoint.
type Receipt struct {
	// List and Index say where the entry is.
	List  string
	Index int64

	// Leaf is the entry's leaf hash.
	Leaf tlog.Hash

	// Size and Root are of the list right after the transaction that holds
	// the entry, so Size is more than Index.
	Size int64
	Root tlog.Hash
}

// A call is one Append on its way.
type call struct {
	parts    []Part
	leaves   [][]tlog.Hash // of each part's entries
	entries  int
	bytes    int
	receipts []Receipt
	err      error
	done     chan struct{}
}

// Append adds entries to several lists, all or none, and returns when they are
// durable, with a receipt for each entry in the order of the parts. Calls that
// wait at the same time share one transaction; the order of the log is the
// order in which they came. The entries must not change until it returns.
//
// It returns an error that wraps [store.ErrConflict] if a list hasn't the
// length that a part names: this call alone failed, and the caller reads the
// new entries and decides again. It returns [ErrBusy] if too many calls wait,
// an error that wraps [store.ErrFull] if there was no room or [store.ErrRefused]
// if the store takes no writes, and one that wraps [store.ErrUnknown] if the entries may or may not be durable: the log then
// serves nothing more until it is opened again. The context is looked at
// before the call is queued and never after.
func (l *Log) Append(ctx context.Context, parts ...Part) ([]Receipt, error) {
	c, err := newCall(parts)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("audit: append: %w", err)
	}
	if err := l.enqueue(c); err != nil {
		return nil, err
	}
	<-c.done
	return c.receipts, c.err
}

// newCall checks the parts and hashes the entries, so that the committer needn't.
func newCall(parts []Part) (*call, error) {
	c := &call{parts: parts, leaves: make([][]tlog.Hash, len(parts)), done: make(chan struct{})}
	for i, p := range parts {
		if err := checkList(p.List); err != nil {
			return nil, err
		}
		c.leaves[i] = make([]tlog.Hash, 0, len(p.Entries))
		for j, e := range p.Entries {
			if len(e) > store.MaxRecord {
				return nil, fmt.Errorf("audit: list %s: entry %d has %d bytes, at most %d are allowed", p.List, p.At+int64(j), len(e), store.MaxRecord)
			}
			c.bytes += len(e)
			c.leaves[i] = append(c.leaves[i], Leaf(e))
		}
		c.entries += len(p.Entries)
	}
	if c.entries > MaxEntries || c.bytes > MaxBytes {
		return nil, fmt.Errorf("audit: append of %d entries with %d bytes: at most %d entries and %d bytes are allowed", c.entries, c.bytes, MaxEntries, MaxBytes)
	}
	return c, nil
}

func (l *Log) enqueue(c *call) error {
	l.mu.RLock() // so that Close can't close the queue meanwhile
	defer l.mu.RUnlock()
	switch {
	case l.closing:
		return errClosed
	case l.failed != nil:
		return l.failed
	}
	select {
	case l.queue <- c:
		return nil
	default:
		return ErrBusy
	}
}

// run is the committer: the only goroutine that appends to the store. It needs
// no timer: alone, a call is a transaction; under load, calls gather in the
// queue while a transaction is written.
func (l *Log) run(ctx context.Context) {
	defer close(l.done)
	var next *call // taken from the queue, but too much for the last batch
	for {
		if next == nil {
			c, ok := <-l.queue
			if !ok {
				return
			}
			next = c
		}
		var batch []*call
		batch, next = l.drain(next)
		l.commit(ctx, batch)
	}
}

// drain returns first with what else is waiting, and the call that was too
// much for one transaction, if there was one.
func (l *Log) drain(first *call) (batch []*call, next *call) {
	batch = []*call{first}
	entries, bytes := first.entries, first.bytes
	for {
		select {
		case c, ok := <-l.queue:
			if !ok {
				return batch, nil
			}
			entries += c.entries
			bytes += c.bytes
			if entries > MaxEntries || bytes > MaxBytes {
				return batch, c
			}
			batch = append(batch, c)
		default:
			return batch, nil
		}
	}
}

// commit writes a batch in one transaction, publishes the new heads and
// answers all calls.
func (l *Log) commit(ctx context.Context, batch []*call) {
	s := &staging{log: l, lists: map[string]*staged{}}
	err := l.Err()
	var accepted []*call
	for _, c := range batch {
		if c.err = err; c.err == nil {
			c.err = s.stage(c)
		}
		if c.err != nil {
			close(c.done)
			continue
		}
		accepted = append(accepted, c)
	}
	if len(accepted) == 0 {
		return
	}
	if parts := s.parts(); len(parts) > 0 {
		err = l.config.Store.Append(ctx, parts...)
	}
	switch {
	case err == nil:
		s.publish()
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrRefused):
		err = fmt.Errorf("audit: append: %w", err)
	default:
		err = l.fail(err)
	}
	for _, c := range accepted {
		if c.err = err; err == nil {
			s.complete(c)
		}
		close(c.done)
	}
}

// fail makes the log serve nothing more: what is durable isn't known.
func (l *Log) fail(cause error) error {
	if !errors.Is(cause, store.ErrUnknown) {
		cause = fmt.Errorf("%w: %w", store.ErrUnknown, cause)
	}
	return l.stop(fmt.Errorf("audit: append: %w", cause))
}

// stop makes the log serve nothing more and every call fail with err, or with
// the error of the first stop, which it returns.
func (l *Log) stop(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
		close(l.broken)
	}
	return l.failed
}
