package audit_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// A countingStore counts the records that are read.
type countingStore struct {
	store.Store
	read atomic.Int64
}

func (s *countingStore) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	s.read.Add(hi - lo)
	return s.Store.Read(ctx, list, lo, hi)
}

// A proof reads two tiles at most, however long the list is; the root of an older
// size reads one.
func TestProofsReadAtMostTwoTiles(t *testing.T) {
	s := &countingStore{Store: &storetest.Memory{}}
	l := open(t, config(t, s))
	ctx := t.Context()
	counted := func(what string, size, at, most int64, f func() error) int64 {
		t.Helper()
		s.read.Store(0)
		if err := f(); err != nil {
			t.Fatal(err)
		}
		n := s.read.Load()
		if n > most {
			t.Errorf("%s %d of %d reads %d records, at most %d are allowed", what, at, size, n, most)
		}
		return n
	}
	read := int64(0)
	for _, size := range []int64{200, 1_000, 65_536, 100_001, 200_000} {
		grow(t, l, "a", int(size-l.Len("a")))
		for at := int64(0); at < size; at += size/37 + 1 {
			read += counted("record proof", size, at, 2, func() error {
				_, err := l.ProveRecord(ctx, "a", size, at)
				return err
			})
			read += counted("tree proof", size, at, 2, func() error {
				_, err := l.ProveTree(ctx, "a", at, size)
				return err
			})
			read += counted("root", size, at, 1, func() error {
				_, err := l.RootAt(ctx, "a", at)
				return err
			})
		}
	}
	if read == 0 {
		t.Error("no tile was read: the test counts nothing")
	}
}
