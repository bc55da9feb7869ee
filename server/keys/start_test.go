package keys_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/keys"
)

// A first start that fails at any byte of entropy, with whatever files it had
// made, can be repeated, and keeps those.
func TestFirstStartMayBeRepeated(t *testing.T) {
	broken := errors.New("killed")
	for n := range 128 {
		dir := filepath.Join(t.TempDir(), "keys")
		c := config(true)
		c.Random = io.MultiReader(io.LimitReader(rand.Reader, int64(n)), iotest.ErrReader(broken))
		if _, err := keys.Load(dir, c); !errors.Is(err, broken) {
			t.Fatalf("Load with %d bytes of entropy = %v", n, err)
		}
		kept := map[string]string{}
		for _, name := range names(t, dir) {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			kept[name] = string(text)
		}
		if want := n / 32; len(kept) != want {
			t.Errorf("%d bytes of entropy made %d files, want %d", n, len(kept), want)
		}
		load(t, dir, config(true))
		for name, text := range kept {
			if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != text {
				t.Errorf("%s was replaced", name)
			}
		}
	}
}

// Servers that start at once on an empty folder end up with the same keys.
func TestStartsAtOnceAgree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	got := make([]public, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			k, err := keys.Load(dir, config(true))
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = identity(k)
		})
	}
	wg.Wait()
	for _, other := range got[1:] {
		if diff := cmp.Diff(got[0], other); diff != "" {
			t.Errorf("two starts have different keys:\n%s", diff)
		}
	}
	if n := names(t, dir); !slices.Equal(n, files) {
		t.Errorf("the folder holds %v", n)
	}
}

const killDir = "LODD_TEST_KEYS_DIR"

// A child is killed at some moment of its first start; the next start works,
// and no file has content that is cut off. The child makes keys in one folder
// after another until it is killed, and so always has one in the making.
func TestKilledFirstStart(t *testing.T) {
	if root := os.Getenv(killDir); root != "" {
		for i := 0; ; i++ {
			load(t, filepath.Join(root, fmt.Sprint(i)), config(true))
		}
	}
	root := t.TempDir()
	for round := range 10 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledFirstStart$")
		dir := filepath.Join(root, fmt.Sprint(round))
		child.Env = append(os.Environ(), killDir+"="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for { // until the child is at its third folder
			if _, err := os.Stat(filepath.Join(dir, "2")); err == nil {
				break
			}
			if t.Context().Err() != nil {
				t.Fatal("the child makes no keys")
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it says that it was killed
		for _, name := range names(t, dir) {
			load(t, filepath.Join(dir, name), config(true))
		}
	}
}
