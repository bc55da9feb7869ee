package bolt_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// openLog opens the log in a folder, with its guard beside.
func openLog(ctx context.Context, dir string) (*audit.Log, *bolt.DB, error) {
	return openLogWith(ctx, dir, small)
}

func openLogWith(ctx context.Context, dir string, o bolt.Options) (*audit.Log, *bolt.DB, error) {
	db, err := bolt.Open(filepath.Join(dir, "log.db"), o)
	if err != nil {
		return nil, nil, err
	}
	seed := sha256.Sum256(nil)
	private, public, err := note.GenerateKey(bytes.NewReader(seed[:]), "lodd.example.org")
	if err != nil {
		return nil, db, err
	}
	c := audit.Config{Store: db, Origin: "lodd.example.org", Guard: audit.FileGuard{Dir: dir}}
	if c.Signer, err = note.NewSigner(private); err != nil {
		return nil, db, err
	}
	if c.Verifier, err = note.NewVerifier(public); err != nil {
		return nil, db, err
	}
	l, err := audit.Open(ctx, c)
	return l, db, err
}

// entryOf returns entry i of a list: of many lengths, also none.
func entryOf(list string, i int64) []byte {
	h := sha256.Sum256(fmt.Append(nil, list, " ", i))
	return bytes.Repeat(h[:], int(h[0])%8*int(h[1])%40)
}

func partOf(list string, at int64, n int) audit.Part {
	p := audit.Part{List: list, At: at}
	for i := range int64(n) {
		p.Entries = append(p.Entries, entryOf(list, at+i))
	}
	return p
}

// wantEntries returns an error unless a list begins with n entries that are all
// what was written.
func wantEntries(ctx context.Context, l *audit.Log, list string, n int64) error {
	have := l.Len(list)
	if have < n {
		return fmt.Errorf("list %s has %d entries, %d were answered", list, have, n)
	}
	entries, err := l.Read(ctx, list, 0, have)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if !bytes.Equal(e, entryOf(list, int64(i))) {
			return fmt.Errorf("entry %d of list %s isn't what was written", i, list)
		}
	}
	return nil
}

// A spoiler spoils the file of a small log, whose guard is beside.
type spoiler struct {
	t            *testing.T
	dir          string
	old, content []byte // of the file, before and after the last commits
	spoilt       int
	refused      int
	located      map[string]int // how often a list was named
}

func newSpoiler(t *testing.T) *spoiler {
	s := &spoiler{t: t, dir: t.TempDir(), located: map[string]int{}}
	for _, n := range []int{280, 20, 1} {
		l, db, err := openLog(t.Context(), s.dir)
		if err == nil {
			_, err = l.Append(t.Context(), partOf("a", l.Len("a"), n), partOf("t/b", l.Len("t/b"), 1))
		}
		if err == nil {
			err = errors.Join(l.SaveGuard(t.Context()), l.Close(), db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		s.old = s.content
		if s.content, err = os.ReadFile(filepath.Join(s.dir, "log.db")); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// spoil puts another file in the place of the log. Either it serves what was
// written, or it is refused as damaged or as older than what was signed.
func (s *spoiler) spoil(what string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "log.db"), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.spoilt++
	l, db, err := openLog(s.t.Context(), s.dir)
	if db != nil {
		defer db.Close()
	}
	if err == nil {
		defer l.Close()
		if err := errors.Join(wantEntries(s.t.Context(), l, "a", 301), wantEntries(s.t.Context(), l, "t/b", 3)); err != nil {
			s.t.Errorf("%s: unnoticed: %v", what, err)
		}
		return
	}
	s.refused++
	damage, damaged := errors.AsType[*store.DamageError](err)
	switch {
	case damaged && damage.Index < 0 != (damage.List == ""):
		s.t.Errorf("%s: %v, want a list and an index, or none", what, err)
	case damaged:
		s.located[damage.List]++
	case !errors.Is(err, audit.ErrRolledBack):
		s.t.Errorf("%s: %v, want damage or ErrRolledBack", what, err)
	default:
		s.located["rolled back"]++
	}
}

// Pages that are zeroed, swapped, written to another place, lost in favour of what
// was there before, or cut off: the log serves what was written, or is
// refused, and where a list is hurt it is named.
func TestMisplacedPagesAreHarmlessOrRefused(t *testing.T) {
	s := newSpoiler(t)
	size := os.Getpagesize()
	pages := len(s.content) / size
	page := func(b []byte, i int) []byte { return b[i*size : (i+1)*size] }
	for i := range pages {
		s.spoil(fmt.Sprintf("cut at page %d", i), s.content[:i*size])
		zeroed := bytes.Clone(s.content)
		clear(page(zeroed, i))
		s.spoil(fmt.Sprintf("page %d zeroed", i), zeroed)
		if (i+1)*size <= len(s.old) {
			stale := bytes.Clone(s.content)
			copy(page(stale, i), page(s.old, i))
			s.spoil(fmt.Sprintf("page %d as before", i), stale)
		}
		stride := 31
		if long || i < 2 && !testing.Short() { // the meta pages are like no others
			stride = 1
		}
		for j := i * i % stride; j < pages; j += stride {
			misplaced := bytes.Clone(s.content)
			copy(page(misplaced, i), page(s.content, j))
			s.spoil(fmt.Sprintf("page %d written to %d", j, i), misplaced)
			copy(page(misplaced, j), page(s.content, i))
			s.spoil(fmt.Sprintf("pages %d and %d swapped", i, j), misplaced)
		}
	}
	if s.refused < s.spoilt/3 || s.located["a"] == 0 || s.located["rolled back"] == 0 {
		t.Errorf("%d of %d refused, lists named %v: the test has lost its power", s.refused, s.spoilt, s.located)
	}
	t.Logf("%d pages: %d of %d refused, lists named %v", pages, s.refused, s.spoilt, s.located)
}

// Every byte of a log's file, changed in turn, is found by the log or harmless.
func TestEveryFlippedByteIsFoundByTheLog(t *testing.T) {
	s := newSpoiler(t)
	step := 997 // the flips of a store without a log go through all bytes
	switch {
	case long:
		step = 1
	case testing.Short():
		step = 9973
	}
	for at := 0; at < len(s.content); at += step {
		bad := bytes.Clone(s.content)
		bad[at] ^= 1 << (at % 8)
		s.spoil(fmt.Sprintf("byte %d", at), bad)
	}
	if testing.Short() {
		return // too few for what follows
	}
	if s.refused < s.spoilt/4 || s.located["a"] < s.refused/4 {
		t.Errorf("%d of %d refused, lists named %v: the test has lost its power", s.refused, s.spoilt, s.located)
	}
	t.Logf("%d of %d refused, lists named %v", s.refused, s.spoilt, s.located)
}
