package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
)

// Of a log whose lists have a page each, every byte that is another one is harmless, or
// the log is refused. Where it is one of an entry, that entry is named.
func TestEveryFlippedByteOfASmallLogIsFoundAndLocated(t *testing.T) {
	dir := t.TempDir()
	want := map[string]int64{"a": 5, "t/b": 4}
	content := smallLog(t, dir, want)
	entryAt := placesOfEntries(t, content, want)
	file, err := os.OpenFile(filepath.Join(dir, "log.db"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	flips, refused, step := 0, 0, 1
	if testing.Short() {
		step = 17
	}
	for at, b := range content {
		if !inUse(content, at) || at%step > 0 {
			continue
		}
		if _, err := file.WriteAt([]byte{b ^ 1<<(at%8)}, int64(at)); err != nil {
			t.Fatal(err)
		}
		err := serves(t, dir, want)
		if _, err := file.WriteAt([]byte{b}, int64(at)); err != nil {
			t.Fatal(err)
		}
		flips++
		if err != nil {
			refused++
		}
		damage, damaged := errors.AsType[*store.DamageError](err)
		where, isEntry := entryAt[at]
		switch {
		case isEntry && (!damaged || damage.List != where.List || damage.Index != where.Index):
			t.Errorf("byte %d is one of entry %d of list %s: %v", at, where.Index, where.List, err)
		case err != nil && !damaged && !errors.Is(err, audit.ErrRolledBack):
			t.Errorf("byte %d: %v, want damage or ErrRolledBack", at, err)
		case damaged && damage.Index < 0 != (damage.List == ""):
			t.Errorf("byte %d: %v, want a list and an index, or none", at, err)
		}
	}
	t.Logf("%d bytes, %d of them in use, %d of those in entries; %d flips refused", len(content), flips, len(entryAt), refused)
	if flips*step < 3000 || len(entryAt) < 2000 {
		t.Error("the test has lost its power")
	}
}

// smallLog writes a log with lists of these lengths and returns its file.
func smallLog(t *testing.T, dir string, lengths map[string]int64) []byte {
	t.Helper()
	l, db, err := openLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var parts []audit.Part
	for list, n := range lengths {
		parts = append(parts, partOf(list, 0, int(n)))
	}
	_, err = l.Append(t.Context(), parts...)
	if err == nil {
		err = errors.Join(l.SaveGuard(t.Context()), l.Close())
	}
	var b bytes.Buffer
	if err = errors.Join(err, db.Snapshot(t.Context(), &b), db.Close()); err == nil {
		err = os.WriteFile(filepath.Join(dir, "log.db"), b.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// placesOfEntries returns which entry each byte of a file is of, if it is of one, or of its
// checksum.
func placesOfEntries(t *testing.T, content []byte, lengths map[string]int64) map[int]store.DamageError {
	t.Helper()
	places := map[int]store.DamageError{}
	for list, n := range lengths {
		for i := range n {
			e := entryOf(list, i)
			if len(e) == 0 {
				continue // it is anywhere
			}
			begin := bytes.Index(content, e)
			if begin < 0 || bytes.Count(content, e) != 1 {
				t.Fatalf("entry %d of list %s is not in the file once", i, list)
			}
			for at := range len(e) + 4 {
				places[begin+at] = store.DamageError{List: list, Index: i}
			}
		}
	}
	return places
}

// inUse reports whether a byte is not of the zeros with which a page ends.
func inUse(content []byte, at int) bool {
	return len(bytes.TrimLeft(content[max(0, at-16):min(at+16, len(content))], "\x00")) > 0
}

// serves opens a log for reading, and returns an error unless it serves what was
// written.
func serves(t *testing.T, dir string, want map[string]int64) error {
	t.Helper()
	readOnly := small
	readOnly.ReadOnly = true
	l, db, err := openLogWith(t.Context(), dir, readOnly)
	if db != nil {
		defer db.Close()
	}
	if err != nil {
		return err
	}
	defer l.Close()
	for list, n := range want {
		err = errors.Join(err, wantEntries(t.Context(), l, list, n))
	}
	return err
}
