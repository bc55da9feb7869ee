package bolt_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// Opened for reading only, a store serves what is there, refuses every write and
// changes no byte, not even of what a crash left to be overwritten.
func TestReadOnlyChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	o := small
	o.ReadOnly = true
	if _, err := bolt.Open(path, o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open without a file: %v, want ErrNotExist", err)
	}
	db := open(t, path, small)
	ctx := t.Context()
	for i := range int64(20) {
		if err := db.Append(ctx, store.Part{List: "a", At: i, Records: records(1, 3000)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bolt.Open(path, o); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("Open beside a writer: %v, want ErrLocked", err)
	}
	db.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	db = open(t, path, o)
	open(t, path, o) // as often as one likes
	if got, err := db.Read(ctx, "a", 0, 20); err != nil || len(got) != 20 {
		t.Errorf("Read: %d records, %v; want 20", len(got), err)
	}
	for what, err := range map[string]error{
		"Append": db.Append(ctx, store.Part{List: "a", At: 20, Records: records(1, 1)}),
		"Put":    db.Put(ctx, "k", nil),
		"Delete": db.Delete(ctx, "k"),
	} {
		if err == nil || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: %v, want a refusal that leaves no doubt", what, err)
		}
	}
	if n, err := db.Len(ctx, "a"); n != 20 || err != nil {
		t.Errorf("Len = %d, %v after refused writes; want 20", n, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file has changed, %v", err)
	}
}
