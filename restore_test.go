package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// A restore with the newest heads brings everything back, and says that nothing is
// known to be lost. That heads are the newest can't be known: the custodian says
// so, and then the log and the sequence go on where they were.
func TestRestoreOfTheNewestBackup(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			r := newRig(t)
			r.randomize(5)
			before := r.lists()
			if !running {
				r.stop()
			}
			b := r.backUp()
			r.stop()
			data, out, err := r.restore(b, func(o *restoreOptions) { o.checkpoints = filepath.Join(r.data, "checkpoints") })
			if err != nil {
				t.Fatal(err, out)
			}
			r.start(data)
			r.isRestored(before)
			if !strings.Contains(out, "nothing is known to be lost; if that is so, the custodian") {
				t.Errorf("it says:\n%s", out)
			}
			r.reconcile(0)
			r.randomize(3)
		})
	}
}

// A backup is a moment of the log, also while it is written to.
func TestBackupWhileWriting(t *testing.T) {
	r := newRig(t)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := r.tryRandomize(); err != nil {
				done <- err
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond) // so that there is something to be in the middle of
	var copies []backupFiles
	for range 3 {
		copies = append(copies, r.backUp())
	}
	close(stop)
	r.must(<-done)
	r.stop()
	for _, b := range copies {
		if data, out, err := r.restore(b, nil); err != nil {
			t.Error(err, out)
		} else {
			r.start(data)
			r.stop()
		}
	}
}

// After a restore from an older copy nobody is randomized until the custodian
// has said which slots are used up. The record keeps the head that was lost.
func TestRestoreOfAnOlderBackupFences(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprintf("heads are named %v", named), func(t *testing.T) {
			r := newRig(t)
			r.randomize(2)
			b := r.backUp()
			r.randomize(3)
			r.stop()
			data, out, err := r.restore(b, func(o *restoreOptions) {
				if named {
					o.checkpoints = filepath.Join(r.data, "checkpoints")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := "RIG/allocation: 3 entries are lost"; strings.Contains(out, want) != named || !strings.Contains(out, "lodd trial reconcile") {
				t.Errorf("it says:\n%s", out)
			}
			r.start(data)
			if _, err := r.tryRandomize(); !errors.Is(err, trial.ErrFenced) {
				t.Errorf("a randomization after the restore: %v", err)
			}
			var record fork
			files, err := filepath.Glob(filepath.Join(data, "checkpoints", "forks", "*.json"))
			r.must(err)
			if len(files) != 1 {
				t.Fatalf("records: %v", files)
			}
			text, err := os.ReadFile(files[0])
			r.must(err)
			r.must(json.Unmarshal(text, &record))
			if want := map[bool]int64{true: 3}[named]; record.lost("RIG/allocation") != want || record.Kind != "restore" {
				t.Errorf("the record: %s", text)
			}
			r.reconcile(3)
			r.randomize(1)
		})
	}
}

// Heads that are older than the backup can't be the newest.
func TestRestoreDoubtsOldHeads(t *testing.T) {
	r := newRig(t)
	r.randomize(1)
	r.stop()
	old := filepath.Join(t.TempDir(), "old")
	r.must(os.CopyFS(old, os.DirFS(filepath.Join(r.data, "checkpoints"))))
	r.start(r.data)
	r.randomize(1)
	b := r.backUp()
	_, out, err := r.restore(b, func(o *restoreOptions) { o.checkpoints = old })
	if err != nil || !strings.Contains(out, "are older than the backup") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a newer copy of the log has is taken from it, with the keys, and what it
// records as erased is erased before anything is served.
func TestRestoreWithANewerLog(t *testing.T) {
	r := newRig(t)
	first := r.randomize(1)
	key := vault.KeyID(rigTrial + "/participant/" + string(first))
	r.must(r.n.values.Put(t.Context(), "cred/tove", []byte("old")))
	b := r.backUp()
	r.must(r.n.values.Put(t.Context(), "cred/tove", []byte("new")))
	r.randomize(300) // more than one piece
	r.erase(first)
	before := r.lists()
	r.stop()
	data, out, err := r.restore(b, func(o *restoreOptions) {
		o.log, o.checkpoints = r.data, filepath.Join(r.data, "checkpoints")
	})
	if err != nil {
		t.Fatal(err, out)
	}
	r.start(data)
	r.isRestored(before)
	if value, err := r.n.values.Get(t.Context(), "cred/tove"); err != nil || string(value) != "new" {
		t.Errorf("the password that was changed is %q, %v", value, err)
	}
	gone, err := r.n.vault.Destroyed(t.Context(), key)
	if err != nil || !gone {
		t.Errorf("the key of an erased participant came back: %v", err)
	}
	r.reconcile(0)
	r.randomize(1)
}

// A copy that is older than the backup gives nothing but what the backup lacks.
func TestRestoreWithAnOlderLog(t *testing.T) {
	r := newRig(t)
	r.must(r.n.values.Put(t.Context(), "cred/tove", []byte("old")))
	r.stop()
	older := filepath.Join(t.TempDir(), "older")
	r.must(copyFiles(older, r.data))
	r.start(r.data)
	r.must(r.n.values.Put(t.Context(), "cred/tove", []byte("new")))
	r.randomize(2)
	before := r.lists()
	b := r.backUp()
	r.stop()
	data, out, err := r.restore(b, func(o *restoreOptions) {
		o.log, o.checkpoints = older, filepath.Join(r.data, "checkpoints")
	})
	if err != nil || !strings.Contains(out, "lodd: 0 entries that came after") {
		t.Fatal(err, out)
	}
	r.start(data)
	r.isRestored(before)
	if value, err := r.n.values.Get(t.Context(), "cred/tove"); err != nil || string(value) != "new" {
		t.Errorf("the password that was changed is %q, %v", value, err)
	}
}

// A copy of another past is refused, and so is one that nobody signed.
func TestRestoreRefusesALogOfAnotherPast(t *testing.T) {
	r := newRig(t)
	b := r.backUp()
	data, _, err := r.restore(b, nil) // fenced, and so of another past
	r.must(err)
	r.stop()
	r.start(data)
	r.stop()
	r.start(r.data)
	r.randomize(1)
	newer := r.backUp()
	r.stop()
	_, _, err = r.restore(newer, func(o *restoreOptions) { o.log = data })
	if err == nil || !strings.Contains(err.Error(), "another past") {
		t.Errorf("restored with the log of a fork: %v", err)
	}
	_, _, err = r.restore(newer, func(o *restoreOptions) { o.checkpoints = filepath.Join(data, "checkpoints") })
	if err == nil || !strings.Contains(err.Error(), "another past") {
		t.Errorf("restored with the heads of a fork: %v", err)
	}
	r.must(os.RemoveAll(filepath.Join(r.data, "checkpoints")))
	if _, _, err = r.restore(newer, func(o *restoreOptions) { o.log = r.data }); err == nil || !strings.Contains(err.Error(), "no signed heads") {
		t.Errorf("restored with a log that nobody signed: %v", err)
	}
}

// What can't be restored leaves nothing behind.
func TestRestoreRefusals(t *testing.T) {
	r := newRig(t)
	r.randomize(1)
	b := r.backUp()
	other := newRig(t).backUp()
	stranger, err := age.GenerateX25519Identity()
	r.must(err)
	damaged := func(change func([]byte) []byte) string {
		text, err := os.ReadFile(b.store)
		r.must(err)
		path := filepath.Join(t.TempDir(), "damaged")
		r.must(os.WriteFile(path, change(text), 0o600))
		return path
	}
	flip := func(at int) func([]byte) []byte {
		return func(text []byte) []byte {
			text[(at+len(text))%len(text)] ^= 1
			return text
		}
	}
	full := t.TempDir()
	r.must(os.WriteFile(filepath.Join(full, "file"), nil, 0o600))
	strangers := filepath.Join(t.TempDir(), "stranger")
	r.must(os.WriteFile(strangers, []byte(stranger.String()), 0o600))
	for _, tt := range []struct {
		name   string
		change func(*restoreOptions)
		say    string
	}{
		{"identity of somebody else", func(o *restoreOptions) { o.identities = []string{strangers} }, "isn't encrypted to any of the identities"},
		{"no identity", func(o *restoreOptions) { o.identities = nil }, "no identity"},
		{"cut in half", func(o *restoreOptions) { o.backup = damaged(func(b []byte) []byte { return b[:len(b)/2] }) }, "take another copy"},
		{"cut by a byte", func(o *restoreOptions) { o.backup = damaged(func(b []byte) []byte { return b[:len(b)-1] }) }, "take another copy"},
		{"a byte more", func(o *restoreOptions) { o.backup = damaged(func(b []byte) []byte { return append(b, 0) }) }, "take another copy"},
		{"first byte", func(o *restoreOptions) { o.backup = damaged(flip(0)) }, "take another copy"},
		{"byte in the middle", func(o *restoreOptions) { o.backup = damaged(flip(20_000)) }, "take another copy"},
		{"last byte", func(o *restoreOptions) { o.backup = damaged(flip(-1)) }, "take another copy"},
		{"keys for the backup", func(o *restoreOptions) { o.backup = b.keys }, "take another copy"},
		{"backup for the keys", func(o *restoreOptions) { o.keys = b.store }, "no backup of keys"},
		{"missing file", func(o *restoreOptions) { o.backup += ".gone" }, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, _, err := r.restore(b, tt.change)
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("restore = %v, want it to say %q", err, tt.say)
			}
			left, err := os.ReadDir(filepath.Dir(data))
			if err != nil || len(left) != 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
	t.Run("keys of another server", func(t *testing.T) {
		_, _, err := r.restore(backupFiles{b.store, other.keys}, nil)
		if err == nil {
			t.Error("restored")
		}
	})
	t.Run("folder in use", func(t *testing.T) {
		o := restoreOptions{backup: b.store, keys: b.keys, identities: []string{r.identity}, out: io.Discard, world: operator(io.Discard)}
		if err := restore(t.Context(), full, o); err == nil || !strings.Contains(err.Error(), "isn't empty") {
			t.Errorf("restore = %v", err)
		}
	})
}

// An older folder that was put back by hand is refused until that is recorded,
// and then served with every trial fenced.
func TestRestoreInPlace(t *testing.T) {
	r := newRig(t)
	r.randomize(2)
	r.stop()
	older, err := os.ReadFile(filepath.Join(r.data, "lodd.db"))
	r.must(err)
	r.start(r.data)
	r.randomize(3)
	r.stop()
	r.must(os.WriteFile(filepath.Join(r.data, "lodd.db"), older, 0o600))
	c := r.config
	c.Data = r.data
	_, err = open(t.Context(), c, operator(io.Discard))
	if !errors.Is(err, audit.ErrRolledBack) || !strings.Contains(err.Error(), "lodd restore --in-place") {
		t.Fatalf("the server starts on an older copy: %v", err)
	}
	r.must(c.check())
	for _, anyway := range []bool{false, true} { // it may be repeated, though by then the heads are those of the folder
		var out bytes.Buffer
		o := restoreOptions{inPlace: true, anyway: anyway, out: &out, world: operator(&out)}
		r.must(restoreInPlace(t.Context(), c, o))
		o.anyway = false
		if err := restoreInPlace(t.Context(), c, o); err == nil || !strings.Contains(err.Error(), "--anyway") {
			t.Errorf("a folder as new as its heads is fenced without a question: %v", err)
		}
		if !strings.Contains(out.String(), "nobody is randomized") {
			t.Errorf("it says:\n%s", &out)
		}
	}
	r.start(r.data)
	if _, err := r.tryRandomize(); !errors.Is(err, trial.ErrFenced) {
		t.Errorf("a randomization after the restore: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(r.data, "checkpoints", "forks", "*.json"))
	if err != nil || len(files) != 2 {
		t.Errorf("records: %v, %v", files, err)
	}
}

// Nothing is written without somebody to encrypt it to, and no file is replaced.
func TestBackupRefusals(t *testing.T) {
	r := newRig(t)
	c := r.config
	c.Data = r.data
	r.must(c.check())
	dir := t.TempDir()
	for _, recipients := range [][]string{nil, {""}, {"age1nonsense"}, {"AGE-SECRET-KEY-1"}} {
		err := backUp(t.Context(), c, backupOptions{to: dir, recipients: recipients, out: io.Discard})
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("recipients %q: %v", recipients, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(r.data, "snapshot-*")); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// A backup file shows neither an arm nor a key to whoever can't open it.
func TestBackupIsCiphertext(t *testing.T) {
	r := newRig(t)
	r.randomize(1)
	b := r.backUp()
	for _, path := range []string{b.store, b.keys} {
		text, err := os.ReadFile(path)
		r.must(err)
		if !bytes.HasPrefix(text, []byte("age-encryption.org/v1\n")) || bytes.Contains(text, []byte("usual")) || bytes.Contains(text, []byte("RIG")) {
			t.Errorf("%s is legible", path)
		}
	}
}
