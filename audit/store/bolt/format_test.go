package bolt_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

var update = flag.Bool("update", false, "write the golden files")

// released is a store as it is written today, with a tile, several lists and
// two keys.
func released(t *testing.T, dir string) {
	t.Helper()
	l, db, err := openLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer l.Close()
	for _, n := range []int{250, 8} {
		if _, err := l.Append(t.Context(), partOf("a", l.Len("a"), n), partOf("t/b", l.Len("t/b"), 2)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"k/1", "k/2"} {
		if err := db.Put(t.Context(), key, []byte("value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
}

// A file of today is read by every later version, and what is written has the same
// names, keys and values for ever, down to the checksums: an older version reads it as
// well.
func TestFormatStays(t *testing.T) {
	const golden = "testdata/lodd.db.gz"
	now := t.TempDir()
	released(t, now)
	if *update {
		pack(t, golden, filepath.Join(now, "log.db"))
	}
	then := t.TempDir()
	unpack(t, filepath.Join(then, "log.db"), golden)
	want := dump(t, filepath.Join(then, "log.db"))
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(dump(t, filepath.Join(now, "log.db")), "\n")); diff != "" {
		t.Errorf("what is written (-golden +now):\n%s", diff)
	}
	for _, line := range []string{
		`about "format" = "lodd store 1"`,
		`list:#origin "\x00\x00\x00\x00\x00\x00\x00\x00" = "lodd log v1\nlodd.example.org\n\xc8Y\xb2M"`,
		"list:a#tile/0: 1", "list:a: 258", "list:t/b: 4", "keys: 2", "about: 4",
	} {
		if !strings.Contains(want, line+"\n") {
			t.Errorf("the golden store has no line %s", line)
		}
	}
	wantReleased(t, then)
}

// wantReleased opens a store and checks that it serves what released has written.
func wantReleased(t *testing.T, dir string) {
	t.Helper()
	l, db, err := openLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer l.Close()
	for list, want := range map[string]string{
		"a":   "258 KR4fRa616KkgKO4AgTNzD7bU478jvTX9K5v6H7KQDQA=",
		"t/b": "4 IRPYtxFov9QTwOcemijT4gh6NDGkMlqO05jxZFFJIJk=",
	} {
		n, root := l.Root(list)
		if got := fmt.Sprint(n, " ", root); got != want {
			t.Errorf("list %s is %s, want %s", list, got, want)
		}
		if err := wantEntries(t.Context(), l, list, n); err != nil {
			t.Error(err)
		}
	}
	if v, err := db.Get(t.Context(), "k/2"); string(v) != "value of k/2" {
		t.Errorf("Get = %q, %v", v, err)
	}
	if _, err := l.Append(t.Context(), partOf("a", 258, 1)); err != nil {
		t.Errorf("an old store takes nothing more: %v", err)
	}
}

// dump returns all that a file holds, as bbolt sees it.
func dump(t *testing.T, path string) string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var out strings.Builder
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			fmt.Fprintf(&out, "%s: %d\n", name, b.Sequence())
			return b.ForEach(func(k, v []byte) error {
				fmt.Fprintf(&out, "%s %q = %q\n", name, k, v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func pack(t *testing.T, to, from string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = z.Write(content); err == nil {
		err = z.Close()
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, to, from string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
