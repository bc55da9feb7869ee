package keys_test

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/keys"
)

// Killed after any change of a file, a folder still opens in the old way or the
// new one, and the same command brings it to its end.
func TestResealKilledAnywhere(t *testing.T) {
	kms, kms2 := fake(t), fake(t)
	for _, tt := range []struct {
		name     string
		from, to keys.Seal
		steps    int
	}{
		{"clear to passphrase", nil, by(good), 3},
		{"clear to key set", nil, kms, 3},
		{"passphrase to another", by(good), by(good + " 2"), 1},
		{"passphrase to key set", by(good), kms, 2},
		{"key set to passphrase", kms, by(good), 2},
		{"key set with one key more", kms, kms, 1},
		{"key set under another key", kms, kms2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kill := range tt.steps + 1 {
				dir, k := fresh(t)
				if tt.from != nil {
					reseal(t, dir, nil, tt.from)
				}
				done, err := keys.ResealKilled(dir, tt.from, tt.to, kill)
				if done != kill || (kill < tt.steps) != errors.Is(err, keys.ErrKilled) {
					t.Fatalf("killed after %d of %d changes: %d were made, %v", kill, tt.steps, done, err)
				}
				_, old := keys.Load(dir, with(tt.from))
				_, anew := keys.Load(dir, with(tt.to))
				if old != nil && anew != nil {
					t.Fatalf("killed after %d changes nothing opens it: %v; %v", kill, old, anew)
				}
				if tt.from == nil && kill == 1 && (anew == nil || !strings.Contains(anew.Error(), "lies in clear")) {
					t.Errorf("a key in clear beside the sealed one is passed over: %v", anew)
				}
				again := keys.Reseal(dir, tt.from, tt.to)
				if old == nil && again != nil {
					t.Errorf("killed after %d changes it can't be done again: %v", kill, again)
				}
				if old != nil && tt.from == nil && kill == 2 { // the clear file is overwritten
					if again == nil || !strings.Contains(again.Error(), "the master key is sealed") {
						t.Errorf("what was overwritten is taken: %v", again)
					}
				}
				wantLoads(t, dir, tt.to, k)
			}
		})
	}
}

// A key in clear is overwritten where it lies, not only removed.
func TestResealOverwritesTheKeyInClear(t *testing.T) {
	dir, _ := fresh(t)
	block := filepath.Join(dir, "block") // the same bytes of the disk by another name
	if err := os.Link(filepath.Join(dir, "master.key"), block); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("this file system has no hard links: ", err)
	}
	reseal(t, dir, nil, by(good))
	text, err := os.ReadFile(block)
	if err != nil || len(text) == 0 || strings.Trim(string(text), "\x00") != "" {
		t.Errorf("the disk holds %q, %v", text, err)
	}
}

// What a change that was cut off has left is finished only if it holds the same
// key, and is never replaced.
func TestResealNeverReplacesAnotherKey(t *testing.T) {
	for name, seal := range map[string]keys.Seal{"master.key.age": by(good), "master.key.tink": fake(t)} {
		t.Run(name, func(t *testing.T) {
			dir, k := fresh(t)
			stranger, _ := fresh(t)
			reseal(t, stranger, nil, seal)
			other := content(t, stranger)[name]
			for _, left := range []struct{ text, want string }{
				{other, "holds another master key"},
				{"", "it is left as it is"},
				{other[:len(other)/2], "it is left as it is"},
			} {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(left.text), 0o600); err != nil {
					t.Fatal(err)
				}
				err := keys.Reseal(dir, nil, seal)
				if err == nil || !strings.Contains(err.Error(), left.want) {
					t.Errorf("Reseal beside %.10q = %v, want %q", left.text, err, left.want)
				}
				if got := content(t, dir)[name]; got != left.text {
					t.Errorf("%s was replaced", name)
				}
				wantLoads(t, dir, nil, k)
			}
		})
	}
}

// Nothing changes if the old way doesn't open, or the new one doesn't seal.
func TestResealRefuses(t *testing.T) {
	kms := fake(t)
	dir, k := fresh(t)
	reseal(t, dir, nil, by(good))
	before := content(t, dir)
	for _, tt := range []struct {
		name     string
		from, to keys.Seal
		want     string
	}{
		{"another passphrase", by("incorrect " + good), kms, "does not open with this passphrase"},
		{"in clear, where it isn't", nil, kms, "is sealed with a passphrase"},
		{"a key set, where there is none", kms, by(good), "is sealed with a passphrase"},
		{"nothing new", by(good), nil, "nothing is named"},
		{"a new passphrase of five letters", by(good), by("abcde"), "take at least 16"},
		{"a new service that doesn't answer", by(good), keys.KeySet{URI: "fake-kms://x", KMS: deaf{}}, errDeaf.Error()},
		{"a new service that seals and doesn't open", by(good), keys.KeySet{URI: kms.URI, KMS: forgetful{kms.KMS}}, errDeaf.Error()},
		{"a new service that nobody knows", by(good), keys.KeySet{URI: "aws-kms://x", KMS: client(t)}, "no key management service is known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := keys.Reseal(dir, tt.from, tt.to)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Reseal = %v, want %q", err, tt.want)
			}
			if got := content(t, dir); fmt.Sprint(got) != fmt.Sprint(before) {
				t.Error("the folder has changed")
			}
		})
	}
	wantLoads(t, dir, by(good), k)
}

// Of many who change a folder at once each is done or is told to wait, and the
// key is there afterwards.
func TestResealIsAloneInAFolder(t *testing.T) {
	dir, k := fresh(t)
	kms := fake(t)
	inside := kms
	asked := 0
	inside.KMS = interrupted{client(t), func() {
		asked++
		if err := keys.Reseal(dir, nil, by(good)); err == nil || !strings.Contains(err.Error(), "somebody else") {
			t.Errorf("a second change at once = %v", err)
		}
	}}
	reseal(t, dir, nil, inside)
	if asked == 0 {
		t.Fatal("nobody came between")
	}
	wantLoads(t, dir, kms, k)
}

var update = flag.Bool("update", false, "write the golden files that are missing")

// The files that this program wrote open in every later version. Their service
// is Tink's fake one, whose URI is its key.
func TestGoldenFilesOpen(t *testing.T) {
	dir := "testdata/golden"
	uri := filepath.Join(dir, "fake-kms.uri")
	if *update {
		makeGolden(t, dir, uri)
	}
	text, err := os.ReadFile(uri)
	if err != nil {
		t.Fatal(err)
	}
	for name, seal := range map[string]keys.Seal{
		"master.key":      nil,
		"master.key.age":  by(good),
		"master.key.tink": keys.KeySet{URI: string(text), KMS: client(t)},
	} {
		t.Run(name, func(t *testing.T) {
			sealed, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := fresh(t)
			if err := errors.Join(os.Remove(filepath.Join(got, "master.key")), os.WriteFile(filepath.Join(got, name), sealed, 0o600)); err != nil {
				t.Fatal(err)
			}
			master := load(t, got, with(seal)).Master()
			want := make([]byte, len(master))
			for i := range want {
				want[i] = byte(i + 1)
			}
			if !slices.Equal(master[:], want) {
				t.Errorf("master key %s, want 1, 2, 3 and so on", base64.StdEncoding.EncodeToString(master[:]))
			}
		})
	}
}

// No content of a file makes a Seal panic, and none opens as another key.
func FuzzOpen(f *testing.F) {
	dir := "testdata/golden"
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	text, uri := read("master.key"), read("fake-kms.uri")
	f.Add(text)
	f.Add(read("master.key.age"))
	f.Add(read("master.key.tink"))
	f.Add([]byte(`{"format":"lodd master key 1","keyset":{"encryptedKeyset":""},"master":""}`))
	f.Add([]byte(`{"format":"lodd master key 2"}`))
	seals := []keys.Seal{by(good), keys.KeySet{URI: string(uri), KMS: client(f)}}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		for _, seal := range seals {
			if got, err := keys.Open(seal, sealed); err == nil && string(got) != string(text) {
				t.Errorf("%q opens as another key", sealed)
			}
		}
	})
}

// makeGolden writes golden files that aren't there: those of a release stay.
func makeGolden(t *testing.T, dir, uri string) {
	t.Helper()
	if _, err := os.Stat(uri); err == nil {
		t.Fatalf("%s is there: golden files are never written anew", dir)
	}
	made := filepath.Join(t.TempDir(), "keys")
	c := config(true)
	c.Random = counting()
	load(t, made, c)
	clear := content(t, made)
	kms := fake(t)
	reseal(t, made, nil, kms)
	reseal(t, made, kms, kms)
	set := content(t, made)
	reseal(t, made, kms, by(good))
	for name, text := range map[string]string{
		"fake-kms.uri": kms.URI, "master.key": clear["master.key"],
		"master.key.tink": set["master.key.tink"], "master.key.age": content(t, made)["master.key.age"],
	} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}
