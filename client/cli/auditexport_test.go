package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// The log has its name only if it verifies, or if a rule is broken in it: what
// the server has signed is then evidence.
func TestAuditExport(t *testing.T) {
	broken := &audit.ArchiveError{List: "IPS/conduct", Index: 2, Reason: "it is against the rules"}
	for _, tt := range []struct {
		name           string
		replay         func(*audit.ArchiveReader) (map[string]int64, error)
		before         bool // the file exists
		lie            func(w *world)
		code           int
		kept           bool
		stdout, stderr string
	}{
		{name: "verified", replay: replays(2), kept: true, stdout: `"lists":2,"entries":3,"replayed":true,"late":0,"verified":true}`, stderr: "log.zip, verified"},
		{name: "an entry after the head of conduct", replay: replays(1), kept: true, stdout: `"replayed":false,"late":1,"verified":true}`, stderr: "log.zip, verified"},
		{name: "not the whole trial", replay: replays(-1), kept: true, stdout: `"replayed":false,"late":0,"verified":true}`, stderr: "log.zip, verified"},
		{name: "a broken rule", replay: fails(broken), code: 8, kept: true, stderr: "log.zip as evidence"},
		{name: "a failure to read", replay: fails(errors.New("the disk is gone")), code: 1, stderr: "the disk is gone"},
		{name: "a file that exists", before: true, code: 2, kept: true, stderr: "log.zip exists"},
		{name: "other entries than were signed", code: 8, stderr: "entry 1 of IPS/conduct: it isn't the entry", lie: func(w *world) {
			w.fake.answers["ListEntries"] = []proto.Message{&loddv1.ListEntriesResponse{List: "IPS/conduct", Index: 1, Entry: []byte("forged")}}
			w.fake.answers["ListCompartments"] = &loddv1.ListCompartmentsResponse{Lists: []string{"IPS/conduct"}}
		}},
		{name: "other hashes than were signed", code: 8, stderr: "list IPS/conduct: its hashes add up to", lie: func(w *world) {
			w.fake.answers["ListLeaves"] = func(req proto.Message) any {
				return &loddv1.ListLeavesResponse{Hashes: make([]byte, 32*req.(*loddv1.ListLeavesRequest).GetSize())}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.serveLog()
			w.replay = tt.replay
			if tt.lie != nil {
				tt.lie(w)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "log.zip")
			if tt.before {
				if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := w.run("audit", "export", "--out", path)
			if o.code != tt.code || !strings.Contains(o.stdout, tt.stdout) || !strings.Contains(o.stderr, tt.stderr) {
				t.Errorf("exit %d, want %d\nstdout %q, want %q\nstderr %q, want %q", o.code, tt.code, o.stdout, tt.stdout, o.stderr, tt.stderr)
			}
			files, err := os.ReadDir(dir)
			if err != nil || tt.kept != (len(files) == 1) || len(files) > 1 {
				t.Errorf("%v is in the folder, %v", files, err)
			}
			if b, err := os.ReadFile(path); tt.before && (err != nil || string(b) != "old") {
				t.Errorf("the file was overwritten: %v", err)
			}
		})
	}
}

// Without a name the file bears that of the trial.
func TestAuditExportNamesTheFile(t *testing.T) {
	w := newWorld(t, nil)
	w.serveLog()
	t.Chdir(t.TempDir())
	w.mustRun("audit", "export")
	if _, err := os.Stat("IPS-log.zip"); err != nil {
		t.Error(err)
	}
	if o := w.run("audit", "export", "other.zip"); o.code != exitUsage || !strings.Contains(o.stderr, "give it with --out") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// A file that came while the log was downloaded and verified isn't replaced.
func TestNameFileReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.zip")
	for _, content := range []string{"first", "second"} {
		f, err := os.CreateTemp(dir, ".lodd-*.part")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		if err := nameFile(f, path); errors.Is(err, fs.ErrExist) != (content == "second") {
			t.Errorf("%s: %v", content, err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "first" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// People read that the rules weren't applied, and not a number of entries.
func TestAuditExportForPeople(t *testing.T) {
	for replayed, want := range map[int64]string{-1: "the rules were not applied, since", 2: "the rules of the trial hold", 1: "1 entry that came after"} {
		w := newWorld(t, nil)
		w.serveLog()
		w.replay = replays(replayed)
		if o := w.mustRun("audit", "export", "--out", filepath.Join(t.TempDir(), "log.zip"), "-o", "table"); !strings.Contains(o.stdout, "put to the rules  ") || !strings.Contains(o.stdout, want) {
			t.Errorf("%d: %s", replayed, o.stdout)
		}
	}
}
