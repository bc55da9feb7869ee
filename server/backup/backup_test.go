package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

var update = flag.Bool("update", false, "write the golden files")

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const origin = "lodd.example.org"

// source returns a log with some entries in a store on disk.
func source(t testing.TB) Source {
	t.Helper()
	seed := sha256.Sum256([]byte(origin))
	private, public, err := note.GenerateKey(bytes.NewReader(seed[:]), origin+"/log")
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Config{Origin: origin}
	if c.Signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if c.Verifier, err = note.NewVerifier(public); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(t.TempDir(), "lodd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Store = db
	log, err := audit.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close(); db.Close() })
	for _, list := range []string{"T1/conduct", "system"} {
		if _, err := log.Append(t.Context(), audit.Part{List: list, Entries: [][]byte{[]byte(list), []byte("more")}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Put(t.Context(), "key/T1", []byte("wrapped")); err != nil {
		t.Fatal(err)
	}
	return Source{Store: db, Log: log, Config: c, Program: "1.0.0"}
}

// archive returns a backup, not encrypted.
func archive(t testing.TB) []byte {
	t.Helper()
	s, err := Take(t.Context(), source(t), t.TempDir(), t0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := errors.Join(s.Write(&b), s.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A snapshot is opened and signed before it leaves, and its file is gone after.
func TestSnapshotReadsBack(t *testing.T) {
	from, dir := source(t), t.TempDir()
	s, err := Take(t.Context(), from, dir, t0)
	if err != nil {
		t.Fatal(err)
	}
	var b, db bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	m, err := Read(&b, &db)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Manifest, m); diff != "" {
		t.Error(diff)
	}
	if m.Entries() != 4 || m.Lists[0].List != "T1/conduct" || m.Lists[0].Size != 2 {
		t.Errorf("%d entries, lists %v", m.Entries(), m.Lists)
	}
	for _, h := range m.Lists {
		c, err := audit.OpenCheckpoint([]byte(h.Checkpoint), note.VerifierList(from.Config.Verifier))
		if err != nil || c.Size != h.Size || c.Root.String() != h.Root {
			t.Errorf("%s: %+v, %v", h.List, c, err)
		}
	}
	path := filepath.Join(t.TempDir(), "lodd.db")
	if err := os.WriteFile(path, db.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	copied, err := bolt.Open(path, bolt.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if value, err := copied.Get(t.Context(), "key/T1"); err != nil || string(value) != "wrapped" {
		t.Errorf("the map: %q, %v", value, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// A log that isn't the one in the store is noticed now, not at a restore.
func TestSnapshotOfAnotherLogIsRefused(t *testing.T) {
	from := source(t)
	other := source(t)
	if _, err := other.Log.Append(t.Context(), audit.Part{List: "system", At: 2, Entries: [][]byte{[]byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Log.Append(t.Context(), audit.Part{List: "system", At: 2, Entries: [][]byte{[]byte("y")}}); err != nil {
		t.Fatal(err)
	}
	from.Store = other.Store
	dir := t.TempDir()
	_, err := Take(t.Context(), from, dir, t0)
	if _, ok := errors.AsType[*audit.ForkError](err); !ok {
		t.Errorf("Take = %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// What a killed server left is removed, and nothing else.
func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"snapshot-1.tmp", "snapshot-2.tmp", "lodd.db"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveStale(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "lodd.db" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// The manifest of format 1 is read by every later version.
func TestManifestGolden(t *testing.T) {
	m := Manifest{
		Format: format, Program: "1.0.0", Time: t0, Origin: origin, Size: 65536, SHA256: strings.Repeat("ab", 32),
		Lists: []Head{{List: "T1/conduct", Size: 2, Root: "cm9vdA==", Checkpoint: "lodd.example.org/T1/conduct\n2\ncm9vdA==\n\n— signature\n"}},
	}
	text, err := m.marshal()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "backup.json.golden")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o700), os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Error(diff)
	}
	got, err := parseManifest(want)
	if diff := cmp.Diff(m, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestManifestRefusals(t *testing.T) {
	good := `{"format":"lodd backup 1","program":"","time":"2026-03-01T12:00:00Z","origin":"o","size":1,"sha256":"` + strings.Repeat("0", 64) +
		`","lists":[{"list":"a","size":1,"root":"","checkpoint":"c"},{"list":"b","size":1,"root":"","checkpoint":"c"}]}`
	if _, err := parseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new string }{
		{"format", "backup 1", "backup 2"},
		{"unknown field", `"size":1,"sha`, `"surprise":1,"size":1,"sha`},
		{"no origin", `"origin":"o"`, `"origin":""`},
		{"no time", `"time":"2026-03-01T12:00:00Z",`, ``},
		{"negative size", `"size":1,"sha`, `"size":-1,"sha`},
		{"short digest", `"sha256":"0`, `"sha256":"`},
		{"no entries", `"list":"a","size":1`, `"list":"a","size":0`},
		{"no checkpoint", `"checkpoint":"c"}]`, `"checkpoint":""}]`},
		{"order", `"list":"b"`, `"list":"a"`},
		{"cut", `]}`, ``},
		{"more", `]}`, `]}{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatal("nothing was changed")
			}
			if m, err := parseManifest([]byte(bad)); err == nil {
				t.Errorf("read as %+v", m)
			}
		})
	}
}

// members returns an archive of other members than it should have.
func members(t testing.TB, in []byte, change func(h *tar.Header) bool) []byte {
	t.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(in)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !change(h) {
			continue
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadRefusals(t *testing.T) {
	whole := archive(t)
	named := func(old, name string) []byte {
		return members(t, whole, func(h *tar.Header) bool {
			if h.Name == old {
				h.Name = name
			}
			return true
		})
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)-4096] ^= 1
	for name, bad := range map[string][]byte{
		"empty":         nil,
		"no manifest":   members(t, whole, func(h *tar.Header) bool { return h.Name != manifestName }),
		"no store":      members(t, whole, func(h *tar.Header) bool { return h.Name != storeName }),
		"another file":  named(storeName, "../../etc/passwd"),
		"changed store": flipped,
		"cut":           whole[:len(whole)-1500],
		"more":          append(slices.Clone(whole), "more"...),
		"two":           append(slices.Clone(whole), whole...),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(bytes.NewReader(bad), io.Discard); err == nil {
				t.Error("it was read")
			}
		})
	}
}

// A damaged backup of any kind is an error, never a panic, and what is read as
// one is written back as the same bytes of data.
func FuzzRead(f *testing.F) {
	f.Add(archive(f))
	f.Add(keyArchive(f, "master.key"))
	small := Manifest{Format: format, Time: t0, Origin: "o", Size: 2}
	sum := sha256.Sum256([]byte("db"))
	small.SHA256 = hex.EncodeToString(sum[:])
	var b bytes.Buffer
	if err := write(&b, small, strings.NewReader("db")); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		var db bytes.Buffer
		m, err := Read(bytes.NewReader(in), &db)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := write(&again, m, &db); err != nil {
			t.Fatal(err)
		}
		if other, err := Read(&again, io.Discard); err != nil || cmp.Diff(m, other) != "" {
			t.Errorf("%+v became %+v, %v", m, other, err)
		}
	})
}
