package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
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
	r.config = config{Listen: "127.0.0.1:0", Name: "rig", SignIn: signInConfig{SecondFactor: factorOff}}
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
	_, _, err = r.trial().Seal(r.t.Context(), by, randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}, false)
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

// reconcile gives up slots as the custodian does.
func (r *rig) reconcile(slots int) {
	r.t.Helper()
	r.must(r.tryReconcile(slots))
}

func (r *rig) tryReconcile(slots int) error {
	r.t.Helper()
	var lost []trial.LostSlots
	if slots > 0 {
		lost = []trial.LostSlots{{Stratum: "OSL", Slots: slots}}
	}
	_, err := r.trial().Do(r.t.Context(), ledger.Caller{Actor: "kari"}, trial.Reconciled{Lost: lost})
	return err
}

// isRestored wants the log to be what it was, and the restore to be noted with
// nothing lost.
func (r *rig) isRestored(before map[string][][]byte) {
	r.t.Helper()
	now, list := r.lists(), rigTrial+"/conduct"
	last := len(now[list]) - 1
	e, err := entry.Unmarshal(now[list][last])
	r.must(err)
	if e.Event != (trial.Restored{}) || !r.fenced() {
		r.t.Errorf("the restore isn't noted as one that lost nothing: %+v", e.Event)
	}
	now[list] = now[list][:last]
	if diff := cmp.Diff(before, now); diff != "" {
		r.t.Errorf("the log differs:\n%s", diff)
	}
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

// cmdAgeKey writes a new identity into a file and sets a variable to its public
// half: agekey FILE NAME.
func cmdAgeKey(ts *testscript.TestScript, _ bool, args []string) {
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
	ts.Setenv(args[1], id.Recipient().String())
}
