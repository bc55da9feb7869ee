package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/lodd-rct/lodd/audit/store"
)

// view runs f in a read transaction.
func (d *DB) view(ctx context.Context, f func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bolt: read: %w", err)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.failed != nil {
		return d.failed
	}
	return shielded(func() error { return d.db.View(f) })
}

// Len implements [store.Store].
func (d *DB) Len(ctx context.Context, list string) (n int64, err error) {
	err = d.view(ctx, func(tx *bbolt.Tx) error {
		n = length(tx.Bucket(listBucket(list)))
		return nil
	})
	return n, err
}

// length returns the length of a list, whose bucket may be nil.
func length(b *bbolt.Bucket) int64 {
	if b == nil {
		return 0
	}
	return int64(b.Sequence())
}

// Read implements [store.Store].
func (d *DB) Read(ctx context.Context, list string, lo, hi int64) (records [][]byte, err error) {
	err = d.view(ctx, func(tx *bbolt.Tx) error {
		name := listBucket(list)
		b := tx.Bucket(name)
		if n := length(b); lo < 0 || lo > hi || hi > n {
			return fmt.Errorf("bolt: list %s has %d records, asked for [%d, %d)", list, n, lo, hi)
		}
		if lo == hi {
			return nil
		}
		records = make([][]byte, 0, hi-lo)
		c := b.Cursor()
		k, v := c.Seek(indexKey(lo))
		for i := lo; i < hi; i++ {
			r, ok := unsealed(name, k, v)
			if !ok || len(k) != 8 || binary.BigEndian.Uint64(k) != uint64(i) {
				return &store.DamageError{List: list, Index: i, Reason: "record isn't what was written"}
			}
			records = append(records, clone(r)) // r is gone after the transaction
			k, v = c.Next()
		}
		return nil
	})
	return records, err
}

// Lists implements [store.Store].
func (d *DB) Lists(ctx context.Context, prefix string) (names []string, err error) {
	err = d.view(ctx, func(tx *bbolt.Tx) error {
		want := listBucket(prefix)
		c := tx.Cursor()
		for k, _ := c.Seek(want); bytes.HasPrefix(k, want); k, _ = c.Next() {
			names = append(names, string(k[len(listPrefix):]))
		}
		return nil
	})
	return names, err
}

// Snapshot implements [store.Store]: w gets a file that Open opens. Write to a
// local disk first and ship it then: while a snapshot is written, the file
// can't reuse pages and grows faster, and a write that outgrows the reserved
// address space waits for it. So w must not write to the store.
func (d *DB) Snapshot(ctx context.Context, w io.Writer) error {
	return d.view(ctx, func(tx *bbolt.Tx) error {
		if _, err := tx.WriteTo(contextWriter{ctx, w}); err != nil {
			return fmt.Errorf("bolt: snapshot: %w", err)
		}
		return nil
	})
}

// A contextWriter stops a long copy when its context is done.
type contextWriter struct {
	ctx context.Context // it lives for one call
	w   io.Writer
}

func (w contextWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(b)
}

// Get implements [store.Store].
func (d *DB) Get(ctx context.Context, key string) (value []byte, err error) {
	err = d.view(ctx, func(tx *bbolt.Tx) error {
		v := tx.Bucket(keysBucket).Get([]byte(key))
		if v == nil {
			return fmt.Errorf("bolt: key %s: %w", key, store.ErrNotFound)
		}
		data, ok := unsealed(keysBucket, []byte(key), v)
		if !ok {
			return &store.DamageError{Index: -1, Reason: fmt.Sprintf("value of key %s isn't what was written", key)}
		}
		value = clone(data)
		return nil
	})
	return value, err
}

// Keys implements [store.Store].
func (d *DB) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	err = d.view(ctx, func(tx *bbolt.Tx) error {
		want := []byte(prefix)
		c := tx.Bucket(keysBucket).Cursor()
		for k, _ := c.Seek(want); k != nil && bytes.HasPrefix(k, want); k, _ = c.Next() {
			keys = append(keys, string(k))
		}
		return nil
	})
	return keys, err
}

// clone copies b; unlike bytes.Clone it never returns nil, nor room for more.
func clone(b []byte) []byte {
	out := make([]byte, len(b))
	copy(out, b)
	return out
}
