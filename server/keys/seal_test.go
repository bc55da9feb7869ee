package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/testing/fakekms"

	"github.com/lodd-rct/lodd/server/keys"
)

const good = "correct horse battery staple"

// by returns a Seal with a passphrase, cheap to try.
func by(passphrase string) keys.Passphrase {
	return keys.Passphrase{Ask: func() (string, error) { return passphrase, nil }, WorkFactor: 4}
}

// fake returns a Seal with a new key of Tink's fake service.
func fake(t testing.TB) keys.KeySet {
	t.Helper()
	uri, err := fakekms.NewKeyURI()
	if err != nil {
		t.Fatal(err)
	}
	return keys.KeySet{URI: uri, KMS: client(t)}
}

func client(t testing.TB) registry.KMSClient {
	t.Helper()
	kms, err := fakekms.NewClient("fake-kms://")
	if err != nil {
		t.Fatal(err)
	}
	return kms
}

// with returns how to load a folder whose master key is sealed so.
func with(seal keys.Seal) keys.Config {
	c := config(false)
	c.Seal = seal
	return c
}

// wantLoads wants that the keys load with seal and are those of want.
func wantLoads(t testing.TB, dir string, seal keys.Seal, want *keys.Keys) {
	t.Helper()
	k, err := keys.Load(dir, with(seal))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(identity(want), identity(k)); diff != "" {
		t.Errorf("other keys:\n%s", diff)
	}
}

// wantRefused wants that seal opens nothing, for the reason why.
func wantRefused(t testing.TB, dir string, seal keys.Seal, why string) {
	t.Helper()
	before := content(t, dir)
	_, err := keys.Load(dir, with(seal))
	if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Load = %v, want %q in one line", err, why)
	}
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Errorf("Load has changed the folder:\n%s", diff)
	}
}

func content(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

func reseal(t testing.TB, dir string, from, to keys.Seal) {
	t.Helper()
	if err := keys.Reseal(dir, from, to); err != nil {
		t.Fatal(err)
	}
}

// A master key goes from any form to any sealed one and stays itself; what opened
// it before opens it no more; the folder holds it once, for its owner alone.
func TestResealKeepsTheMasterKey(t *testing.T) {
	kms, kms2 := fake(t), fake(t)
	dir, k := fresh(t)
	var from keys.Seal
	for i, to := range []keys.Seal{by(good), by(good + " 2"), kms, kms2, kms2, by(good), kms} {
		reseal(t, dir, from, to)
		wantLoads(t, dir, to, k)
		if _, err := keys.Load(dir, with(from)); err == nil && i != 4 {
			t.Errorf("step %d: what opened it before still does", i)
		}
		files := names(t, dir)
		masters := slices.DeleteFunc(files, func(n string) bool { return !strings.HasPrefix(n, "master") })
		if len(masters) != 1 || masters[0] == "master.key" {
			t.Errorf("step %d: the folder holds %v", i, masters)
		}
		info, err := os.Stat(filepath.Join(dir, masters[0]))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("step %d: %v, %v", i, info, err)
		}
		from = to
	}
}

// A folder that is made with a Seal never holds the master key in clear, also if
// it has to be made twice.
func TestFreshFolderMaySealAtOnce(t *testing.T) {
	for name, seal := range map[string]keys.Seal{"master.key.age": by(good), "master.key.tink": fake(t)} {
		dir := filepath.Join(t.TempDir(), "keys")
		c := with(seal)
		c.Fresh = true
		k := load(t, dir, c)
		if got := names(t, dir); !slices.Equal(got, []string{"export.key", "log.key", name, "tls-ca.key"}) {
			t.Errorf("the folder holds %v", got)
		}
		if diff := cmp.Diff(identity(k), identity(load(t, dir, c))); diff != "" {
			t.Error(diff)
		}
		wantLoads(t, dir, seal, k)
	}
}

// A service that fails while a folder is made leaves no key behind.
func TestFreshFolderNeedsTheService(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	c := with(keys.KeySet{URI: "fake-kms://x", KMS: deaf{}})
	c.Fresh = true
	if _, err := keys.Load(dir, c); !errors.Is(err, errDeaf) {
		t.Errorf("Load = %v", err)
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("the folder holds %v", got)
	}
}

// What doesn't fit is refused with what to do, and changes nothing.
func TestLoadSaysWhatItNeeds(t *testing.T) {
	kms := fake(t)
	clear, _ := fresh(t)
	passphrase, _ := fresh(t)
	reseal(t, passphrase, nil, by(good))
	set, _ := fresh(t)
	reseal(t, set, nil, kms)

	closed := errors.New("the file of the passphrase is gone")
	for _, tt := range []struct {
		name string
		dir  string
		seal keys.Seal
		want string
	}{
		{"clear, though a passphrase is named", clear, by(good), "lies in clear"},
		{"clear, though a service is named", clear, kms, "lodd keys seal"},
		{"passphrase, and none is named", passphrase, nil, "--passphrase-file"},
		{"passphrase, and a service is named", passphrase, kms, "--passphrase-file"},
		{"another passphrase", passphrase, by("incorrect " + good), "does not open with this passphrase"},
		{"no passphrase", passphrase, by(""), "passphrase can't be empty"},
		{"a passphrase that can't be read", passphrase, keys.Passphrase{Ask: func() (string, error) { return "", closed }}, closed.Error()},
		{"service, and none is named", set, nil, "--master-key-uri"},
		{"service, and a passphrase is named", set, by(good), "--master-key-uri"},
		{"another key of the service", set, fake(t), "did not open the key set"},
		{"a URI that is none", set, keys.KeySet{URI: "fake-kms://?", KMS: client(t)}, "key fake-kms://?"},
		{"a service that nobody knows", set, keys.KeySet{URI: "gcp-kms://x", KMS: client(t)}, "no key management service is known for gcp-kms://x"},
		{"no client", set, keys.KeySet{URI: kms.URI}, "no key management service is known"},
		{"a service that doesn't answer", set, keys.KeySet{URI: kms.URI, KMS: deaf{}}, errDeaf.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) { wantRefused(t, tt.dir, tt.seal, tt.want) })
	}
}

// A sealed file with a changed byte, or cut off, or with something behind it, is
// refused, whatever the byte is.
func TestChangedFilesAreRefused(t *testing.T) {
	kms := fake(t)
	for name, seal := range map[string]keys.Seal{"master.key.age": by(good), "master.key.tink": kms} {
		t.Run(name, func(t *testing.T) {
			dir, k := fresh(t)
			reseal(t, dir, nil, seal)
			path := filepath.Join(dir, name)
			sealed, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			try := func(what string, bad []byte) {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				got, err := keys.Load(dir, with(seal))
				// Tink's description of the set, blanks and the like protect nothing.
				if err == nil && (name == "master.key.age" || identity(got) != identity(k)) {
					t.Errorf("%s: it is taken", what)
				}
			}
			for i := range sealed {
				bad := bytes.Clone(sealed)
				bad[i] ^= 1
				try(fmt.Sprintf("byte %d (%q)", i, sealed[i]), bad)
			}
			for n := range len(sealed) - 1 {
				if n%7 == 0 {
					try(fmt.Sprintf("the first %d bytes", n), sealed[:n])
				}
			}
			try("a second one", append(bytes.Clone(sealed), sealed...))
		})
	}
}

// A file of a later version is told from a damaged one, and a file that somebody
// has changed can't make a start take hours.
func TestFilesOfOthersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		file     string
		seal     keys.Seal
		from, to string
		want     string
	}{
		{"master.key.tink", fake(t), "lodd master key 1", "lodd master key 2", "use a newer program"},
		{"master.key.age", by(good), " 4\n", " 21\n", "work factor too large"},
		{"master.key.age", by(good), "-> scrypt", "-> script", "does not open"},
	} {
		dir, _ := fresh(t)
		reseal(t, dir, nil, tt.seal)
		path := filepath.Join(dir, tt.file)
		sealed := strings.Replace(content(t, dir)[tt.file], tt.from, tt.to, 1)
		if err := os.WriteFile(path, []byte(sealed), 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, dir, tt.seal, tt.want)
	}
}

// Rotating adds a key to the set; a copy of the older set still opens, which is
// why a stolen one must not be forgotten.
func TestRotatingAddsAKey(t *testing.T) {
	kms := fake(t)
	dir, k := fresh(t)
	reseal(t, dir, nil, kms)
	path := filepath.Join(dir, "master.key.tink")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var primaries []uint32
	for want := 1; want < 4; want++ {
		kept, err := keys.Stat(dir)
		if err != nil || len(kept) != 1 || kept[0].Form != keys.FormKeySet || kept[0].Keys != want {
			t.Fatalf("Stat = %+v, %v; want %d keys", kept, err, want)
		}
		if slices.Contains(primaries, kept[0].Primary) {
			t.Errorf("the primary key is %d once more", kept[0].Primary)
		}
		primaries = append(primaries, kept[0].Primary)
		reseal(t, dir, kms, kms)
	}
	wantLoads(t, dir, kms, k)
	var old, now struct{ Master []byte }
	text, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(first, &old), json.Unmarshal(text, &now)); err != nil {
		t.Fatal(err)
	}
	// What the first key has sealed opens with the set of today.
	if err := os.WriteFile(path, bytes.Replace(text, quoted(t, now.Master), quoted(t, old.Master), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	wantLoads(t, dir, kms, k)
	if err := os.WriteFile(path, first, 0o600); err != nil {
		t.Fatal(err)
	}
	wantLoads(t, dir, kms, k)
}

func quoted(t *testing.T, b []byte) []byte {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
