package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

func TestKeysReadBack(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"master.key", "tls-ca.key", "master.key.age", "master.key.tink", ".tmp-123", "master.key.123.tmp", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("text of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if n, err := WriteKeys(&b, dir, t0); n != 4 || err != nil {
		t.Fatalf("%d keys, %v", n, err)
	}
	to := filepath.Join(t.TempDir(), "keys")
	if err := ReadKeys(bytes.NewReader(b.Bytes()), to); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(to)
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		text, readErr := os.ReadFile(filepath.Join(to, f.Name()))
		if err != nil || readErr != nil || info.Mode().Perm() != 0o600 || string(text) != "text of "+f.Name() {
			t.Errorf("%s: %v %q", f.Name(), info, text)
		}
	}
	if err := ReadKeys(bytes.NewReader(b.Bytes()), to); err == nil {
		t.Error("a folder of keys was written over")
	}
	if _, err := WriteKeys(io.Discard, t.TempDir(), t0); err == nil {
		t.Error("a folder without keys was backed up")
	}
	if err := os.WriteFile(filepath.Join(dir, "master.key"), make([]byte, 107), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteKeys(io.Discard, dir, t0); err == nil {
		t.Error("a key that was overwritten was backed up")
	}
}

// keyArchive returns an archive of empty keys of these names.
func keyArchive(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadKeysRefusals(t *testing.T) {
	for _, names := range [][]string{
		{},
		{"../master.key"},
		{"/master.key"},
		{"sub/master.key"},
		{".key"},
		{".key.age"},
		{"master.age"},
		{"master.key.zip"},
		{"master.key.age.key"},
		{"master.key.age.tink"},
		{"master.key", "master.key"},
		{"master.key", "lodd.db"},
		{"Master.key"},
	} {
		if err := ReadKeys(bytes.NewReader(keyArchive(t, names...)), filepath.Join(t.TempDir(), "keys")); err == nil {
			t.Errorf("%q were read as keys", names)
		}
	}
}

func TestSealNeverOverwrites(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.age")
	failed := errors.New("the disk is full")
	if _, err := Seal(path, []age.Recipient{id.Recipient()}, func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("Seal = %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	size, err := Seal(path, []age.Recipient{id.Recipient()}, say("first"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Seal(path, []age.Recipient{id.Recipient()}, say("second")); err == nil {
		t.Error("a file was written over")
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != size || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want %d bytes", info, err, size)
	}
	wantSealed(t, path, id, "first")
}

// Two who write the same file don't see one another before the end: one is first,
// and its file is whole.
func TestSealTwiceAtOnce(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.age")
	_, err = Seal(path, []age.Recipient{id.Recipient()}, func(w io.Writer) error {
		if _, err := Seal(path, []age.Recipient{id.Recipient()}, say("the quick one")); err != nil {
			t.Error(err)
		}
		return say("the slow one, which has more to say")(w)
	})
	if err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("the slow one: %v", err)
	}
	wantSealed(t, path, id, "the quick one")
}

// say writes a text.
func say(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// wantSealed wants a folder to hold one file, of this text.
func wantSealed(t *testing.T, path string, id age.Identity, want string) {
	t.Helper()
	var text []byte
	err := Open(path, []age.Identity{id}, func(r io.Reader) (err error) {
		text, err = io.ReadAll(r)
		return err
	})
	if err != nil || string(text) != want {
		t.Errorf("it holds %q, %v; want %q", text, err, want)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// Names of keys end up as names of files: none leads out of the folder.
func FuzzReadKeys(f *testing.F) {
	f.Add(keyArchive(f, "master.key", "log.key"))
	f.Add(keyArchive(f, "../master.key"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = readKeys(bytes.NewReader(in), func(name string, _ []byte) error { // garbage is refused, which is fine
			if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
				t.Errorf("a key is named %q", name)
			}
			return nil
		})
	})
}
