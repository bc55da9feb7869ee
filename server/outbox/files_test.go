package outbox_test

import (
	"bytes"
	"errors"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/outbox"
)

// A notice is one file of the owner's, which any mail program reads; the same
// notice again changes nothing.
func TestFilesHoldEachNoticeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notices")
	f, err := outbox.NewFiles(dir, "lodd@trials.example")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Send(t.Context(), kari); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "20260302T090400Z-"+kari.ID+".eml" {
		t.Fatal(files, err)
	}
	path := filepath.Join(dir, files[0].Name())
	about, err := os.Stat(path)
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Error(about.Mode(), err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "notice.eml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Errorf("%s", got)
	}
}

// Notices of one kind have one size, and nothing in any of them but the kind and
// the trial differs.
func TestNoticesOfOneKindHaveOneSize(t *testing.T) {
	dir := t.TempDir()
	f, err := outbox.NewFiles(dir, "lodd@trials.example")
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[outbox.Kind]int64{}
	for _, k := range []outbox.Kind{outbox.ListChanged, outbox.Unblinded, outbox.Collect, outbox.BlindBroken, outbox.Proposed, outbox.TextHeld} {
		for i, id := range []string{strings.Repeat("0", 32), strings.Repeat("f", 32)} {
			n := outbox.Notice{ID: id, At: t0.Add(time.Duration(i) * 400 * time.Hour), To: "kari@hospital.example", Trial: "IPS", Kind: k}
			if err := f.Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, n.At.Format("20060102T150405Z")+"-"+id+".eml")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := mail.ReadMessage(bytes.NewReader(b)); err != nil || m.Header.Get("Subject") != "Lodd IPS" {
				t.Error(m, err)
			}
			if size, ok := sizes[k]; ok && size != int64(len(b)) {
				t.Errorf("%s: %d and %d bytes", k, size, len(b))
			}
			sizes[k] = int64(len(b))
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A folder that can't be written is no verdict on the notice.
func TestFolderThatCanNotBeWrittenRefusesNoNotice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := outbox.NewFiles(path, "lodd@trials.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), kari); err == nil || errors.Is(err, outbox.ErrRefused) {
		t.Error(err)
	}
}

// An address that is none can't be told anything, and isn't named either.
func TestAddressThatIsNoneIsRefused(t *testing.T) {
	f, err := outbox.NewFiles(t.TempDir(), "lodd@trials.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"", "kari", "kari@x\r\nBcc: olav@hospital.example"} {
		n := kari
		n.To = to
		if err := f.Send(t.Context(), n); !errors.Is(err, outbox.ErrRefused) || to != "" && strings.Contains(err.Error(), to) {
			t.Errorf("%q: %v", to, err)
		}
	}
}
