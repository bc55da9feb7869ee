package audit_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// Damage that the engine doesn't notice is found by the tiles: Open names the
// list and the index of the first bad entry.
func TestDamageIsNamed(t *testing.T) {
	flip := func(r []byte) []byte {
		r = bytes.Clone(r)
		r[len(r)-1] ^= 1
		return r
	}
	for _, tt := range []struct {
		name   string
		damage func(*storetest.Memory)
		list   string
		index  int64
	}{
		{"first entry", func(m *storetest.Memory) { m.Tamper("a", 0, flip) }, "a", 0},
		{"an entry", func(m *storetest.Memory) { m.Tamper("a", 300, flip) }, "a", 300},
		{"two entries", func(m *storetest.Memory) { m.Tamper("a", 511, flip); m.Tamper("a", 400, flip) }, "a", 400},
		{"entry is longer", func(m *storetest.Memory) {
			m.Tamper("a", 7, func(r []byte) []byte { return append(bytes.Clone(r), 0) })
		}, "a", 7},
		{"tile", func(m *storetest.Memory) { m.Tamper("a#tile/0", 1, flip) }, "a", 511},
		{"short tile", func(m *storetest.Memory) {
			m.Tamper("a#tile/0", 1, func(r []byte) []byte { return r[:100] })
		}, "a#tile/0", 1},
		{"tile of level 1", func(m *storetest.Memory) { m.Tamper("a#tile/1", 0, flip) }, "a#tile/1", 0},
		{"tile is missing", func(m *storetest.Memory) { m.Truncate("a#tile/0", 3) }, "a#tile/0", 3},
		{"tiles are missing", func(m *storetest.Memory) { m.Truncate("a#tile/1", 0) }, "a#tile/1", 0},
		{"entries are missing", func(m *storetest.Memory) { m.Truncate("a", 1000) }, "a", 1000},
		{"list is missing", func(m *storetest.Memory) { m.Truncate("a", 0) }, "a", 0},
		{"origin is missing", func(m *storetest.Memory) { m.Truncate("#origin", 0) }, "#origin", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := filled(t, nil, map[string]int{"a": 65_540, "b": 300})
			tt.damage(m)
			_, err := audit.Open(t.Context(), config(t, m))
			damage, ok := errors.AsType[*store.DamageError](err)
			if !ok || damage.List != tt.list || damage.Index != tt.index {
				t.Errorf("Open: %v, want damage to entry %d of list %s", err, tt.index, tt.list)
			}
		})
	}
}

// The last entries have no full tile yet; the guard's checkpoint covers them.
func TestDamageToTheTailIsFoundByTheGuard(t *testing.T) {
	guard := memoryGuard{}
	m := filled(t, guard, map[string]int{"a": 300})
	m.Tamper("a", 299, func([]byte) []byte { return []byte("x") })
	if err := openWith(t, m, guard); !errors.Is(err, audit.ErrRolledBack) {
		t.Errorf("Open: %v, want ErrRolledBack", err)
	}
}

// Verify finds what has happened to the store since it was opened.
func TestVerifyReadsEverythingAgain(t *testing.T) {
	for _, index := range []int64{0, 255, 600, 699} {
		m := &storetest.Memory{}
		l := open(t, config(t, m))
		grow(t, l, "a", 700)
		var done []int64
		if err := l.Verify(t.Context(), "a", func(n, total int64) { done = append(done, n, total) }); err != nil {
			t.Fatal(err)
		}
		if len(done) != 6 || done[0] != 256 || done[4] != 700 || done[5] != 700 {
			t.Errorf("progress was %v", done)
		}
		m.Tamper("a", index, func([]byte) []byte { return []byte("x") })
		damage, ok := errors.AsType[*store.DamageError](l.Verify(t.Context(), "a", nil))
		if !ok || damage.List != "a" || damage.Index > index || damage.Index/256 != index/256 {
			t.Errorf("Verify: %v, want damage to entry %d", damage, index)
		}
	}
}
