package bolt_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/lodd-rct/lodd/audit/store"
)

var secret = bytes.Repeat([]byte("secret"), 20)

// keeping returns a store with five keys among records, and its path.
func keeping(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log.db")
	db := open(t, path, small)
	for i, key := range []string{"a", "b", "c", "d", "e"} {
		if err := db.Put(t.Context(), key, append([]byte{byte(i)}, secret...)); err != nil {
			t.Fatal(err)
		}
		if err := db.Append(t.Context(), store.Part{List: "l", At: int64(i), Records: records(1, 900)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// holds reports whether the file has the value of key number i anywhere.
func holds(t *testing.T, path string, i byte) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, append([]byte{i}, secret...))
}

// The file itself holds no trace of a key that was deleted or replaced: bbolt
// leaves old pages as they are, so they must be overwritten. That is also so if
// the process ended before it did that, once the file is opened again.
func TestForgottenKeyIsGoneFromTheFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		forget func(*testing.T, string)
	}{
		{"deleted", func(t *testing.T, path string) {
			if err := open(t, path, small).Delete(t.Context(), "c"); err != nil {
				t.Fatal(err)
			}
		}},
		{"replaced", func(t *testing.T, path string) {
			if err := open(t, path, small).Put(t.Context(), "c", []byte{0}); err != nil {
				t.Fatal(err)
			}
		}},
		{"deleted, then a crash", func(t *testing.T, path string) {
			forgetRaw(t, path)
			if !holds(t, path, 2) {
				t.Fatal("the crash left nothing behind: the test is of no use")
			}
			open(t, path, small)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := keeping(t)
			if !holds(t, path, 2) {
				t.Fatal("the key was never in the file")
			}
			tt.forget(t, path)
			if holds(t, path, 2) {
				t.Error("the file holds the value")
			}
			if !holds(t, path, 3) {
				t.Error("another value is gone")
			}
		})
	}
}

// forgetRaw deletes key c with bbolt alone, as far as [bolt.DB.Delete] gets
// before a crash.
func forgetRaw(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("keys"))
		if err := b.SetSequence(b.Sequence() - 1); err != nil {
			return err
		}
		return b.Delete([]byte("c"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// What was there besides is there still, and the file opens.
func TestScrubbedFileIsWhole(t *testing.T) {
	path := keeping(t)
	db := open(t, path, small)
	if err := db.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := db.Put(t.Context(), "b", []byte{0}); err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t, path, small)
	if v, err := db.Get(t.Context(), "d"); err != nil || !bytes.Equal(v[1:], secret) {
		t.Errorf("another key: %v", err)
	}
	if _, err := db.Read(t.Context(), "l", 0, 5); err != nil {
		t.Error(err)
	}
}
