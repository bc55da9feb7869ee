package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
)

// Append implements [store.Store]. The error wraps [store.ErrFull] if the cluster
// is at its quota or the parts need more than 1,400 KiB, and [store.ErrRefused] if
// the cluster refuses this server or has lost its majority: nothing was written,
// and nothing is by a server that doesn't lead.
func (d *DB) Append(ctx context.Context, parts ...store.Part) error {
	if err := store.Check(parts...); err != nil {
		return err
	}
	for _, p := range parts {
		if p.List == chainList {
			return fmt.Errorf("etcd: list %s is not for callers", chainList)
		}
	}
	return d.update(ctx, func(next *change) (clientv3.Op, error) {
		if err := d.continues(ctx, parts); err != nil {
			return clientv3.Op{}, err
		}
		b := &batch{number: next.head.batches, prev: next.head.chain, parts: owned(parts)}
		if len(b.parts) == 0 {
			return clientv3.Op{}, nil
		}
		value := b.encode()
		if len(value) > maxBatch {
			return clientv3.Op{}, fmt.Errorf("etcd: append of %d bytes, at most %d fit into a transaction: %w", len(value), maxBatch, store.ErrFull)
		}
		next.batch = b
		next.head.batches++
		next.head.chain = b.hash
		return clientv3.OpPut(d.batchKey(b.number), string(value)), nil
	})
}

// Put implements [store.Store]. If it replaces a value, the history of the
// cluster is compacted, as after Delete.
func (d *DB) Put(ctx context.Context, key string, value []byte) error {
	if err := store.CheckValue(key, value); err != nil {
		return err
	}
	replaces := false
	err := d.update(ctx, func(next *change) (clientv3.Op, error) {
		has, err := d.holds(ctx, key)
		if err != nil {
			return clientv3.Op{}, err
		}
		if replaces = has; !has {
			next.head.values++
		}
		next.key, next.value = key, append([]byte{}, value...)
		return clientv3.OpPut(d.valueKey(key), string(sealed(key, value))), nil
	})
	if err != nil || !replaces {
		return err
	}
	return d.compact(ctx)
}

// Delete implements [store.Store]. It also compacts the history of the
// cluster, since an older revision would still hold the value. What it can't
// reach are the logs and snapshots of the members' consensus, the free pages
// of their files, and backups: docs/etcd.md says what an operator does.
func (d *DB) Delete(ctx context.Context, key string) error {
	err := d.update(ctx, func(next *change) (clientv3.Op, error) {
		has, err := d.holds(ctx, key)
		if err != nil || !has { // but compact again: the last call may have been cut off
			return clientv3.Op{}, err
		}
		next.head.values--
		next.key = key
		return clientv3.OpDelete(d.valueKey(key)), nil
	})
	if err != nil {
		return err
	}
	if err := d.replica.Delete(ctx, key); err != nil { // it may have been cut off, too
		return d.unknown(err)
	}
	return d.compact(ctx)
}

func (d *DB) holds(ctx context.Context, key string) (bool, error) {
	_, err := d.replica.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// update makes one change. What f returns is written together with the head
// that f leaves in next; without an operation nothing is written.
func (d *DB) update(ctx context.Context, f func(next *change) (clientv3.Op, error)) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("etcd: write: %w", err)
	}
	term, err := d.leads()
	if err != nil {
		return err
	}
	d.applying.Lock()
	next, rev := change{head: d.head}, d.headRev
	d.applying.Unlock()
	if rev > 0 {
		next.head.prev = next.head.hash()
	}
	next.head.epoch = uint64(term)
	op, err := f(&next)
	if err != nil || next.batch == nil && next.key == "" {
		return err
	}
	if _, err := io.ReadFull(d.config.Random, next.head.nonce[:]); err != nil {
		return fmt.Errorf("etcd: read nonce: %w", err)
	}
	head := clientv3.OpPut(d.headKey(), string(next.head.encode()))
	w := write{change: next, prev: rev, term: term}
	w.when = []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(d.headKey()), "=", rev),
		clientv3.Compare(clientv3.CreateRevision(d.leaderKey()), "=", term),
	}
	w.then = []clientv3.Op{op, head}
	if err = d.commit(context.WithoutCancel(ctx), w); err == nil || errors.Is(err, store.ErrRefused) {
		d.tell(ctx, d.told, err)
	}
	return err
}

// A write is one change on its way.
type write struct {
	change
	prev int64 // revision of the head that it replaces
	term int64
	when []clientv3.Cmp
	then []clientv3.Op
}

// commit sends a write until there is an answer.
func (d *DB) commit(ctx context.Context, w write) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.Patience)
	defer cancel()
	doubt := false // whether an earlier attempt may have been carried out
	for {
		r, err := d.attempt(ctx, w)
		switch {
		case err == nil && r.Succeeded:
			w.rev = r.Header.Revision
			return d.own(w.change)
		case err == nil:
			return d.refused(w, r, doubt)
		case !doubt && definite(err) != nil:
			return definite(err)
		}
		doubt = doubt || !is(err, rpctypes.ErrNoLeader, rpctypes.ErrTooManyRequests) // which come before it is proposed
		switch {
		case wait(ctx):
		case doubt:
			return d.unknown(err)
		default:
			return fmt.Errorf("etcd: the cluster takes no writes: %w: %w", store.ErrRefused, err)
		}
	}
}

// definite returns what an error means with which etcd refuses a change for good:
// it was not carried out, and would not be if it were repeated. Of any other it
// returns nil.
func definite(err error) error {
	switch {
	case is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("etcd: the cluster has reached its quota and takes no writes until it is raised: %w: %w", store.ErrFull, err)
	case is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("etcd: the cluster takes no request of this size, see its --max-request-bytes: %w: %w", store.ErrFull, err)
	case is(err, rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision):
		return fmt.Errorf("etcd: the cluster refuses this server's account: %w: %w", store.ErrRefused, err)
	default:
		return nil
	}
}

// is reports whether an error is one of several.
func is(err error, any ...error) bool {
	return slices.ContainsFunc(any, func(one error) bool { return errors.Is(err, one) })
}

func (d *DB) attempt(ctx context.Context, w write) (*clientv3.TxnResponse, error) {
	ctx, cancel := d.request(ctx)
	defer cancel()
	return d.kv.Txn(ctx).If(w.when...).Then(w.then...).Else(clientv3.OpGet(d.headKey())).Commit()
}

// own applies a change of this server's own.
func (d *DB) own(c change) error {
	if err := d.apply(c); err != nil {
		return d.unknown(err)
	}
	return nil
}

// refused says what it means that a comparison failed: an earlier attempt was
// carried out after all, or this server leads no more.
func (d *DB) refused(w write, r *clientv3.TxnResponse, doubt bool) error {
	var now int64 // revision of the head
	if kvs := r.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		now = kvs[0].ModRevision
		if h, err := decodeHead(kvs[0].Value); err == nil && h.nonce == w.head.nonce {
			w.rev = now
			return d.own(w.change)
		}
	}
	d.depose()
	if doubt && now != w.prev { // it may have happened, and another came after it
		return d.unknown(errNotLeader)
	}
	return fmt.Errorf("%w: another took the lead; nothing was written", errNotLeader)
}

// unknown makes the store serve nothing more, because a write may or may not
// have happened, or is not in the copy.
func (d *DB) unknown(cause error) error {
	return d.fail(fmt.Errorf("etcd: write: %w: %w", store.ErrUnknown, cause))
}

// compact makes the cluster forget what was before the last change.
func (d *DB) compact(ctx context.Context) error {
	d.applying.Lock()
	rev := d.headRev
	d.applying.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.config.Patience)
	defer cancel()
	for rev > 0 {
		asking, cancel := d.request(ctx)
		_, err := d.kv.Compact(asking, rev, clientv3.WithCompactPhysical())
		cancel()
		if err == nil || errors.Is(err, rpctypes.ErrCompacted) {
			break
		}
		if !wait(ctx) {
			return d.unknown(fmt.Errorf("compact: %w", err))
		}
	}
	return nil
}
