package audit_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

func replica(t testing.TB, s store.Store, guard audit.Guard) *audit.Replica {
	t.Helper()
	c := config(t, s)
	c.Signer, c.Guard = nil, guard
	r, err := audit.OpenReplica(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// head returns the signed head of the first size entries.
func headAt(t testing.TB, l *audit.Log, list string, size int64) []byte {
	t.Helper()
	signed, err := l.CheckpointAt(t.Context(), list, size)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// copyList extends the replica by the entries up to size.
func copyList(t testing.TB, r *audit.Replica, l *audit.Log, list string, size int64) {
	t.Helper()
	at := r.Len(list)
	entries, err := l.Read(t.Context(), list, at, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Extend(t.Context(), audit.Part{List: list, At: at, Entries: entries}, headAt(t, l, list, size)); err != nil {
		t.Fatal(err)
	}
}

// A replica that took a log in pieces of any size is the log, also when it is
// opened again.
func TestReplicaIsTheLog(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 1500)
	grow(t, l, "b", 3)
	rapid.Check(t, func(rt *rapid.T) {
		s, dir := &storetest.Memory{}, t.TempDir()
		r := replica(t, s, audit.FileGuard{Dir: dir})
		for _, list := range l.Lists("") {
			for r.Len(list) < l.Len(list) {
				n := rapid.Int64Range(0, min(600, l.Len(list)-r.Len(list))).Draw(rt, "entries")
				copyList(t, r, l, list, r.Len(list)+n)
				if rapid.IntRange(0, 5).Draw(rt, "open again") == 0 {
					r = replica(t, s, audit.FileGuard{Dir: dir})
				}
			}
			size, root := r.Root(list)
			if wantSize, want := l.Root(list); size != wantSize || root != want {
				rt.Fatalf("%s: size %d, root %v; want %d, %v", list, size, root, wantSize, want)
			}
		}
		open(t, config(t, s)) // tiles and all
	})
}

// What doesn't continue the replica, or isn't signed, is refused and changes
// nothing; what shows another past is evidence.
func TestReplicaRefusals(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 10)
	grow(t, l, "b", 10)
	other := open(t, config(t, &storetest.Memory{})) // the same key, another past
	if _, err := other.Append(t.Context(), audit.Part{List: "a", Entries: [][]byte{[]byte("lie")}}); err != nil {
		t.Fatal(err)
	}
	grow(t, other, "a", 11)
	strange := config(t, &storetest.Memory{})
	strange.Signer, strange.Verifier = key(t, "somebody.else")
	stranger := open(t, strange)
	grow(t, stranger, "a", 10)

	dir := t.TempDir()
	r := replica(t, &storetest.Memory{}, audit.FileGuard{Dir: dir})
	copyList(t, r, l, "a", 5)
	rest := entries("a", 5, 5)
	changed := slices.Clone(rest)
	changed[2] = []byte("changed")
	for _, tt := range []struct {
		name string
		part audit.Part
		head []byte
		fork bool
	}{
		{"gap", audit.Part{List: "a", At: 6, Entries: rest[1:]}, headAt(t, l, "a", 10), false},
		{"again", audit.Part{List: "a", At: 0, Entries: entries("a", 0, 10)}, headAt(t, l, "a", 10), false},
		{"entries missing", audit.Part{List: "a", At: 5, Entries: rest[:4]}, headAt(t, l, "a", 10), false},
		{"entries beyond the head", audit.Part{List: "a", At: 5, Entries: rest}, headAt(t, l, "a", 9), false},
		{"changed entry", audit.Part{List: "a", At: 5, Entries: changed}, headAt(t, l, "a", 10), true},
		{"entries in another order", audit.Part{List: "a", At: 5, Entries: [][]byte{rest[1], rest[0], rest[2], rest[3], rest[4]}}, headAt(t, l, "a", 10), true},
		{"head of another list", audit.Part{List: "a", At: 5, Entries: rest}, headAt(t, l, "b", 10), false},
		{"head of somebody else", audit.Part{List: "a", At: 5, Entries: rest}, headAt(t, stranger, "a", 10), false},
		{"no head", audit.Part{List: "a", At: 5, Entries: rest}, nil, false},
		{"shorter", audit.Part{List: "a", At: 5}, headAt(t, l, "a", 4), true},
		{"another past of the same length", audit.Part{List: "a", At: 5}, headAt(t, other, "a", 5), true},
		{"another past, longer", audit.Part{List: "a", At: 5, Entries: entries("a", 4, 7)}, headAt(t, other, "a", 12), true},
		{"gone", audit.Part{List: "a", At: 5}, headAt(t, stranger, "a", 0), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := r.Extend(t.Context(), tt.part, tt.head)
			fork, forked := errors.AsType[*audit.ForkError](err)
			if err == nil || forked != tt.fork {
				t.Errorf("Extend = %v, a fork: %v; want %v", err, forked, tt.fork)
			}
			if forked && (string(fork.Given) != string(tt.head) || string(fork.Remembered) != string(headAt(t, l, "a", 5)) || fork.Size != 5) {
				t.Errorf("evidence: %+v", fork)
			}
			if r.Len("a") != 5 {
				t.Fatalf("the replica has %d entries", r.Len("a"))
			}
		})
	}
	copyList(t, r, l, "a", 10) // the right ones are taken after all that
}

// A copy that is older than what its guard remembers is refused, and so is that
// of another log.
func TestReplicaNoticesItsOwnRollback(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 10)
	older, dir := &storetest.Memory{}, t.TempDir()
	copyList(t, replica(t, older, nil), l, "a", 4)
	copyList(t, replica(t, &storetest.Memory{}, audit.FileGuard{Dir: dir}), l, "a", 8)
	c := config(t, older)
	c.Guard = audit.FileGuard{Dir: dir}
	if _, err := audit.OpenReplica(t.Context(), c); !errors.Is(err, audit.ErrRolledBack) {
		t.Errorf("an older copy: %v", err)
	}
	c.Guard, c.Origin = nil, "another.example.org"
	if _, err := audit.OpenReplica(t.Context(), c); err == nil {
		t.Error("the copy of another log is opened")
	}
}

// CheckHead tells how much a copy lacks, and another past from the same one.
func TestReplicaCheckHead(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 10)
	other := open(t, config(t, &storetest.Memory{}))
	if _, err := other.Append(t.Context(), audit.Part{List: "a", Entries: [][]byte{[]byte("lie")}}); err != nil {
		t.Fatal(err)
	}
	r := replica(t, &storetest.Memory{}, nil)
	copyList(t, r, l, "a", 6)
	for size, want := range map[int64]int64{1: 0, 6: 0, 10: 4} {
		if lacks, err := r.CheckHead(t.Context(), "a", headAt(t, l, "a", size)); lacks != want || err != nil {
			t.Errorf("CheckHead of %d = %d, %v; want %d", size, lacks, err, want)
		}
	}
	_, err := r.CheckHead(t.Context(), "a", headAt(t, other, "a", 1))
	if _, ok := errors.AsType[*audit.ForkError](err); !ok {
		t.Errorf("CheckHead of another past = %v", err)
	}
}

// The disk of a follower may fail: what it then doesn't know, it doesn't say.
func TestReplicaStopsAfterAnUnknownWrite(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 2)
	db, err := bolt.Open(filepath.Join(t.TempDir(), "lodd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := replica(t, db, nil)
	copyList(t, r, l, "a", 1)
	db.Close()
	for range 2 {
		err := r.Extend(t.Context(), audit.Part{List: "a", At: 1, Entries: entries("a", 1, 1)}, headAt(t, l, "a", 2))
		if !errors.Is(err, store.ErrUnknown) {
			t.Errorf("Extend on a closed store = %v", err)
		}
	}
}

// Whoever reads sizes first and changes then learns of each key that was put
// before the entries; what is too long ago is said to be.
func TestValuesRemembersChanges(t *testing.T) {
	v := audit.NewValues(&storetest.Memory{})
	_, now, known := v.Since(-1)
	if known {
		t.Error("it knows everything since ever")
	}
	changed := v.Changed()
	if err := v.Put(t.Context(), "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	<-changed
	if err := v.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	keys, later, known := v.Since(now)
	if !known || !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("changes: %v, %v", keys, known)
	}
	for i := range 10_000 {
		if err := v.Put(t.Context(), fmt.Sprint("k", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, known := v.Since(later); known {
		t.Error("ten thousand changes are remembered")
	}
	keys, latest, known := v.Since(later + 9_000)
	if !known || len(keys) != 1000 || keys[999] != "k9999" || latest != later+10_000 {
		t.Errorf("%d changes up to %d, %v", len(keys), latest, known)
	}
	if got, err := v.Get(t.Context(), "a"); err != nil || string(got) != "1" {
		t.Errorf("Get = %q, %v", got, err)
	}
}

// Signed heads of any size are those of the log; there is none beyond its end.
func TestCheckpointAt(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 700)
	r := replica(t, &storetest.Memory{}, nil)
	for _, size := range []int64{0, 1, 255, 256, 257, 512, 699, 700} {
		c, err := r.CheckSignature("a", headAt(t, l, "a", size))
		if err != nil || c.Size != size {
			t.Fatalf("head of %d: %+v, %v", size, c, err)
		}
		want, err := l.RootAt(t.Context(), "a", size)
		if err != nil || c.Root != want {
			t.Errorf("root of %d: %v, want %v, %v", size, c.Root, want, err)
		}
	}
	if _, err := l.CheckpointAt(t.Context(), "a", 701); err == nil {
		t.Error("a head beyond the end is signed")
	}
	if sizes := l.Sizes(); len(sizes) != 1 || sizes["a"] != 700 {
		t.Errorf("sizes %v", sizes)
	}
}
