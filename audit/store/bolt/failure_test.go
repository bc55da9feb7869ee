package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// fill appends until the store is full and returns how many records it took.
func fill(t *testing.T, db *bolt.DB) int64 {
	t.Helper()
	n := int64(0)
	for ; n < 10_000; n += 4 {
		err := db.Append(t.Context(), store.Part{List: "a", At: n, Records: records(4, 30_000)})
		if errors.Is(err, store.ErrFull) {
			return n
		}
		if err != nil {
			t.Fatalf("Append at %d: %v, want ErrFull", n, err)
		}
	}
	t.Fatal("the store never became full")
	return 0
}

// wantFullButServing checks that a full store has lost nothing and goes on.
func wantFullButServing(t *testing.T, db *bolt.DB, n int64) {
	t.Helper()
	for range 3 {
		if err := db.Append(t.Context(), store.Part{List: "a", At: n, Records: records(4, 60_000)}); !errors.Is(err, store.ErrFull) {
			t.Errorf("Append to a full store: %v, want ErrFull", err)
		}
	}
	if got, err := db.Len(t.Context(), "a"); got != n || err != nil {
		t.Errorf("Len = %d, %v; want %d", got, err, n)
	}
	got, err := db.Read(t.Context(), "a", 0, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if !bytes.Equal(r, records(4, 30_000)[i%4]) {
			t.Fatalf("record %d has changed", i)
		}
	}
}

func TestLargestSizeIsFullAndServes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	o := small
	o.MaxSize = 4 << 20
	db := open(t, path, o)
	n := fill(t, db)
	wantFullButServing(t, db, n)
	if info, err := os.Stat(path); err != nil || info.Size() > o.MaxSize {
		t.Errorf("file has %d bytes, %v; at most %d are allowed", info.Size(), err, o.MaxSize)
	}
	db.Close()
	db = open(t, path, small) // with room again
	if err := db.Append(t.Context(), store.Part{List: "a", At: n, Records: records(4, 30_000)}); err != nil {
		t.Error(err)
	}
}

// A disk that is really full: the file system gives ENOSPC in the middle of a
// commit.
func TestFullDiskIsFullAndServes(t *testing.T) {
	dir := storetest.SmallDisk(t, "4m")
	path := filepath.Join(dir, "log.db")
	db := open(t, path, bolt.Options{})
	n := fill(t, db)
	wantFullButServing(t, db, n)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, bolt.Options{})
	wantFullButServing(t, db, n)
}

// After a write whose outcome isn't known nothing is served any more; opened
// again, the store has all that was acknowledged.
func TestFailedWritePoisonsTheStore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(*testing.T, *bolt.DB, string) (mend func())
	}{
		{"write error", func(t *testing.T, db *bolt.DB, _ string) func() {
			if err := db.CloseFile(); err != nil {
				t.Fatal(err)
			}
			return func() {}
		}},
		{"panic", func(t *testing.T, _ *bolt.DB, path string) func() {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, make([]byte, len(content)-2*os.Getpagesize()))
			return func() { overwrite(t, path, content[2*os.Getpagesize():]) }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			db := open(t, path, small)
			if err := db.Append(t.Context(), store.Part{List: "a", Records: records(5, 100)}); err != nil {
				t.Fatal(err)
			}
			mend := tt.damage(t, db, path)
			ctx := t.Context()
			first := db.Append(ctx, store.Part{List: "a", At: 5, Records: records(1, 100)})
			mend()
			_, lenErr := db.Len(ctx, "a")
			_, readErr := db.Read(ctx, "a", 0, 1)
			_, listsErr := db.Lists(ctx, "")
			for what, err := range map[string]error{
				"failing Append": first, "Append": db.Append(ctx, store.Part{List: "b"}),
				"Len": lenErr, "Read": readErr, "Lists": listsErr,
				"Put": db.Put(ctx, "k", nil), "Delete": db.Delete(ctx, "k"),
				"Snapshot": db.Snapshot(ctx, &bytes.Buffer{}),
			} {
				if !errors.Is(err, store.ErrUnknown) {
					t.Errorf("%s: %v, want ErrUnknown", what, err)
				}
			}
			db.Close()
			db = open(t, path, small)
			if n, err := db.Len(ctx, "a"); n != 5 || err != nil {
				t.Errorf("after reopening: Len = %d, %v; want 5", n, err)
			}
		})
	}
}

// overwrite writes b behind the meta pages.
func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
}

// A disk that rots while the store is open is an error of the read, not a
// panic, and no wrong record.
func TestRotWhileOpenIsAnErrorOfTheRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	db := open(t, path, small)
	if err := db.Append(t.Context(), store.Part{List: "a", Records: records(50, 1000)}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, records(50, 1000)[7]) + 10
	content[at] ^= 1
	overwrite(t, path, content[2*os.Getpagesize():])
	_, err = db.Read(t.Context(), "a", 0, 50)
	if damage, ok := errors.AsType[*store.DamageError](err); !ok || damage.Index != 7 {
		t.Errorf("Read: %v, want damage to record 7", err)
	}
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Read(t.Context(), "a", 0, 50); err == nil {
		t.Error("Read of a file that was cut succeeded")
	}
}
