package etcd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lodd-rct/lodd/audit/store"
)

const (
	// maxTail is how many bytes of records may wait for the disk.
	maxTail = 8 << 20

	// lot is how many bytes are worth a transaction of their own.
	lot = 1 << 20

	// linger is how long fewer wait for others. The copy lies on the disk of a
	// member as a rule, and that disk does one sync at a time: one for every
	// append would come between those that callers wait for.
	linger = 50 * time.Millisecond
)

// A tail is this server's copy. Records are in it as soon as Append returns,
// and on the disk a little later, many at once: they are durable in the cluster,
// and after a crash the copy gets again what it lacks. So nobody waits for two
// disks, or for one disk twice.
type tail struct {
	store.Store // what is on the disk; the map goes there at once

	done sync.WaitGroup
	urge chan struct{} // holds one token if the disk is to wait no longer

	mu      sync.Mutex // guards the fields below
	changed *sync.Cond // when one of them has
	lists   map[string]*waiting
	parts   []store.Part // what waits, in order
	size    int          // of their records, in bytes
	taken   int          // parts, since the start
	written int          // parts, since the start
	failed  error        // why nothing more is taken
	closed  bool
}

// waiting is what a list has beyond what is on the disk.
type waiting struct {
	base    int64 // length on the disk
	records [][]byte
}

// newTail begins to write to the store. If that fails, it calls fail.
func newTail(s store.Store, fail func(error)) *tail {
	t := &tail{Store: s, urge: make(chan struct{}, 1), lists: map[string]*waiting{}}
	t.changed = sync.NewCond(&t.mu)
	t.done.Go(func() {
		for t.write() {
		}
		if err := t.failure(); err != nil {
			fail(err)
		}
	})
	return t
}

func (t *tail) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// write writes all that waits, as one transaction, and reports whether there
// may be more.
func (t *tail) write() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gather()
	if len(t.parts) == 0 {
		return false
	}
	parts := t.parts
	t.parts, t.size = nil, 0
	t.mu.Unlock()
	err := t.Store.Append(context.Background(), parts...)
	t.mu.Lock()
	defer t.changed.Broadcast()
	if err != nil {
		t.failed = fmt.Errorf("etcd: write the copy: %w", err)
		return false
	}
	t.written += len(parts)
	for _, p := range parts {
		w, n := t.lists[p.List], len(p.Records)
		w.base, w.records = w.base+int64(n), w.records[n:]
		if len(w.records) == 0 {
			delete(t.lists, p.List)
		}
	}
	return true
}

// gather waits until there is something to write, and then for more. The caller
// holds mu.
func (t *tail) gather() {
	for len(t.parts) == 0 && !t.closed {
		t.changed.Wait()
	}
	if t.closed {
		return
	}
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-t.urge:
	case <-time.After(linger):
	}
}

// hurry ends the wait for more. If nobody waits, the next one ends at once.
func (t *tail) hurry() {
	select {
	case t.urge <- struct{}{}:
	default:
	}
}

// Append implements [store.Store], for parts that continue the copy.
func (t *tail) Append(ctx context.Context, parts ...store.Part) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.size > maxTail && t.failed == nil {
		t.changed.Wait()
	}
	if t.failed != nil {
		return t.failed
	}
	for _, p := range parts {
		w := t.lists[p.List]
		if w == nil {
			n, err := t.Store.Len(ctx, p.List)
			if err != nil {
				return err
			}
			w = &waiting{base: n}
			t.lists[p.List] = w
		}
		for _, r := range p.Records {
			w.records = append(w.records, r)
			t.size += len(r)
		}
	}
	t.parts = append(t.parts, parts...)
	t.taken += len(parts)
	t.changed.Broadcast()
	if t.size > lot {
		t.hurry()
	}
	return nil
}

// waits returns what waits of a list. Its records don't change.
func (t *tail) waits(list string) (waiting, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.lists[list]; w != nil {
		return *w, true
	}
	return waiting{}, false
}

// Len implements [store.Store].
func (t *tail) Len(ctx context.Context, list string) (int64, error) {
	if w, ok := t.waits(list); ok {
		return w.base + int64(len(w.records)), nil
	}
	return t.Store.Len(ctx, list)
}

// Read implements [store.Store].
func (t *tail) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	w, ok := t.waits(list)
	if !ok || hi <= w.base {
		return t.Store.Read(ctx, list, lo, hi)
	}
	if n := w.base + int64(len(w.records)); lo < 0 || lo > hi || hi > n {
		return nil, fmt.Errorf("etcd: list %s has %d records, asked for [%d, %d)", list, n, lo, hi)
	}
	var out [][]byte
	if lo < w.base {
		var err error
		if out, err = t.Store.Read(ctx, list, lo, w.base); err != nil {
			return nil, err
		}
	}
	for _, r := range w.records[max(lo-w.base, 0) : hi-w.base] {
		out = append(out, append([]byte{}, r...))
	}
	return out, nil
}

// Lists implements [store.Store].
func (t *tail) Lists(ctx context.Context, prefix string) ([]string, error) {
	if err := t.settle(); err != nil {
		return nil, err
	}
	return t.Store.Lists(ctx, prefix)
}

// Snapshot implements [store.Store].
func (t *tail) Snapshot(ctx context.Context, w io.Writer) error {
	if err := t.settle(); err != nil {
		return err
	}
	return t.Store.Snapshot(ctx, w)
}

// settle waits until all that was appended before the call is on the disk.
func (t *tail) settle() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for until := t.taken; t.written < until && t.failed == nil; {
		t.hurry()
		t.changed.Wait()
	}
	return t.failed
}

// Close writes what waits and closes the store.
func (t *tail) Close() error {
	t.mu.Lock()
	t.closed = true
	t.changed.Broadcast()
	t.hurry()
	t.mu.Unlock()
	t.done.Wait()
	return t.Store.Close()
}

// owned returns parts whose records nobody else changes, without those that
// add nothing.
func owned(parts []store.Part) []store.Part {
	var out []store.Part
	for _, p := range parts {
		if len(p.Records) == 0 {
			continue
		}
		records := make([][]byte, len(p.Records))
		for i, r := range p.Records {
			records[i] = bytes.Clone(r)
		}
		out = append(out, store.Part{List: p.List, At: p.At, Records: records})
	}
	return out
}
