package audit_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// openWith opens a store with a guard and returns only the error.
func openWith(t *testing.T, m *storetest.Memory, g audit.Guard) error {
	t.Helper()
	c := config(t, m.Reopen())
	c.Guard = g
	l, err := audit.Open(t.Context(), c)
	if err == nil {
		err = l.Close()
	}
	return err
}

// A store that lacks what was signed, or has another past, isn't written to.
func TestOlderOrOtherStoreIsRefused(t *testing.T) {
	guard := memoryGuard{}
	m := filled(t, guard, map[string]int{"a": 700, "b": 5})
	if err := openWith(t, m, maps.Clone(guard)); err != nil {
		t.Fatalf("the newest store: %v", err)
	}
	for _, tt := range []struct {
		name  string
		store *storetest.Memory
		want  []string
	}{
		{"older", filled(t, nil, map[string]int{"a": 690, "b": 5}), []string{"list a", "690", "700"}},
		{"list is gone", filled(t, nil, map[string]int{"a": 700}), []string{"list b", "0", "5"}},
		{"empty", &storetest.Memory{}, []string{"list a", "0", "700"}},
		{"other past", other(t), []string{"list a", "800", "700"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := openWith(t, tt.store, maps.Clone(guard))
			if !errors.Is(err, audit.ErrRolledBack) {
				t.Fatalf("Open: %v, want ErrRolledBack", err)
			}
			for _, want := range append(tt.want, "bring back the newest copy") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q doesn't say %q", err, want)
				}
			}
		})
	}
}

// An empty store in the place of one that was lost stays empty: it must not look
// like ours.
func TestRefusedStoreIsNotWritten(t *testing.T) {
	guard := memoryGuard{}
	filled(t, guard, map[string]int{"a": 1})
	empty := &storetest.Memory{}
	c := config(t, empty)
	c.Guard = guard
	if _, err := audit.Open(t.Context(), c); !errors.Is(err, audit.ErrRolledBack) {
		t.Errorf("Open: %v, want ErrRolledBack", err)
	}
	if empty.Writes() != 0 {
		t.Error("Open wrote to the store that it refused")
	}
}

// other returns a store of the same origin in which an entry is another.
func other(t *testing.T) *storetest.Memory {
	m := &storetest.Memory{}
	l := open(t, config(t, m))
	grow(t, l, "b", 5)
	grow(t, l, "a", 650)
	if _, err := l.Append(t.Context(), audit.Part{List: "a", At: 650, Entries: [][]byte{[]byte("forged")}}); err != nil {
		t.Fatal(err)
	}
	grow(t, l, "a", 149)
	l.Close()
	return m
}

func TestGuardThatIsNotOursIsRefused(t *testing.T) {
	m := filled(t, nil, map[string]int{"a": 5})
	signer, _ := key(t, "other.example.org")
	ours, _ := key(t, origin)
	root, err := open(t, config(t, m.Reopen())).RootAt(t.Context(), "a", 5)
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Checkpoint{Origin: origin + "/a", Size: 5, Root: root} // of the right list, size and root
	foreign, err := c.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	c.Origin = origin + "/b"
	moved, err := c.Sign(ours)
	if err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]memoryGuard{
		"foreign key": {"a": foreign}, "other list": {"a": moved}, "no checkpoint": {"a": []byte("x")}, "cut": {"a": moved[:len(moved)-2]},
	} {
		if err := openWith(t, m, g); err == nil || errors.Is(err, audit.ErrRolledBack) {
			t.Errorf("%s: %v, want the guard to be refused", name, err)
		}
	}
}

// countingGuard counts saves.
type countingGuard struct {
	memoryGuard
	saved []string
}

func (g *countingGuard) Save(list string, checkpoint []byte) error {
	g.saved = append(g.saved, list)
	return g.memoryGuard.Save(list, checkpoint)
}

// Only lists that have changed are saved, and Close saves nothing: what a reader
// of the entries refused would be signed.
func TestGuardSavesWhatHasChanged(t *testing.T) {
	g := &countingGuard{memoryGuard: memoryGuard{}}
	c := config(t, &storetest.Memory{})
	c.Guard = g
	l := open(t, c)
	grow(t, l, "b", 1)
	grow(t, l, "a", 1)
	for range 2 {
		if err := l.SaveGuard(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	grow(t, l, "a", 1)
	if err := l.SaveGuard(t.Context()); err != nil {
		t.Fatal(err)
	}
	grow(t, l, "b", 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "a"}, g.saved); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
}

// The origin that the log names is the one that it signs.
func TestOriginIsThatOfCheckpoints(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 1)
	signed, err := l.Checkpoint(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(signed), "\n"); l.Origin("a") != first || first != origin+"/a" {
		t.Errorf("Origin = %q, the checkpoint says %q", l.Origin("a"), first)
	}
}

func TestFileGuardKeepsWhatWasSaved(t *testing.T) {
	g := audit.FileGuard{Dir: t.TempDir()}
	want := map[string][]byte{"system": []byte("1"), "T1/conduct": []byte("2"), "t1/conduct": []byte("3"), "..": []byte("4")}
	for list, checkpoint := range want {
		for _, c := range [][]byte{[]byte("older and longer"), checkpoint} {
			if err := g.Save(list, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(g.Dir, "system.checkpoint.tmp"), []byte("cra"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := g.Load()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Load, %v (-want +got):\n%s", err, diff)
	}
	files, err := os.ReadDir(g.Dir)
	if err != nil || len(files) != len(want)+1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	var folded []string
	for _, f := range files {
		folded = append(folded, strings.ToLower(f.Name()))
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
	slices.Sort(folded)
	if len(slices.Compact(folded)) != len(files) {
		t.Errorf("names differ in capitals only: %v", files)
	}
	if err := g.Forget("system"); err != nil {
		t.Fatal(err)
	}
	if got, err := g.Load(); err != nil || got["system"] != nil || len(got) != len(want)-1 {
		t.Errorf("Load after Forget = %v, %v", got, err)
	}
}

// Two names for one list could hold two heads, of which one would be passed over.
func TestFileGuardRefusesASecondNameOfAList(t *testing.T) {
	g := audit.FileGuard{Dir: t.TempDir()}
	if err := g.Save("a", []byte("head")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.Dir, "%61.checkpoint"), []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := g.Load(); err == nil || !strings.Contains(err.Error(), "%61") {
		t.Errorf("Load = %q, %v; want an error that names the file", got, err)
	}
}

// The whole of it with files: an older copy of the file beside a newer guard is
// refused, the newest is not, and a file of another instance isn't taken for ours
// either.
func TestOlderCopyOfTheFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	guard := audit.FileGuard{Dir: t.TempDir()}
	use := func(path string, g audit.Guard, work func(*audit.Log)) error {
		db, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		c := config(t, db)
		c.Guard = g
		l, err := audit.Open(t.Context(), c)
		if err != nil {
			return err
		}
		work(l)
		return errors.Join(l.SaveGuard(t.Context()), l.Close())
	}
	path, copied, twin := filepath.Join(dir, "log.db"), filepath.Join(dir, "copy.db"), filepath.Join(dir, "twin.db")
	if err := use(path, guard, func(l *audit.Log) { grow(t, l, "a", 300) }); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := use(path, guard, func(l *audit.Log) { grow(t, l, "a", 1) }); err != nil {
		t.Fatal(err)
	}
	if err := use(copied, guard, func(*audit.Log) {}); !errors.Is(err, audit.ErrRolledBack) {
		t.Errorf("older copy: %v, want ErrRolledBack", err)
	}
	if err := use(twin, nil, func(l *audit.Log) {
		if _, err := l.Append(t.Context(), part("b", 0, 1), audit.Part{List: "a", Entries: entries("b", 0, 400)}); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := use(twin, guard, func(*audit.Log) {}); !errors.Is(err, audit.ErrRolledBack) {
		t.Errorf("file of another instance: %v, want ErrRolledBack", err)
	}
	if err := use(path, guard, func(*audit.Log) {}); err != nil {
		t.Errorf("newest file: %v", err)
	}
}
