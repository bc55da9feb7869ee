package main

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"go.etcd.io/bbolt"
)

// raw appends records of 256 bytes to a plain file: what the disk can do.
type raw struct {
	file *os.File
	some int // records in one write
}

func openRaw(some int) func(context.Context, string, int) (peer, error) {
	return func(_ context.Context, dir string, _ int) (peer, error) {
		f, err := os.Create(filepath.Join(dir, "raw"))
		return &raw{f, some}, err
	}
}

func (r *raw) append(context.Context, int, []byte) error {
	if _, err := r.file.Write(make([]byte, 256*r.some)); err != nil {
		return err
	}
	return syscall.Fdatasync(int(r.file.Fd()))
}

func (r *raw) close() error { return r.file.Close() }

// naive is bbolt with a transaction for each entry.
type naive struct {
	db   *bbolt.DB
	mu   sync.Mutex // guards next
	next uint64
}

var bucket = []byte("entries")

func openNaive(_ context.Context, dir string, _ int) (peer, error) {
	db, err := bbolt.Open(filepath.Join(dir, "naive.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	return &naive{db: db}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(bucket)
		return err
	})
}

func (n *naive) append(_ context.Context, _ int, entry []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	return n.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		b.FillPercent = 1
		return b.Put(binary.BigEndian.AppendUint64(nil, n.next), entry)
	})
}

func (n *naive) close() error { return n.db.Close() }
