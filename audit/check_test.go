package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// flipped changes the last byte of a record.
func flipped(r []byte) []byte {
	r = bytes.Clone(r)
	r[len(r)-1] ^= 1
	return r
}

// openLarge opens a store as one that is too large to be checked at once.
func openLarge(t *testing.T, s store.Store) (*audit.Log, error) {
	t.Helper()
	c := config(t, s)
	c.FullCheck = 1
	l, err := audit.Open(t.Context(), c)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return l, err
}

// A log that was opened by its tiles is the log that was opened by its entries:
// it has the same roots and proofs, and grows in the same way.
func TestLargeStoreOpensToTheSameLog(t *testing.T) {
	for _, n := range []int{0, 65_535, 65_536, 131_073} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			m := filled(t, nil, map[string]int{"a": n, "b": 300})
			small := open(t, config(t, m.Reopen()))
			large, err := openLarge(t, m.Reopen())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := large.Unchecked(), int64(n/65_536*65_536); got != want || small.Unchecked() != 0 {
				t.Errorf("%d entries are unchecked, want %d; and %d of the small log, want 0", got, want, small.Unchecked())
			}
			for range 2 {
				if diff := cmp.Diff(outline(t, small), outline(t, large)); diff != "" {
					t.Fatalf("(-all entries +tiles):\n%s", diff)
				}
				grow(t, small, "a", 70_000)
				grow(t, large, "a", 70_000)
			}
			if got, err := large.Check(t.Context()); err != nil || got != int64(n)+140_300 {
				t.Errorf("Check = %d, %v; want %d entries", got, err, n+140_300)
			}
		})
	}
}

// outline returns roots and proofs of list a.
func outline(t *testing.T, l *audit.Log) []string {
	t.Helper()
	size, root := l.Root("a")
	out := []string{fmt.Sprint(size, root)}
	for i := int64(0); i < size; i += size/5 + 1 {
		record, err := l.ProveRecord(t.Context(), "a", size, i)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := l.ProveTree(t.Context(), "a", i, size)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(record, tree))
	}
	return out
}

// Damage below the tail of a large store is found by Check, which names it and
// stops the log: nobody goes on from there.
func TestCheckStopsADamagedLog(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(*storetest.Memory)
		list   string
		index  int64
	}{
		{"first entry", func(m *storetest.Memory) { m.Tamper("a", 0, flipped) }, "a", 0},
		{"two entries in two pieces", func(m *storetest.Memory) { m.Tamper("a", 60_000, flipped); m.Tamper("a", 5_000, flipped) }, "a", 5_000},
		{"tile of level 0", func(m *storetest.Memory) { m.Tamper("a#tile/0", 7, flipped) }, "a", 7*256 + 255},
		{"tile of level 1", func(m *storetest.Memory) { m.Tamper("a#tile/1", 0, flipped) }, "a#tile/1", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := filled(t, nil, map[string]int{"a": 66_000, "b": 3})
			tt.damage(m)
			l, err := openLarge(t, m)
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.Check(t.Context())
			wantDamage(t, err, tt.list, tt.index)
			select {
			case <-l.Failed():
			default:
				t.Error("the log goes on")
			}
			wantDamage(t, l.Err(), tt.list, tt.index)
			_, err = l.Append(t.Context(), part("b", 3, 1))
			wantDamage(t, err, tt.list, tt.index)
			_, err = l.Read(t.Context(), "b", 0, 1)
			wantDamage(t, err, tt.list, tt.index)
			_, err = l.Checkpoint(t.Context(), "b")
			wantDamage(t, err, tt.list, tt.index)
		})
	}
}

func wantDamage(t *testing.T, err error, list string, index int64) {
	t.Helper()
	if damage, ok := errors.AsType[*store.DamageError](err); !ok || damage.List != list || damage.Index != index {
		t.Errorf("%v, want damage to entry %d of list %s", err, index, list)
	}
}

// The entries that no tile of level 1 covers are checked before a large store is
// served, and so are the tiles above them.
func TestTailOfALargeStoreIsCheckedAtStart(t *testing.T) {
	m := filled(t, nil, map[string]int{"a": 66_000})
	m.Tamper("a", 65_700, flipped)
	_, err := openLarge(t, m)
	wantDamage(t, err, "a", 65_700)

	m = filled(t, nil, map[string]int{"a": 66_000})
	m.Tamper("a#tile/1", 0, func(r []byte) []byte { return r[:len(r)-1] })
	_, err = openLarge(t, m)
	wantDamage(t, err, "a#tile/1", 0)

	guard := memoryGuard{}
	m = filled(t, guard, map[string]int{"a": 66_000})
	m.Tamper("a#tile/1", 0, flipped)
	c := config(t, m)
	c.FullCheck, c.Guard = 1, guard
	if _, err := audit.Open(t.Context(), c); !errors.Is(err, audit.ErrRolledBack) {
		t.Errorf("Open: %v, want ErrRolledBack", err)
	}
}

// hugeStore is a store whose list a has 1<<24 entries, of which only the tiles
// above them are there. It counts the tiles that are read.
type hugeStore struct {
	*storetest.Memory
	tiles map[string][][]byte
	read  int
}

func newHugeStore(t *testing.T) *hugeStore {
	s := &hugeStore{Memory: filled(t, nil, map[string]int{"b": 1}), tiles: map[string][][]byte{"a": nil, "a#tile/0": nil}}
	var top []byte // the tile of level 2
	for i := range 256 {
		var node audit.Tree
		var tile []byte
		for j := range 256 {
			h := audit.Leaf(fmt.Appendf(nil, "tile %d", 256*i+j)) // as good as any
			node.Add(h)
			tile = append(tile, h[:]...)
		}
		s.tiles["a#tile/1"] = append(s.tiles["a#tile/1"], tile)
		root := node.Root()
		top = append(top, root[:]...)
	}
	s.tiles["a#tile/2"] = [][]byte{top}
	return s
}

func (s *hugeStore) Lists(ctx context.Context, prefix string) ([]string, error) {
	names, err := s.Memory.Lists(ctx, prefix)
	return append(names, slices.Sorted(maps.Keys(s.tiles))...), err
}

func (s *hugeStore) Len(ctx context.Context, list string) (int64, error) {
	switch tiles, ours := s.tiles[list]; {
	case list == "a":
		return 1 << 24, nil
	case list == "a#tile/0":
		return 1 << 16, nil
	case ours:
		return int64(len(tiles)), nil
	}
	return s.Memory.Len(ctx, list)
}

func (s *hugeStore) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	if tiles, ours := s.tiles[list]; ours {
		s.read++
		return tiles[lo:hi], nil
	}
	return s.Memory.Read(ctx, list, lo, hi)
}

// Sixteen million entries open by 257 tiles, and these are compared with one
// another.
func TestHugeStoreOpensByItsTiles(t *testing.T) {
	s := newHugeStore(t)
	l, err := openLarge(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if n := l.Len("a"); n != 1<<24 || l.Unchecked() != n || s.read != 257 {
		t.Errorf("%d entries, %d unchecked, %d tiles read; want 1<<24, as many, 257", n, l.Unchecked(), s.read)
	}
	s.tiles["a#tile/1"][77] = flipped(s.tiles["a#tile/1"][77])
	_, err = openLarge(t, s)
	wantDamage(t, err, "a#tile/2", 0)
}

// Check reads what was durable when it began; appends go on beside it.
func TestCheckRunsBesideAppends(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 20_000)
	done := make(chan error)
	go func() {
		_, err := l.Check(t.Context())
		done <- err
	}()
	for checking := true; checking; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			checking = false
		default:
			grow(t, l, "a", 100)
		}
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Check: %v, want Canceled", err)
	}
	if l.Err() != nil {
		t.Errorf("the log has stopped: %v", l.Err())
	}
}

// Inspect tells of every list that is good, and what is wrong with the first that
// isn't.
func TestInspectNeedsNoKey(t *testing.T) {
	m := filled(t, nil, map[string]int{"a": 10_000, "b": 9_000, "c": 5})
	l := open(t, config(t, m.Reopen()))
	var want []audit.Head
	for _, list := range []string{"a", "b", "c"} {
		size, root := l.Root(list)
		want = append(want, audit.Head{List: list, Size: size, Root: root})
	}
	got, err := audit.Inspect(t.Context(), m)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Inspect: %v (-want +got):\n%s", err, diff)
	}
	m.Tamper("b", 8_000, flipped)
	m.Tamper("b", 5_000, flipped)
	got, err = audit.Inspect(t.Context(), m)
	if diff := cmp.Diff(want[:1], got); diff != "" {
		t.Errorf("of a damaged store (-want +got):\n%s", diff)
	}
	wantDamage(t, err, "b", 5_000)
}
