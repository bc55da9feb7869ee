package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
)

// logged opens a folder as lodd serve does, and returns what is in its log by then.
func logged(t *testing.T, data string) (string, error) {
	t.Helper()
	var log bytes.Buffer
	w := attackedWorld()
	w.log, w.random, w.seeds = zerolog.New(&log), rand.Reader, rand.Reader
	n, err := open(t.Context(), config{Data: data, Listen: "127.0.0.1:0", Name: "rig"}, w)
	if err != nil {
		return log.String(), err
	}
	return log.String(), n.close()
}

// A server that starts with a trial which waits for its reconciliation says so, and
// says nothing of one that doesn't.
func TestServerWarnsOfAFencedTrial(t *testing.T) {
	r := newRig(t)
	b := r.backUp()
	r.stop()
	if log, err := logged(t, r.data); err != nil || log != "" {
		t.Errorf("before the restore: %q, %v", log, err)
	}
	data, _, err := r.restore(b, nil)
	r.must(err)
	log, err := logged(t, data)
	if err != nil || !strings.Contains(log, `"trial_id":"RIG"`) || !strings.Contains(log, "lodd trial reconcile") {
		t.Errorf("%q, %v", log, err)
	}
}

// Keys without a database begin a new server that people take for the old one: the
// log says so.
func TestServerWarnsOfKeysWithoutADatabase(t *testing.T) {
	data := t.TempDir()
	if log, err := logged(t, data); err != nil || log != "" {
		t.Fatalf("a new one: %q, %v", log, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(data, "lodd.db")), os.RemoveAll(filepath.Join(data, "checkpoints"))); err != nil {
		t.Fatal(err)
	}
	if log, err := logged(t, data); err != nil || !strings.Contains(log, "neither a database nor signed heads") {
		t.Errorf("with old keys: %q, %v", log, err)
	}
}

// Signed heads that are damaged, or another server's, are named with their file and
// with what to do: by the server, the check and the restore.
func TestHeadsThatDontFitAreNamed(t *testing.T) {
	r := newRig(t)
	b := r.backUp()
	r.stop()
	head := filepath.Join(r.data, "checkpoints", "system.checkpoint")
	own, err := os.ReadFile(head)
	r.must(err)
	other := t.TempDir()
	_, err = logged(t, other)
	r.must(err)
	theirs, err := os.ReadFile(filepath.Join(other, "checkpoints", "system.checkpoint"))
	r.must(err)
	c := r.config
	c.Data = r.data
	r.must(c.check())
	for what, text := range map[string][]byte{"it is no signed checkpoint": []byte("nonsense"), "not by the key of this log": theirs, "system.checkpoint": bytes.Replace(own, []byte("\n"), []byte("x\n"), 1)} {
		r.must(os.WriteFile(head, text, 0o600))
		_, served := logged(t, r.data)
		checked := checkFolder(t.Context(), c, &bytes.Buffer{})
		_, _, restored := r.restore(b, func(o *restoreOptions) { o.checkpoints = filepath.Dir(head) })
		inPlace := restoreInPlace(t.Context(), c, restoreOptions{inPlace: true, out: &bytes.Buffer{}, world: operator(&bytes.Buffer{})})
		for name, err := range map[string]error{"serve": served, "check": checked, "restore": restored, "in place": inPlace} {
			if err == nil || strings.Count(err.Error(), head) != 1 || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "those of one server") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %s: %v", what, name, err)
			}
		}
	}
	r.must(os.WriteFile(head, own, 0o600))
	if _, err := logged(t, r.data); err != nil {
		t.Errorf("with its own again: %v", err)
	}
}

// A damaged copy is no end: the operator is told which other there may be. A folder
// of heads that holds none is named, and so is what a restore left that was killed.
func TestRestoreNamesTheNextStep(t *testing.T) {
	r := newRig(t)
	b := r.backUp()
	r.randomize(2)
	r.stop()
	b2 := r.database()
	b2[len(b2)/2] ^= 0xff
	for at := 4096 * 3; at < len(b2); at += 512 { // wherever the entries are
		b2[at] ^= 0xff
	}
	r.putBack(b2)
	if _, _, err := r.restore(b, func(o *restoreOptions) { o.log = r.data }); err == nil || !strings.Contains(err.Error(), "restore without --log") {
		t.Errorf("a damaged copy: %v", err)
	}
	empty := t.TempDir()
	if _, out, err := r.restore(b, func(o *restoreOptions) { o.checkpoints = empty }); err != nil || !strings.Contains(out, empty+" holds no signed heads") {
		t.Errorf("no heads: %v\n%s", err, out)
	}
	var out bytes.Buffer
	parent := t.TempDir()
	left := filepath.Join(parent, "new.restoring-123")
	r.must(os.Mkdir(left, 0o700))
	r.must(os.Mkdir(filepath.Join(parent, "newer.restoring-123"), 0o700))
	r.must(restore(t.Context(), filepath.Join(parent, "new"), restoreOptions{backup: b.store, keys: b.keys, identities: []string{r.identity}, out: &out, world: operator(&out)}))
	if text := out.String(); strings.Count(text, "delete it") != 1 || !strings.Contains(text, left) {
		t.Errorf("it says:\n%s", text)
	}
}

// What an earlier restore lost of the accounts is told until a copy knows of that
// restore, and not by each restore for ever.
func TestLostAccountEntriesAreToldOnce(t *testing.T) {
	const lost = "system: 1 entries more were lost by earlier restores"
	r := newRig(t)
	b := r.backUp()
	r.must(r.refuseSignIn("ada"))
	if out := r.goOn(b); !strings.Contains(out, "system: 1 entries are lost") {
		t.Fatalf("the first restore says:\n%s", out)
	}
	if out := r.goOn(b); !strings.Contains(out, lost) {
		t.Errorf("from the same backup again:\n%s", out)
	}
	r.reconcile(0)
	if out := r.goOn(r.backUp()); strings.Contains(out, "earlier restores") {
		t.Errorf("from a backup that knows of it:\n%s", out)
	}
}

// refuseSignIn adds an entry to the list of accounts.
func (r *rig) refuseSignIn(user string) error {
	_, err := r.n.ledger.People().Do(r.t.Context(), ledger.Caller{Actor: user}, func(*people.State, time.Time) ([]people.Event, error) {
		return []people.Event{people.SignInRefused{User: user}}, nil
	})
	return err
}

// What etcd keeps isn't brought back with lodd restore.
func TestAdviceForAClusterIsAboutEtcd(t *testing.T) {
	alone, member := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(member, "replica.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damage := &store.DamageError{Index: -1, Reason: "x"}
	for _, tt := range []struct {
		err         error
		with, never string
	}{
		{advised(alone, damage), "lodd restore", "etcd"},
		{advised(member, damage), "docs/etcd.md", "lodd restore"},
		{headsAdvised(config{Data: alone}, audit.ErrRolledBack), "lodd restore --in-place", "etcd"},
		{headsAdvised(config{Data: alone, Store: "etcd://localhost:1/g"}, audit.ErrRolledBack), "docs/etcd.md", "lodd restore"},
		{headsAdvised(config{Data: member}, audit.ErrRolledBack), "docs/etcd.md", "lodd restore"},
	} {
		if text := tt.err.Error(); !strings.Contains(text, tt.with) || strings.Contains(text, tt.never) {
			t.Errorf("want %q and not %q: %s", tt.with, tt.never, text)
		}
	}
}

// A failingGuard can't save while it is full.
type failingGuard struct {
	audit.FileGuard
	full atomic.Bool
}

// Save implements [audit.Guard].
func (g *failingGuard) Save(list string, checkpoint []byte) error {
	if g.full.Load() {
		return errors.New("no space left on device")
	}
	return g.FileGuard.Save(list, checkpoint)
}

// That signed heads can't be saved is told once, and once that they are again.
func TestFullDiskOfTheHeadsIsToldOnce(t *testing.T) {
	key, public, err := note.GenerateKey(rand.Reader, "rig/log")
	signer, errSigner := note.NewSigner(key)
	verifier, errVerifier := note.NewVerifier(public)
	if err := errors.Join(err, errSigner, errVerifier); err != nil {
		t.Fatal(err)
	}
	g := &failingGuard{FileGuard: audit.FileGuard{Dir: t.TempDir()}}
	g.full.Store(true)
	synctest.Test(t, func(t *testing.T) {
		s := &storetest.Memory{}
		log, err := audit.Open(t.Context(), audit.Config{Store: s, Origin: "rig", Signer: signer, Verifier: verifier, Guard: g})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(t.Context(), audit.Part{List: "system", Entries: [][]byte{[]byte("x")}}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		n := &node{log: log, values: audit.NewValues(s), checkpoints: g.Dir, world: world{log: zerolog.New(&out)}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.guard(ctx) }()
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		g.full.Store(false)
		time.Sleep(5 * time.Second)
		cancel()
		<-done
		if text := out.String(); strings.Count(text, "can't be saved") != 1 || strings.Count(text, "saved again") != 1 {
			t.Errorf("it says:\n%s", text)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
}
