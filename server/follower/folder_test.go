package follower

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/client"
)

// A follower writes into a folder of its own and into no other: not into a
// server's, whatever else lies there, and not among files that it doesn't know.
func TestFollowerWantsAFolderOfItsOwn(t *testing.T) {
	for _, tt := range []struct {
		name, files string
		refused     string
	}{
		{"empty", "", ""},
		{"a file system's", "lost+found/", ""},
		{"one that was killed at once", "checkpoints/ .tmp-1", ""},
		{"its own", "checkpoints/system.checkpoint evidence/ follow.key lodd.db log.pub", ""},
		{"its own, without the key", "checkpoints/system.checkpoint lodd.db log.pub", ""},
		{"a new one with the old key", "follow.key", ""},
		{"a server's", "checkpoints/system.checkpoint keys/ lodd.db", "folder of a server"},
		{"a server's in which one has written", "follow.key keys/ lodd.db", "folder of a server"},
		{"a server's of a cluster", "replica.db", "folder of a server"},
		{"a server's with its keys elsewhere", "ballast lodd.db", "no follower's folder"},
		{"another", "notes.txt", "holds notes.txt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range strings.Fields(tt.files) {
				path := filepath.Join(dir, f)
				err := os.MkdirAll(filepath.Dir(path), 0o700)
				if strings.HasSuffix(f, "/") {
					err = errors.Join(err, os.MkdirAll(path, 0o700))
				} else {
					err = errors.Join(err, os.WriteFile(path, nil, 0o600))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			err := CheckFolder(dir)
			if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%v, want %q", err, tt.refused)
			}
			if err == nil {
				return
			}
			before, _ := os.ReadDir(dir)
			ran := Run(t.Context(), Config{Server: "127.0.0.1:1", Data: dir, Out: io.Discard, Now: func() time.Time { return time.Time{} }, Random: strings.NewReader("")})
			after, _ := os.ReadDir(dir)
			if ran == nil || ran.Error() != err.Error() || len(after) != len(before) {
				t.Errorf("it ran: %v, %d files became %d", ran, len(before), len(after))
			}
		})
	}
	if err := CheckFolder(filepath.Join(t.TempDir(), "new")); err != nil {
		t.Errorf("a new one: %v", err)
	}
}

// The same refusal is written down once, however often the follower is started;
// another one beside it.
func TestEvidenceIsWrittenOnce(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := &follower{config: Config{Server: "a:1", Pin: "P", Data: t.TempDir(), Now: func() time.Time { at = at.Add(time.Minute); return at }}}
	refuse := func(size int64) string {
		err := f.evidence(errors.New("forked"), map[string]any{"list": "T/conduct", "size": size, "given": "a <b>\n"}, "why")
		_, path, _ := strings.Cut(err.Error(), "the evidence is in ")
		path, _, _ = strings.Cut(path, ". Ask")
		return path
	}
	first, again, another := refuse(7), refuse(7), refuse(8)
	if first != again || first == another {
		t.Errorf("evidence in %s, %s and %s", first, again, another)
	}
	for _, path := range []string{first, another} {
		text, err := os.ReadFile(path)
		var fields struct{ Time time.Time }
		if err != nil || json.Unmarshal(text, &fields) != nil || fields.Time.IsZero() {
			t.Errorf("%s: %s, %v", path, text, err)
		}
	}
}

// Who has another pin than the one that was given is told so, and not what a
// person with an invitation is told.
func TestWrongPinIsNamed(t *testing.T) {
	f := &follower{config: Config{Server: "a:1"}}
	err := f.denied(&cutOff{&client.CertificateError{Want: "WANT", Got: "GOT"}})
	if _, person := errors.AsType[*client.CertificateError](err); person || !strings.Contains(err.Error(), "the pin WANT: its pin is GOT") {
		t.Errorf("it ends with %v", err)
	}
	if err := f.denied(&cutOff{&client.CertificateError{Host: "a", Err: errors.New("expired")}}); !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired one: %v", err)
	}
}
