package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit/store"
)

// A change is what one revision of the cluster changed: a batch or a value,
// and the head.
type change struct {
	rev   int64
	head  head
	batch *batch
	key   string // of the map, if there is no batch
	value []byte // nil if it was deleted
}

// damage says that the group isn't what was written.
func (d *DB) damage(format string, args ...any) error {
	return &store.DamageError{Index: -1, Reason: fmt.Sprintf("etcd group %s: ", d.config.Group) + fmt.Sprintf(format, args...)}
}

// apply brings the copy to the next revision. Who writes and who watches both
// call it: what the copy has already is passed over.
func (d *DB) apply(c change) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	if c.rev <= d.applied {
		return nil
	}
	if d.headRev > 0 && c.head.prev != d.head.hash() {
		return d.damage("revision %d: its head doesn't continue the one before", c.rev)
	}
	ctx := context.Background() // half a change must not stay
	var err error
	switch {
	case c.batch != nil:
		if c.head.batches != d.head.batches+1 || c.head.chain != c.batch.hash {
			return d.damage("batch %d: the head is of another one", c.batch.number)
		}
		err = d.add(ctx, d.head, []*batch{c.batch})
	case c.value != nil:
		err = d.replica.Put(ctx, c.key, c.value)
	default:
		err = d.replica.Delete(ctx, c.key)
	}
	if err != nil {
		return err
	}
	if c.batch == nil && (c.head.batches != d.head.batches || c.head.chain != d.head.chain) {
		return d.damage("revision %d: its head counts a batch that isn't there", c.rev)
	}
	d.head, d.headRev, d.applied = c.head, c.rev, c.rev
	return nil
}

// add adds batches to the copy in one step, if each of them continues it. Of
// the head that the copy has reached it uses the number and the chain.
func (d *DB) add(ctx context.Context, at head, batches []*batch) error {
	chain := store.Part{List: chainList, At: at.batches}
	var parts []store.Part
	for i, b := range batches {
		if want := at.batches + int64(i); b.number != want {
			return d.damage("batch %d has the number %d", want, b.number)
		}
		if b.prev != at.chain {
			return d.damage("batch %d doesn't continue the one before", b.number)
		}
		at.chain = b.hash
		chain.Records = append(chain.Records, bytes.Clone(b.hash[:]))
		parts = append(parts, b.parts...)
	}
	if err := d.continues(ctx, parts); err != nil {
		if list, ok := errors.AsType[*lengthError](err); ok {
			return &store.DamageError{List: list.List, Index: list.At, Reason: fmt.Sprintf(
				"etcd group %s: a batch from %d to %d adds it, but the list has %d records", d.config.Group, chain.At, chain.At+int64(len(batches))-1, list.have)}
		}
		return err
	}
	return d.replica.Append(ctx, append(parts, chain)...)
}

// A lengthError says that a part is not for the length that a list has.
type lengthError struct {
	store.Part
	have int64
}

// Error implements error.
func (e *lengthError) Error() string {
	return fmt.Sprintf("etcd: list %s has %d records, not %d: %v", e.List, e.have, e.At, store.ErrConflict)
}

// Unwrap makes it a conflict, which it is unless it comes from etcd.
func (e *lengthError) Unwrap() error { return store.ErrConflict }

// continues returns a *lengthError unless the copy has the lengths that the
// parts, taken in order, demand.
func (d *DB) continues(ctx context.Context, parts []store.Part) error {
	lens := map[string]int64{}
	for _, p := range parts {
		n, ok := lens[p.List]
		if !ok {
			var err error
			if n, err = d.replica.Len(ctx, p.List); err != nil {
				return err
			}
		}
		if n != p.At {
			return &lengthError{p, n}
		}
		lens[p.List] = n + int64(len(p.Records))
	}
	return nil
}

// reached returns how far the copy is, as a head without the rest.
func (d *DB) reached(ctx context.Context) (head, error) {
	var h head
	n, err := d.replica.Len(ctx, chainList)
	if err != nil || n == 0 {
		return h, err
	}
	last, err := d.replica.Read(ctx, chainList, n-1, n)
	if err != nil {
		return h, err
	}
	if len(last[0]) != len(h.chain) {
		return h, &store.DamageError{List: chainList, Index: n - 1, Reason: "it is no hash"}
	}
	h.batches = n
	copy(h.chain[:], last[0])
	return h, nil
}
