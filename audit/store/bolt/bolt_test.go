package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// long is set for the campaigns that docs/testing.md names.
var long = os.Getenv("LODD_LONG") != ""

// small keeps test files small.
var small = bolt.Options{InitialMmapSize: 1, Timeout: 100 * time.Millisecond}

func open(t testing.TB, path string, o bolt.Options) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func records(n, size int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = bytes.Repeat([]byte{byte(i)}, size)
	}
	return out
}

func TestBoltKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Open {
		path := filepath.Join(t.TempDir(), "log.db")
		return func(t testing.TB) store.Store { return open(t, path, bolt.Options{}) }
	})
}

// Whatever is done with it, a store in a file answers as one in memory does.
func TestBoltIsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "log.db") // each call gives another folder
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }
		err := storetest.Model(t, func(t testing.TB) store.Store {
			db, err := bolt.Open(path, small)
			if err != nil {
				rt.Fatal(err)
			}
			db.NoSync() // there is no crash here
			return db
		}, 30, draw)
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	db := open(t, path, small)
	if _, err := bolt.Open(path, small); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("Open while open: %v, want ErrLocked", err)
	}
	db.Close()
	open(t, path, small)
}

func TestMustExistCreatesNothing(t *testing.T) {
	dir := t.TempDir()
	o := small
	o.MustExist = true
	if _, err := bolt.Open(filepath.Join(dir, "log.db"), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open: %v, want ErrNotExist", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("Open created %v", files)
	}
}

// A crash while a store is created leaves a file under another name, which
// doesn't keep the next start from creating it.
func TestCreationStartsAgainAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	if err := os.WriteFile(path+".tmp", []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path, small)
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary file is still there: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file is %v, %v", info.Mode(), err)
	}
}

func TestForeignFileIsRefused(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("not a store"), "zeros": make([]byte, 1<<16),
		"noise": bytes.Repeat([]byte{0xED, 0xDA, 0x0C, 0x11}, 1<<14),
	} {
		path := filepath.Join(t.TempDir(), "log.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := bolt.Open(path, small)
		if _, damaged := errors.AsType[*store.DamageError](err); !damaged {
			t.Errorf("%s: %v, want damage", name, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, content) {
			t.Errorf("%s: Open changed the file", name)
		}
	}
}

// A snapshot is a store, though appends go on while it is written.
func TestSnapshotOpens(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "log.db"), bolt.Options{InitialMmapSize: 1 << 24})
	want := records(200, 300)
	if err := db.Append(t.Context(), store.Part{List: "a", Records: want}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "copy.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &interrupted{File: f, between: func() {
		if err := db.Append(t.Context(), store.Part{List: "a", At: 200, Records: want}); err != nil {
			t.Error(err)
		}
	}}
	if err := db.Snapshot(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	f.Close()
	copied := open(t, f.Name(), small)
	got, err := copied.Read(t.Context(), "a", 0, 200)
	if n, _ := copied.Len(t.Context(), "a"); err != nil || n != 200 || !bytes.Equal(got[199], want[199]) {
		t.Errorf("snapshot has %d records, %v; want 200", n, err)
	}
	if n, _ := db.Len(t.Context(), "a"); n != 400 {
		t.Errorf("store has %d records, want 400", n)
	}
}

// interrupted calls between once, after the first write.
type interrupted struct {
	*os.File
	between func()
}

func (w *interrupted) Write(b []byte) (int, error) {
	n, err := w.File.Write(b)
	if w.between != nil {
		w.between()
		w.between = nil
	}
	return n, err
}
