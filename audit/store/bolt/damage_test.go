package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// victim writes a small store with two lists, one of them in several pages,
// and a map, with free pages between.
func victim(t testing.TB) (path string, content []byte) {
	path = filepath.Join(t.TempDir(), "log.db")
	db := open(t, path, small)
	for _, parts := range [][]store.Part{
		{{List: "big", Records: records(6, 900)}, {List: "small", Records: records(3, 10)}},
		{{List: "big", At: 6, Records: records(3, 900)}},
	} {
		if err := db.Append(t.Context(), parts...); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Put(t.Context(), "k", []byte("value")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer // a snapshot has no empty tail
	if err := db.Snapshot(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, b.Bytes()
}

// served returns all that the store at path serves.
func served(t testing.TB, path string) (map[string]string, error) {
	db, err := bolt.Open(path, small)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ctx := t.Context()
	all := map[string]string{}
	names, err := db.Lists(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n, err := db.Len(ctx, name)
		if err != nil {
			return nil, err
		}
		for i := range n { // one by one: each finds its own way through the pages
			record, err := db.Read(ctx, name, i, i+1)
			if err != nil {
				return nil, errors.New("opened, but: " + err.Error())
			}
			all[name] += fmt.Sprintf("%x ", record)
		}
	}
	v, err := db.Get(ctx, "k")
	all["key k"] = string(v)
	return all, err
}

// Some damage changes nothing that is served now, but makes bbolt take a page in use
// for a free one, and write over it later: to the number of pages that belong
// together, and to the list of free pages.
func TestDamageThatWouldHurtLaterIsRefused(t *testing.T) {
	path, content := victim(t)
	want, err := served(t, path)
	if err != nil {
		t.Fatal(err)
	}
	const overflow, freelist = 12, 0x10
	var places []int
	for page := 2 * os.Getpagesize(); page < len(content); page += os.Getpagesize() {
		places = append(places, page+overflow)
		if content[page+8] == freelist {
			for i := range int(content[page+10]) {
				places = append(places, page+16+8*i)
			}
		}
	}
	refused := 0
	for _, at := range places {
		for bit := range 4 {
			bad := bytes.Clone(content)
			bad[at] ^= 1 << bit
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := bolt.Open(path, small)
			if err != nil {
				refused++
				continue
			}
			for i := range 4 {
				if err := db.Append(t.Context(), store.Part{List: "new", At: int64(i), Records: records(1, 3000)}); err != nil {
					t.Fatalf("byte %d, bit %d: %v", at, bit, err)
				}
			}
			db.Close()
			got, err := served(t, path)
			delete(got, "new")
			if err != nil || !cmp.Equal(got, want) {
				t.Fatalf("byte %d, bit %d: after appends: %v\n%s", at, bit, err, cmp.Diff(want, got))
			}
		}
	}
	if refused < 10 {
		t.Errorf("%d of %d refused: the test has lost its power", refused, 4*len(places))
	}
	t.Logf("%d of %d refused", refused, 4*len(places))
}

func TestFirstBadRecordIsNamed(t *testing.T) {
	path, content := victim(t)
	at := strings.Index(string(content), strings.Repeat("\x04", 900)) + 450
	content[at] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bolt.Open(path, small)
	damage, _ := errors.AsType[*store.DamageError](err)
	want := store.DamageError{List: "big", Index: 4, Reason: "record isn't what was written"}
	if damage == nil || *damage != want {
		t.Errorf("Open: %v, want %v", err, &want)
	}
}

// A file that was cut is refused, unless only what lies behind the pages in
// use is gone.
func TestCutFileIsRefused(t *testing.T) {
	path, content := victim(t)
	want, err := served(t, path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for n := len(content) - 1; n >= 0; n -= 509 {
		if err := os.WriteFile(path, content[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := served(t, path)
		_, damaged := errors.AsType[*store.DamageError](err)
		switch {
		case err == nil && !cmp.Equal(got, want):
			t.Fatalf("cut to %d bytes: served unnoticed:\n%s", n, cmp.Diff(want, got))
		case err != nil && !damaged:
			t.Fatalf("cut to %d bytes: %v, want damage", n, err)
		case err != nil:
			refused++
		}
	}
	if refused < 40 {
		t.Errorf("%d cuts refused: the test has lost its power", refused)
	}
}

// An older state of the file behind a damaged meta page is never served by
// itself: only an operator may accept that the last commit is gone.
func TestDamagedMetaPageNeedsAnOperator(t *testing.T) {
	path, content := victim(t)
	for page := range 2 {
		bad := append([]byte{}, content...)
		bad[page*os.Getpagesize()+70] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bolt.Open(path, small); err == nil || !strings.Contains(err.Error(), "last commit may be lost") {
			t.Errorf("page %d: %v, want a refusal that says why", page, err)
		}
		o := small
		o.AcceptOlder = true
		db := open(t, path, o)
		if n, err := db.Len(t.Context(), "big"); err != nil || n != 9 {
			t.Errorf("page %d: %d records, %v", page, n, err)
		}
		db.Close()
	}
}

func FuzzOpen(f *testing.F) {
	_, content := victim(f)
	f.Add(int64(5000), []byte{0xFF, 0x00, 0x10})
	f.Fuzz(func(t *testing.T, at int64, patch []byte) {
		if at < 0 || at+int64(len(patch)) > int64(len(content)) {
			return
		}
		path := filepath.Join(t.TempDir(), "log.db")
		bad := append([]byte{}, content...)
		copy(bad[at:], patch)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, small) // must not panic
		if err == nil {
			db.Close()
		}
	})
}
