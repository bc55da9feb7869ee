package storetest

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lodd-rct/lodd/audit/store"
)

var errClosed = errors.New("storetest: memory is closed")

// Memory is a [store.Store] in memory, for tests of what is built on a store.
// The zero value is empty and ready. After Close, Reopen gives a store with the
// same content.
type Memory struct {
	// FailAppend, if not nil, is called with the parts of every Append and
	// with none for Put and Delete, before anything is written. An error is
	// returned as it is; if it wraps [store.ErrUnknown], the store serves
	// nothing more until Reopen.
	FailAppend func(parts ...store.Part) error

	// WriteUnknown makes a failure that wraps [store.ErrUnknown] strike after
	// the write and not before.
	WriteUnknown bool

	mu     sync.Mutex // guards the fields below
	lists  map[string][][]byte
	values map[string][]byte
	writes int
	failed error
}

// Reopen returns a store with the content of m, as an engine does that opens
// its file again. It fails no calls.
func (m *Memory) Reopen() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	lists := map[string][][]byte{}
	for name, records := range m.lists {
		lists[name] = cloneAll(records)
	}
	values := map[string][]byte{}
	for key, v := range m.values {
		values[key] = bytes.Clone(v)
	}
	return &Memory{lists: lists, values: values}
}

// Writes returns how many transactions were written.
func (m *Memory) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// Truncate cuts a list to n records: damage, or an older copy.
func (m *Memory) Truncate(list string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lists[list] = m.lists[list][:n]; n == 0 {
		delete(m.lists, list)
	}
}

// Tamper changes a record of a list in place.
func (m *Memory) Tamper(list string, index int64, change func(record []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lists[list][index] = change(m.lists[list][index])
}

// Append implements [store.Store].
func (m *Memory) Append(ctx context.Context, parts ...store.Part) error {
	if err := store.Check(parts...); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	lens := map[string]int64{}
	for _, p := range parts {
		if _, ok := lens[p.List]; !ok {
			lens[p.List] = int64(len(m.lists[p.List]))
		}
		if p.At != lens[p.List] {
			return fmt.Errorf("storetest: list %s has %d records, not %d: %w", p.List, lens[p.List], p.At, store.ErrConflict)
		}
		lens[p.List] += int64(len(p.Records))
	}
	return m.write(func() {
		for _, p := range parts {
			if len(p.Records) > 0 {
				m.lists[p.List] = append(m.lists[p.List], cloneAll(p.Records)...)
			}
		}
	}, parts...)
}

// write changes the store, or fails as a test demands it.
func (m *Memory) write(change func(), parts ...store.Part) error {
	if m.lists == nil {
		m.lists, m.values = map[string][][]byte{}, map[string][]byte{}
	}
	var err error
	if m.FailAppend != nil {
		err = m.FailAppend(parts...)
	}
	unknown := errors.Is(err, store.ErrUnknown)
	if unknown {
		m.failed = err
	}
	if err == nil || unknown && m.WriteUnknown {
		change()
		m.writes++
	}
	return err
}

// ready returns an error if the store serves nothing more.
func (m *Memory) ready(ctx context.Context) error {
	if m.failed != nil {
		return m.failed
	}
	return ctx.Err()
}

// Len implements [store.Store].
func (m *Memory) Len(ctx context.Context, list string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.lists[list])), m.ready(ctx)
}

// Read implements [store.Store].
func (m *Memory) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	if n := int64(len(m.lists[list])); lo < 0 || lo > hi || hi > n {
		return nil, fmt.Errorf("storetest: list %s has %d records, asked for [%d, %d)", list, n, lo, hi)
	}
	return cloneAll(m.lists[list][lo:hi]), nil
}

// Lists implements [store.Store].
func (m *Memory) Lists(ctx context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(maps.Keys(m.lists))
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	return names, m.ready(ctx)
}

// Snapshot implements [store.Store]. [Restore] reads what it writes.
func (m *Memory) Snapshot(ctx context.Context, w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	return gob.NewEncoder(w).Encode(snapshot{m.lists, m.values})
}

type snapshot struct {
	Lists  map[string][][]byte
	Values map[string][]byte
}

// Restore returns the store whose snapshot r reads.
func Restore(r io.Reader) (*Memory, error) {
	var s snapshot
	if err := gob.NewDecoder(r).Decode(&s); err != nil {
		return nil, fmt.Errorf("storetest: restore: %w", err)
	}
	m := Memory{lists: s.Lists, values: s.Values}
	return m.Reopen(), nil
}

// Get implements [store.Store].
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	v, ok := m.values[key]
	if !ok {
		return nil, fmt.Errorf("storetest: key %s: %w", key, store.ErrNotFound)
	}
	return clone(v), nil
}

// Keys implements [store.Store].
func (m *Memory) Keys(ctx context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Sorted(maps.Keys(m.values))
	keys = slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
	return keys, m.ready(ctx)
}

// Put implements [store.Store].
func (m *Memory) Put(ctx context.Context, key string, value []byte) error {
	if err := store.CheckValue(key, value); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	return m.write(func() { m.values[key] = clone(value) })
}

// Delete implements [store.Store].
func (m *Memory) Delete(ctx context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	return m.write(func() { delete(m.values, key) })
}

// Close implements [store.Store].
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = errClosed
	return nil
}

// clone copies b; unlike bytes.Clone it never returns nil.
func clone(b []byte) []byte { return append([]byte{}, b...) }

func cloneAll(records [][]byte) [][]byte {
	out := make([][]byte, len(records))
	for i, r := range records {
		out[i] = clone(r)
	}
	return out
}
