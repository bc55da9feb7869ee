package keys_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/server/keys"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var files = []string{"export.key", "log.key", "master.key", "tls-ca.key"}

func config(fresh bool) keys.Config {
	return keys.Config{Fresh: fresh, Name: "trial.example.org", Now: t0, Random: rand.Reader}
}

func load(t testing.TB, dir string, c keys.Config) *keys.Keys {
	t.Helper()
	k, err := keys.Load(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// public is all that must stay the same from one start to the next.
type public struct {
	Master              [32]byte
	Log, Export, Pinned string
}

func identity(k *keys.Keys) public {
	return public{k.Master(), k.LogVerifier, k.ExportVerifier, k.Pin()}
}

// fresh returns a folder with new keys in it.
func fresh(t testing.TB) (dir string, k *keys.Keys) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "keys")
	return dir, load(t, dir, config(true))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestLoadKeepsTheKeys(t *testing.T) {
	dir, k := fresh(t)
	if got := names(t, dir); !slices.Equal(got, files) {
		t.Errorf("the folder holds %v, want %v", got, files)
	}
	for _, path := range append([]string{""}, files...) {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v", path, info.Mode(), err)
		}
	}
	for _, again := range []bool{false, true} {
		if diff := cmp.Diff(identity(k), identity(load(t, dir, config(again)))); diff != "" {
			t.Errorf("another start, fresh %v, has other keys:\n%s", again, diff)
		}
	}
	_, other := fresh(t)
	if a, b := identity(k), identity(other); a.Master == b.Master || a.Log == b.Log || a.Export == b.Export || a.Pinned == b.Pinned {
		t.Error("two folders have a key in common")
	}
}

// The same entropy gives the same keys, which the comparison of two worlds needs.
func TestKeysRepeatWithTheEntropy(t *testing.T) {
	var got [2]public
	for i := range got {
		c := config(true)
		c.Random = counting()
		got[i] = identity(load(t, filepath.Join(t.TempDir(), "keys"), c))
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Error(diff)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// counting reads 1, 2, 3 and so on.
func counting() io.Reader {
	var b byte
	return readerFunc(func(p []byte) (int, error) {
		for i := range p {
			b++
			p[i] = b
		}
		return len(p), nil
	})
}

func TestSigners(t *testing.T) {
	_, k := fresh(t)
	verify := func(verifier string, signed []byte) error {
		v, err := note.NewVerifier(verifier)
		if err != nil {
			t.Fatal(err)
		}
		_, err = note.Open(signed, note.VerifierList(v))
		return err
	}
	for _, tt := range []struct {
		name          string
		signer        note.Signer
		own, stranger string
	}{
		{"trial.example.org/log", k.LogSigner, k.LogVerifier, k.ExportVerifier},
		{"trial.example.org/export", k.ExportSigner, k.ExportVerifier, k.LogVerifier},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.signer.Name() != tt.name {
				t.Errorf("the key is named %q", tt.signer.Name())
			}
			signed, err := note.Sign(&note.Note{Text: "checkpoint\n"}, tt.signer)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(tt.own, signed); err != nil {
				t.Errorf("its verifier: %v", err)
			}
			if err := verify(tt.stranger, signed); err == nil {
				t.Error("the other verifier accepts the signature")
			}
		})
	}
}

func TestLooseModesAreRefused(t *testing.T) {
	for _, name := range append([]string{""}, files...) {
		for _, extra := range []os.FileMode{0o040, 0o004, 0o020, 0o001} {
			t.Run(fmt.Sprintf("%s %o", name, extra), func(t *testing.T) {
				dir, _ := fresh(t)
				path, want := filepath.Join(dir, name), os.FileMode(0o600)
				if name == "" {
					want = 0o700
				}
				if err := os.Chmod(path, want|extra); err != nil {
					t.Fatal(err)
				}
				_, err := keys.Load(dir, config(false))
				for _, say := range []string{path, fmt.Sprintf("mode %04o", want|extra), fmt.Sprintf("chmod %o %s", want, path)} {
					if err == nil || !strings.Contains(err.Error(), say) {
						t.Errorf("Load = %v, want it to say %q", err, say)
					}
				}
			})
		}
	}
}

// Beside an existing database no key is made anew, and the error names it.
func TestMissingKeysAreRefused(t *testing.T) {
	for _, name := range files {
		dir, _ := fresh(t)
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		_, err := keys.Load(dir, config(false))
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("Load without %s = %v", name, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was made anew", name)
		}
	}
	absent := filepath.Join(t.TempDir(), "keys")
	if _, err := keys.Load(absent, config(false)); err == nil || !strings.Contains(err.Error(), absent) {
		t.Errorf("Load without the folder = %v", err)
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("the folder was made")
	}
}

// A file that was cut off or changed is refused by name, and left as it is.
func TestDamagedKeysAreRefused(t *testing.T) {
	dir, k := fresh(t)
	for _, name := range files {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := [][]byte{append(slices.Clone(good), "x"...), []byte("x\n")}
		for n := range len(good) - 1 { // without the last newline it is still whole
			damaged = append(damaged, good[:n])
		}
		for _, bad := range damaged {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Load(dir, config(true)); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("Load with %q in %s = %v", bad, name, err)
			}
			if got, _ := os.ReadFile(path); string(got) != string(bad) {
				t.Errorf("%s was replaced", name)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(identity(k), identity(load(t, dir, config(false)))); diff != "" {
		t.Error(diff)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	_, k := fresh(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, secret := range []any{k, k.Master()} {
			if got := fmt.Sprintf(verb, secret); got != "sealed" {
				t.Errorf("Sprintf(%q) of %T = %q", verb, secret, got)
			}
		}
	}
	if got, err := json.Marshal(k.Master()); err != nil || string(got) != `"sealed"` {
		t.Errorf("Marshal = %s, %v", got, err)
	}
}

func TestLoadRefusesConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*keys.Config)
	}{
		{"no entropy", func(c *keys.Config) { c.Random = nil }},
		{"no time", func(c *keys.Config) { c.Now = time.Time{} }},
		{"a plus in the name", func(c *keys.Config) { c.Name = "a+b" }},
		{"a space in the name", func(c *keys.Config) { c.Name = "a b" }},
		{"a host with its port", func(c *keys.Config) { c.Hosts = []string{"trial.example.org:8443"} }},
		{"a host with a scheme", func(c *keys.Config) { c.Hosts = []string{"https://trial.example.org"} }},
		{"an empty host", func(c *keys.Config) { c.Hosts = []string{""} }},
		{"a host that ends in a dash", func(c *keys.Config) { c.Hosts = []string{"trial-.org"} }},
		{"a host with a long label", func(c *keys.Config) { c.Hosts = []string{strings.Repeat("a", 64)} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			c := config(true)
			tt.change(&c)
			if _, err := keys.Load(dir, c); err == nil {
				t.Error("Load accepts it")
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("the folder was made all the same")
			}
		})
	}
}
