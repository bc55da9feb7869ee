package etcd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/lodd-rct/lodd/audit/store"
)

// chainList is a list of the copy alone: the hash of every batch it holds. So
// what the copy holds, and how far it is, change in one step.
const chainList = "#batches"

func indexKey(i int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// Len implements [store.Store].
func (d *DB) Len(ctx context.Context, list string) (int64, error) {
	if err := d.failure(); err != nil || list == chainList {
		return 0, err
	}
	return d.replica.Len(ctx, list)
}

// Read implements [store.Store].
func (d *DB) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	if err := d.failure(); err != nil {
		return nil, err
	}
	if list == chainList {
		return nil, fmt.Errorf("etcd: there is no list %s", list)
	}
	return d.replica.Read(ctx, list, lo, hi)
}

// Lists implements [store.Store].
func (d *DB) Lists(ctx context.Context, prefix string) ([]string, error) {
	if err := d.failure(); err != nil {
		return nil, err
	}
	names, err := d.replica.Lists(ctx, prefix)
	return slices.DeleteFunc(names, func(name string) bool { return name == chainList }), err
}

// Snapshot implements [store.Store]: it writes the copy, which another server
// may begin with.
func (d *DB) Snapshot(ctx context.Context, w io.Writer) error {
	if err := d.failure(); err != nil {
		return err
	}
	return d.replica.Snapshot(ctx, w)
}

// Get implements [store.Store].
func (d *DB) Get(ctx context.Context, key string) ([]byte, error) {
	if err := d.failure(); err != nil {
		return nil, err
	}
	return d.replica.Get(ctx, key)
}

// Keys implements [store.Store].
func (d *DB) Keys(ctx context.Context, prefix string) ([]string, error) {
	if err := d.failure(); err != nil {
		return nil, err
	}
	return d.replica.Keys(ctx, prefix)
}

var _ store.Store = (*DB)(nil)
