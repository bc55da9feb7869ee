package main

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"sync/atomic"

	"github.com/codenotary/immudb/embedded/logger"
	"github.com/codenotary/immudb/embedded/store"
)

// immudb is its embedded store, every commit synced without delay.
type immudb struct {
	store *store.ImmuStore
	next  atomic.Uint64
}

func openImmudb(_ context.Context, dir string, callers int) (peer, error) {
	opts := store.DefaultOptions().WithSynced(true).WithSyncFrequency(0).WithMaxConcurrency(max(30, callers)).
		WithLogger(logger.NewMemoryLogger())
	s, err := store.Open(filepath.Join(dir, "immudb"), opts)
	return &immudb{store: s}, err
}

func (i *immudb) append(ctx context.Context, _ int, entry []byte) error {
	tx, err := i.store.NewWriteOnlyTx(ctx)
	if err != nil {
		return err
	}
	if err := tx.Set(binary.BigEndian.AppendUint64(nil, i.next.Add(1)), nil, entry); err != nil {
		return err
	}
	_, err = tx.Commit(ctx)
	return err
}

func (i *immudb) close() error { return i.store.Close() }
