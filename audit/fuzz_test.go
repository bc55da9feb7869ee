package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
)

// Whatever lies in the folder of a guard, loading it is no more than an error;
// and what a guard saved under a list's name, it loads under that name.
func FuzzFileGuard(f *testing.F) {
	f.Add("T/conduct", "t%2fconduct.checkpoint")
	f.Add("A-b_c.0", "%.checkpoint")
	f.Add("system", "%zz.checkpoint")
	f.Add("x", "system.checkpoint.tmp")
	f.Fuzz(func(t *testing.T, list, file string) {
		g := audit.FileGuard{Dir: t.TempDir()}
		saved := list != "" && len(list) <= 60 && g.Save(list, []byte("checkpoint of "+list)) == nil
		if strings.ContainsAny(file, "/\x00") || len(file) > 200 {
			return
		}
		path := filepath.Join(g.Dir, file)
		if _, err := os.Lstat(path); err != nil {
			_ = os.WriteFile(path, []byte("foreign"), 0o600) // some names can't be files
		}
		loaded, err := g.Load()
		if err != nil {
			return
		}
		if got := string(loaded[list]); saved && got != "checkpoint of "+list && got != "foreign" {
			t.Errorf("list %q: loaded %q", list, got)
		}
	})
}

// Whatever a list is called that somebody adds to the store of a log, opening it is no
// more than an error; and it is one if the list has the name of tiles.
func FuzzListNames(f *testing.F) {
	for _, name := range []string{"b", "#", "a#tile/0", "a#tile/1", "a#tile/00", "a#tile/-1", "a#tile/1152921504606846975", "#tile/0", "b#tile/9223372036854775808"} {
		f.Add(name)
	}
	s := filled(f, nil, map[string]int{"a": 300})
	f.Fuzz(func(t *testing.T, name string) {
		with := s.Reopen()
		n, err := with.Len(t.Context(), name)
		if err == nil {
			err = with.Append(t.Context(), store.Part{List: name, At: n, Records: [][]byte{make([]byte, 8192)}})
		}
		if err != nil {
			return // no store has a list of this name
		}
		l, err := audit.Open(t.Context(), config(t, with))
		if err == nil {
			l.Close()
		}
		if strings.Contains(name, "#tile/") && err == nil {
			t.Errorf("list %q was taken for tiles", name)
		}
	})
}

// A proof is arbitrary hashes: it never makes a checkpoint accept an entry that
// isn't at that index, and never panics.
func FuzzCheckRecord(f *testing.F) {
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, hashes[i])
		}
		return out, nil
	})
	var tree audit.Tree
	const size = 11
	for i, e := range entries("a", 0, size) {
		more, err := tlog.StoredHashes(int64(i), e, reader)
		if err != nil {
			f.Fatal(err)
		}
		hashes = append(hashes, more...)
		tree.Add(audit.Leaf(e))
	}
	c := audit.Checkpoint{Origin: "o/a", Size: size, Root: tree.Root()}
	right, err := tlog.ProveRecord(size, 5, reader)
	if err != nil {
		f.Fatal(err)
	}
	var flat []byte
	for _, h := range right {
		flat = append(flat, h[:]...)
	}
	f.Add(int64(5), int64(5), flat)
	f.Add(int64(5), int64(4), flat)
	f.Add(int64(-1), int64(0), []byte{})
	f.Add(int64(size), int64(0), flat[:32])
	f.Fuzz(func(t *testing.T, index, entry int64, flat []byte) {
		var proof tlog.RecordProof
		for ; len(flat) >= tlog.HashSize; flat = flat[tlog.HashSize:] {
			proof = append(proof, tlog.Hash(flat[:tlog.HashSize]))
		}
		if entry < 0 || entry >= size {
			return
		}
		leaf := audit.Leaf(entries("a", entry, 1)[0])
		if err := c.CheckRecord(index, leaf, proof); err == nil && index != entry {
			t.Errorf("entry %d was proven to be at %d", entry, index)
		}
		older := audit.Checkpoint{Origin: c.Origin, Size: index, Root: leaf}
		if err := c.CheckTree(older, tlog.TreeProof(proof)); err == nil && index > 1 {
			t.Errorf("a leaf was proven to be the root of size %d", index)
		}
	})
}
