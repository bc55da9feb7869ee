package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/audit/durable"
)

func TestReplaceLeavesOneFileOfTheOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head")
	for _, content := range []string{"first", "second, and longer", ""} {
		if err := durable.Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		wantOnly(t, path, content)
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evidence")
	if err := durable.Create(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a file: %v, want %v", err, fs.ErrExist)
	}
	wantOnly(t, path, "first")
}

// Of many who create the same file one wins, and its content is whole.
func TestOneOfManyCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evidence")
	var wg sync.WaitGroup
	var mu sync.Mutex // guards won
	var won []byte
	for i := range byte(8) {
		wg.Go(func() {
			content := bytes.Repeat([]byte{'a' + i}, 1<<16)
			if err := durable.Create(path, content); err == nil {
				mu.Lock()
				defer mu.Unlock()
				if won != nil {
					t.Error("two have created the file")
				}
				won = content
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantOnly(t, path, string(won))
}

func TestMoveKeepsBothFilesIfTheNameIsTaken(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for path, content := range map[string]string{from: "new", to: "old"} {
		if err := durable.Create(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Move(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Move over a file: %v, want %v", err, fs.ErrExist)
	}
	for path, want := range map[string]string{from: "new", to: "old"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", filepath.Base(path), got, err, want)
		}
	}
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	if err := durable.Move(from, to); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, to, "new")
}

func TestFolderThatIsGoneIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "file")
	for name, write := range map[string]func(string, []byte) error{"Replace": durable.Replace, "Create": durable.Create} {
		if err := write(path, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want %v", name, err, fs.ErrNotExist)
		}
	}
	if err := durable.SyncDir(filepath.Dir(path)); runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SyncDir: %v, want %v", err, fs.ErrNotExist)
	}
}

// wantOnly checks that a folder holds one file, closed to others.
func wantOnly(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("%s has %d bytes, %v; want %d others", filepath.Base(path), len(got), err, len(content))
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("folder holds %v, %v; want one file", files, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("mode is %04o, want 0600", mode)
	}
}
