package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store"
)

// Whatever byte of the file is another one, either everything is served as it
// was written, or the file is refused. Damage to a list is named.
func TestEveryFlippedByteIsHarmlessOrRefused(t *testing.T) {
	_, content := victim(t)
	pages := len(content) / os.Getpagesize()
	for part := range 2 {
		t.Run(fmt.Sprintf("part %d", part), func(t *testing.T) {
			t.Parallel()
			f := flipper{t: t, path: filepath.Join(t.TempDir(), "log.db"), content: content, named: map[string]int{}}
			f.prepare()
			for page := part; page < pages; page += 2 {
				f.page(page * os.Getpagesize())
			}
			if f.within == 0 {
				t.Error("no byte of a record was refused: the test has lost its power")
			}
			if f.refused < f.flips/10 || f.named["big"] < f.refused/10 || f.named["small"]+f.named[""] == 0 {
				t.Errorf("%d of %d flips refused, lists named %v: the test has lost its power", f.refused, f.flips, f.named)
			}
			t.Logf("%d of %d flips refused", f.refused, f.flips)
		})
	}
}

// A flipper changes single bytes of a store.
type flipper struct {
	t              *testing.T
	path           string
	content        []byte
	file           *os.File
	want           map[string]string
	flips, refused int
	within         int            // refused for a byte of a record of list big
	named          map[string]int // how often a list was named
}

func (f *flipper) prepare() {
	f.t.Helper()
	err := os.WriteFile(f.path, f.content, 0o600)
	if err == nil {
		f.want, err = served(f.t, f.path)
	}
	if err == nil {
		f.file, err = os.OpenFile(f.path, os.O_RDWR, 0)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.file.Close() })
}

// page flips the bytes of a page: at its beginning, by which bbolt finds its
// way, in many ways.
func (f *flipper) page(begin int) {
	step := 1
	if testing.Short() {
		step = 17
	}
	for i := range os.Getpagesize() {
		at := begin + i
		switch {
		case i < 100:
			for _, b := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xFF} {
				f.flip(at, f.content[at]^b)
			}
			f.flip(at, f.content[at]-1)
		case i%step == 0:
			f.flip(at, f.content[at]^1<<(at%8))
		}
	}
}

func (f *flipper) flip(at int, b byte) {
	f.t.Helper()
	f.file.WriteAt([]byte{b}, int64(at))
	got, err := served(f.t, f.path)
	f.file.WriteAt(f.content[at:at+1], int64(at))
	f.flips++
	damage, damaged := errors.AsType[*store.DamageError](err)
	switch {
	case err == nil && !cmp.Equal(got, f.want):
		f.t.Fatalf("byte %d is %#x: served unnoticed:\n%s", at, b, cmp.Diff(f.want, got))
	case err != nil && (!damaged || damage.Index < 0 != (damage.List == "")):
		f.t.Fatalf("byte %d is %#x: %v, want damage that names a list and an index, or none", at, b, err)
	case err != nil:
		f.refused++
		f.named[damage.List]++
		f.wantLocated(at, damage)
	}
}

// wantLocated checks that damage to a record of list big is said to be that.
// Record i is all bytes i, and those from 6 on begin at 0 again; nothing else in the
// file is as long.
func (f *flipper) wantLocated(at int, damage *store.DamageError) {
	f.t.Helper()
	v := f.content[at]
	lo, hi := at, at
	for lo > 0 && f.content[lo-1] == v {
		lo--
	}
	for hi < len(f.content) && f.content[hi] == v {
		hi++
	}
	if v == 0 || v > 5 || hi-lo < 900 {
		return
	}
	f.within++
	if i := damage.Index; damage.List != "big" || i != int64(v) && (v > 2 || i != int64(v)+6) {
		f.t.Fatalf("byte %d is one of record %d: %v", at, v, damage)
	}
}
