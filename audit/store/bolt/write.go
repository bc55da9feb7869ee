package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/lodd-rct/lodd/audit/store"
)

// Append implements [store.Store].
func (d *DB) Append(ctx context.Context, parts ...store.Part) error {
	if err := store.Check(parts...); err != nil {
		return err
	}
	return d.update(ctx, func(tx *bbolt.Tx) error {
		for _, p := range parts {
			if err := appendPart(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func appendPart(tx *bbolt.Tx, p store.Part) error {
	name := listBucket(p.List)
	b := tx.Bucket(name)
	if n := length(b); n != p.At {
		return fmt.Errorf("bolt: list %s has %d records, not %d: %w", p.List, n, p.At, store.ErrConflict)
	}
	if len(p.Records) == 0 {
		return nil
	}
	if b == nil {
		var err error
		if b, err = tx.CreateBucket(name); err != nil {
			return fmt.Errorf("bolt: create list %s: %w", p.List, err)
		}
		if err := count(tx.Bucket(aboutBucket), 1); err != nil {
			return err
		}
	}
	b.FillPercent = 1 // records come in order; half empty pages would stay so
	for i, r := range p.Records {
		k := indexKey(p.At + int64(i))
		if err := b.Put(k, sealed(name, k, r)); err != nil {
			return fmt.Errorf("bolt: list %s: put record %d: %w", p.List, p.At+int64(i), err)
		}
	}
	return count(b, len(p.Records))
}

// count adds to a bucket's sequence number.
func count(b *bbolt.Bucket, n int) error {
	if err := b.SetSequence(b.Sequence() + uint64(n)); err != nil {
		return fmt.Errorf("bolt: count: %w", err)
	}
	return nil
}

// Put implements [store.Store].
func (d *DB) Put(ctx context.Context, key string, value []byte) error {
	if err := store.CheckValue(key, value); err != nil {
		return err
	}
	replaced := false
	err := d.update(ctx, func(tx *bbolt.Tx) error {
		b, k := tx.Bucket(keysBucket), []byte(key)
		if replaced = b.Get(k) != nil; !replaced {
			if err := count(b, 1); err != nil {
				return err
			}
		}
		if err := b.Put(k, sealed(keysBucket, k, value)); err != nil {
			return fmt.Errorf("bolt: put key %s: %w", key, err)
		}
		return nil
	})
	if err != nil || !replaced { // a new key leaves nothing behind, and costs no scrub
		return err
	}
	return d.forget()
}

// Delete implements [store.Store].
func (d *DB) Delete(ctx context.Context, key string) error {
	there := false
	err := d.update(ctx, func(tx *bbolt.Tx) error {
		b, k := tx.Bucket(keysBucket), []byte(key)
		if there = b.Get(k) != nil; !there {
			return nil // but scrub again: the last call may have been cut off
		}
		if err := b.Delete(k); err != nil {
			return fmt.Errorf("bolt: delete key %s: %w", key, err)
		}
		return count(b, -1)
	})
	if err != nil {
		return err
	}
	if !there { // so without room nothing was written
		return d.scrub()
	}
	return d.forget()
}

// forget scrubs what a write has just freed. If there is no room for that, it is
// too late to say that nothing was written.
func (d *DB) forget() error {
	err := d.scrub()
	if errors.Is(err, store.ErrFull) {
		return d.poison(errors.New("no room to overwrite what was deleted"))
	}
	return err
}

// update runs f in a write transaction.
func (d *DB) update(ctx context.Context, f func(*bbolt.Tx) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bolt: write: %w", err)
	}
	if err := d.failure(); err != nil {
		return err
	}
	if d.db.IsReadOnly() {
		return fmt.Errorf("bolt: write %s: it is open for reading only", d.path)
	}
	return d.transact(f)
}

// transact runs f in a write transaction. An error of f itself leaves all as it
// was; after any other the outcome is unknown, unless it is certain that the
// file was full before the transaction took effect.
func (d *DB) transact(f func(*bbolt.Tx) error) error {
	var refused error // by f
	var id int
	err := shielded(func() error {
		tx, err := d.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // does nothing after a commit
		d.writeAhead(tx.Size())
		if refused = f(tx); refused != nil {
			return nil
		}
		id = tx.ID()
		return tx.Commit()
	})
	switch {
	case err == nil:
		return refused
	case isFull(err) && !d.committed(id):
		return fmt.Errorf("bolt: write %s: %w: %w", d.path, store.ErrFull, err)
	}
	return d.poison(err)
}

func isFull(err error) bool {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, berrors.ErrMaxSizeReached} {
		// bbolt wraps what grows the file as text only.
		if errors.Is(err, full) || err != nil && strings.HasSuffix(err.Error(), ": "+full.Error()) {
			return true
		}
	}
	return false
}

// committed reports whether readers see transaction id, or can't be asked.
func (d *DB) committed(id int) bool {
	seen := id
	err := shielded(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			seen = tx.ID()
			return nil
		})
	})
	return err != nil || seen >= id
}

// poison makes the store serve nothing more.
func (d *DB) poison(cause error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = fmt.Errorf("bolt: write %s: %w: %w", d.path, store.ErrUnknown, cause)
	return d.failed
}

func (d *DB) failure() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.failed
}
