package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// A rig is a server with a small trial, and the keys of its backups.
type rig struct {
	t        *testing.T
	data     string
	identity string // file
	public   string // recipient
	config   config
	n        *node
	stop     func()
	people   int // participants so far
}

const rigTrial = "RIG"

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, data: filepath.Join(dir, "data"), identity: filepath.Join(dir, "identity")}
	id, err := age.GenerateX25519Identity()
	r.must(err)
	r.must(os.WriteFile(r.identity, []byte(id.String()+"\n"), 0o600))
	r.public = id.Recipient().String()
	r.config = config{Listen: "127.0.0.1:0", Name: "rig"}
	r.start(r.data)
	t.Cleanup(func() { r.stop() })
	r.setUp()
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// start runs the server on a data folder.
func (r *rig) start(data string) {
	r.t.Helper()
	c := r.config
	c.Data = data
	n, err := open(r.t.Context(), c, world{
		now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, limits: server.Limits{PerSecond: 1e9, Burst: 1e9},
	})
	r.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }()
	r.n = n
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, n.close()); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) setUp() {
	r.t.Helper()
	by, label := ledger.Caller{Actor: "kari"}, trial.Text{EN: "x"}
	_, err := r.n.ledger.Create(r.t.Context(), by, trial.Protocol{
		ID: rigTrial, Title: label, TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "new", Label: label, Ratio: 1}, {ID: "usual", Label: label, Ratio: 1}},
		Sites:    []trial.Site{{ID: "OSL", Name: "Oslo"}},
		Visits:   []trial.Visit{{ID: "baseline", Label: label}},
		Criteria: []trial.Criterion{{ID: "adult", Want: true, Text: label}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2024, Month: 1, Day: 1}}},
	})
	r.must(err)
	_, _, err = r.trial().Seal(r.t.Context(), by, randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}})
	r.must(err)
	_, err = r.trial().Do(r.t.Context(), by, trial.EnrolmentOpened{})
	r.must(err)
}

func (r *rig) trial() *ledger.Trial {
	r.t.Helper()
	t, err := r.n.ledger.Trial(rigTrial)
	r.must(err)
	return t
}

// randomize randomizes n more participants, and returns the last.
func (r *rig) randomize(n int) (last trial.ParticipantID) {
	r.t.Helper()
	for range n {
		var err error
		last, err = r.tryRandomize()
		r.must(err)
	}
	return last
}

func (r *rig) tryRandomize() (trial.ParticipantID, error) {
	ctx, by := r.t.Context(), ledger.Caller{Actor: "tove", Role: trial.Coordinator}
	on := trial.DateOf(wall(), time.UTC).AddDays(-1)
	r.people++
	p := trial.ParticipantID(fmt.Sprintf("OSL-%05d", r.people))
	if _, err := r.trial().Screen(ctx, by, trial.Screened{
		Participant: p, Site: "OSL", On: on, Consent: trial.ConsentGiven{Version: "1", On: on},
	}, ledger.Answers{"adult": true}); err != nil {
		return p, err
	}
	var intent trial.IntentID
	_, _ = io.ReadFull(rand.Reader, intent[:]) // never fails
	by.Request = intent
	if _, err := r.trial().Do(ctx, by, trial.Prepared{Participant: p}); err != nil {
		return p, err
	}
	by.Request = trial.RequestID{}
	_, err := r.trial().Randomize(ctx, by, trial.Randomized{Participant: p, Intent: intent})
	return p, err
}

// backupFiles are the two files of a backup.
type backupFiles struct{ store, keys string }

// backUp makes a backup of the running server, or of the folder if it is stopped.
func (r *rig) backUp() backupFiles {
	r.t.Helper()
	dir := r.t.TempDir()
	c := r.config
	c.Data = r.data
	r.must(c.check())
	r.must(backUp(r.t.Context(), c, backupOptions{to: dir, recipients: []string{r.public}, out: io.Discard}))
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		r.must(err)
		if len(found) != 1 {
			r.t.Fatalf("%d files of %s", len(found), pattern)
		}
		return found[0]
	}
	return backupFiles{one("*.backup.age"), one("*.keys.age")}
}

// restore restores into a new folder and returns it with what was printed.
func (r *rig) restore(b backupFiles, change func(*restoreOptions)) (data, out string, err error) {
	r.t.Helper()
	var text bytes.Buffer
	data = filepath.Join(r.t.TempDir(), "restored")
	o := restoreOptions{backup: b.store, keys: b.keys, identities: []string{r.identity}, out: &text, world: operator(&text)}
	if change != nil {
		change(&o)
	}
	err = restore(r.t.Context(), data, o)
	return data, text.String(), err
}

// lists returns every entry of the running server.
func (r *rig) lists() map[string][][]byte { return lists(r.t, r.n) }

func (r *rig) fenced() bool {
	fenced := false
	r.must(r.trial().View(func(s *trial.State) error {
		_, fenced = s.Fence()
		return nil
	}))
	return fenced
}

// A restore with the newest heads brings everything back, and nothing is fenced;
// the log, the sequence and the erasures go on where they were.
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
			if diff := cmp.Diff(before, r.lists()); diff != "" {
				t.Errorf("the log differs:\n%s", diff)
			}
			if r.fenced() || !strings.Contains(out, "randomization goes on") {
				t.Errorf("fenced: %s", out)
			}
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
			files, err := filepath.Glob(filepath.Join(data, "forks", "*.json"))
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
			_, err = r.trial().Do(t.Context(), ledger.Caller{Actor: "kari"}, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL", Slots: 3}}})
			r.must(err)
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
	b := r.backUp()
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
	if diff := cmp.Diff(before, r.lists()); diff != "" {
		t.Errorf("the log differs:\n%s", diff)
	}
	if r.fenced() {
		t.Errorf("fenced: %s", out)
	}
	gone, err := r.n.vault.Destroyed(t.Context(), key)
	if err != nil || !gone {
		t.Errorf("the key of an erased participant came back: %v", err)
	}
	r.randomize(1)
}

func (r *rig) erase(p trial.ParticipantID) {
	r.t.Helper()
	ctx := r.t.Context()
	_, err := r.trial().Do(ctx, ledger.Caller{Actor: "tove", Role: trial.Coordinator}, trial.Withdrawn{
		Participant: p, Scope: trial.FromData, Reason: "other", On: trial.DateOf(wall(), time.UTC),
	})
	r.must(err)
	_, err = r.trial().Erase(ctx, ledger.Caller{Actor: "per", Role: trial.Investigator}, p)
	r.must(err)
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
	for range 2 { // it may be repeated
		var out bytes.Buffer
		r.must(restoreInPlace(t.Context(), c, restoreOptions{inPlace: true, out: &out, world: operator(&out)}))
		if !strings.Contains(out.String(), "nobody is randomized") {
			t.Errorf("it says:\n%s", &out)
		}
	}
	r.start(r.data)
	if _, err := r.tryRandomize(); !errors.Is(err, trial.ErrFenced) {
		t.Errorf("a randomization after the restore: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(r.data, "forks", "*.json"))
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

// cmdAgeKey writes a new identity into a file and sets a variable to its public
// half: agekey FILE NAME.
func cmdAgeKey(ts *testscript.TestScript, _ bool, args []string) {
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
	ts.Setenv(args[1], id.Recipient().String())
}
