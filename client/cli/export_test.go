package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// bundle returns a signed export of two files.
func (w *world) bundle(text string) []byte {
	w.t.Helper()
	var b bytes.Buffer
	m := audit.Manifest{
		Study: "IPS", View: "pooled", Blinded: true, CreatedAt: "2026-12-01T00:00:00Z",
		Lock: audit.Lock{Number: 1, ID: "lock-1", At: "2026-12-01T00:00:00Z"}, Producer: audit.Producer{Name: "lodd", Version: "1"},
	}
	members := []audit.Member{
		{Name: "audit.csv", Format: "csv", Records: 2, Open: audit.Bytes([]byte(text))},
		{Name: "subjects.csv", Format: "csv", Records: 1, Open: audit.Bytes([]byte("id\n1\n"))},
	}
	if err := audit.WriteBundle(&b, m, members, w.signer); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

// pieces returns a bundle as the server sends it.
func pieces(name string, bundle []byte) []proto.Message {
	half := len(bundle) / 2
	return []proto.Message{
		&loddv1.DownloadExportResponse{FileName: name, SizeBytes: int64(len(bundle)), Chunk: bundle[:half]},
		&loddv1.DownloadExportResponse{Chunk: bundle[half:]},
	}
}

// altered returns a bundle in which a text was replaced by one of the same
// length.
func altered(bundle []byte, old, new string) []byte {
	return bytes.Replace(bytes.Clone(bundle), []byte(old), []byte(new), 1)
}

// A download has its name only if it verifies; otherwise nothing stays.
func TestDownload(t *testing.T) {
	const name = "IPS-lock1-pooled.zip"
	for _, tt := range []struct {
		name   string
		send   func(w *world) []proto.Message
		before string // what stands under the name already
		code   int
		want   string
		kept   bool
	}{
		{"right", func(w *world) []proto.Message { return pieces(name, w.bundle("a\n1\n2\n")) }, "", 0, "verified", true},
		{"the same again", func(w *world) []proto.Message { return pieces(name, w.bundle("a\n1\n2\n")) }, "same", 0, "verified", true},
		{"another one is there", func(w *world) []proto.Message { return pieces(name, w.bundle("a\n1\n2\n")) }, "other", exitOther, "is another export", true},
		{"altered", func(w *world) []proto.Message {
			return pieces(name, altered(w.bundle("a\n1\n2\n"), "a\n1\n2\n", "a\n1\n3\n"))
		}, "", exitNotVerified, "audit.csv", false},
		{"cut off", func(w *world) []proto.Message { return pieces(name, w.bundle("a\n1\n2\n"))[:1] }, "", exitOther, "cut off", false},
		{"no bundle", func(*world) []proto.Message { return pieces(name, []byte("not a zip")) }, "", exitNotVerified, "it is no bundle: not a ZIP file", false},
		{"a name that leads elsewhere", func(w *world) []proto.Message { return pieces("../../evil.zip", w.bundle("x")) }, "", exitNotVerified, "not one of ours", false},
		{"a hidden name", func(w *world) []proto.Message { return pieces(".bashrc.zip", w.bundle("x")) }, "", exitNotVerified, "not one of ours", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, map[string]any{})
			w.fake.answers["DownloadExport"] = tt.send(w)
			dir := filepath.Join(t.TempDir(), "exports")
			path := filepath.Join(dir, name)
			if tt.before != "" {
				content := []byte(tt.before)
				if tt.before == "same" {
					content = w.bundle("a\n1\n2\n")
				}
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := w.run("export", "download", "1", "--to", dir)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
				t.Errorf("exit %d, %s; want %d and %q", o.code, o.stderr, tt.code, tt.want)
			}
			var names []string
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if want := map[bool]string{true: name, false: ""}[tt.kept]; strings.Join(names, ",") != want {
				t.Errorf("left %v, want %q", names, want)
			}
			if info, err := os.Stat(path); tt.kept && (err != nil || info.Mode().Perm() != 0o600) {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

// strangersKey is the export key of another server.
func strangersKey(t *testing.T) string {
	t.Helper()
	_, public, err := note.GenerateKey(strings.NewReader(strings.Repeat("x", 64)), "lodd/export")
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// An export verifies offline against the key that was named, the profile's or,
// with a warning, the one that lies beside it.
func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		name   string
		key    string // "flag", "file", "profile", "beside", "none", "stranger"
		change [2]string
		code   int
		stdout string
		stderr string
	}{
		{"key by flag", "flag", [2]string{}, 0, "verified: ", ""},
		{"key in a file", "file", [2]string{}, 0, "verified: ", ""},
		{"key of the profile", "profile", [2]string{}, 0, "verified: ", ""},
		{"key beside it", "beside", [2]string{}, 0, "verified: ", "with the line Export key in the sealing record"},
		{"key beside it, in quiet", "beside --quiet", [2]string{}, 0, "verified: ", "with the line Export key in the sealing record"},
		{"key beside it, with the profile of another server", "both", [2]string{}, 0, "verified: ", "with the line Export key in the sealing record"},
		{"altered, with the profile of another server", "both", [2]string{"id\n1\n", "id\n2\n"}, exitNotVerified, "", "subjects.csv"},
		{"no key", "none", [2]string{}, exitUsage, "", "no key to verify with"},
		{"not a key", "nonsense", [2]string{}, exitUsage, "", "neither a key nor a file"},
		{"another key", "stranger", [2]string{}, exitNotVerified, "", "it was signed with lodd/export+"},
		{"altered", "profile", [2]string{"id\n1\n", "id\n2\n"}, exitNotVerified, "", "subjects.csv"},
		{"renamed", "profile", [2]string{"audit.csv", "audio.csv"}, exitNotVerified, "", "not what was signed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			b := w.bundle("a\n1\n2\n")
			if tt.change[0] != "" {
				b = altered(b, tt.change[0], tt.change[1])
			}
			path := w.file("IPS-lock1-pooled.zip", string(b))
			args := []string{"verify", path}
			kind, more, _ := strings.Cut(tt.key, " ")
			if more != "" {
				args = append(args, more)
			}
			if kind != "profile" {
				w.saveProfile(client.Profile{})
			}
			switch kind {
			case "flag":
				args = append(args, "--key", w.key)
			case "file":
				args = append(args, "--key", w.file("k", w.key+"\n"))
			case "nonsense":
				args = append(args, "--key", "nonsense")
			case "stranger":
				args = append(args, "--key", strangersKey(t))
			case "both":
				w.saveProfile(client.Profile{ExportKey: strangersKey(t)})
			}
			if kind == "beside" || kind == "both" {
				if err := os.WriteFile(filepath.Join(filepath.Dir(path), "export.key"), []byte(w.key+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := w.run(args...)
			if o.code != tt.code || !strings.Contains(o.stdout, tt.stdout) || !strings.Contains(o.stderr, tt.stderr) {
				t.Errorf("exit %d\nstdout %s\nstderr %s", o.code, o.stdout, o.stderr)
			}
			if tt.code == 0 {
				lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
				if len(lines) != 3 || !strings.HasSuffix(lines[0], "  audit.csv") || !strings.HasPrefix(lines[2], "verified: ") {
					t.Errorf("want a line for each file and a last one, got %q", lines)
				}
			} else if o.stdout != "" {
				t.Errorf("a failure on standard output: %s", o.stdout)
			}
			if len(w.fake.calls) != 0 {
				t.Error("verify asked the server")
			}
		})
	}
}
