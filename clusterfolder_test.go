package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
)

// neverLed makes the data folder of a server in a cluster that has never led:
// a copy with one entry, and no signed heads.
func neverLed(t *testing.T) config {
	t.Helper()
	c := config{Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Name: "standby", SignIn: signInConfig{SecondFactor: factorOff}}
	n, err := open(t.Context(), c, world{
		now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.ledger.Create(t.Context(), ledger.Caller{Actor: "ada"}, smallTrial("COPIED")); err != nil {
		t.Fatal(err)
	}
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(c.Data, "replica.db")
	if err := os.Rename(filepath.Join(c.Data, "lodd.db"), copied); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(copied, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	chain := store.Part{List: "#batches", Records: [][]byte{make([]byte, 32)}}
	if err := errors.Join(db.Append(t.Context(), chain), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(c.Checkpoints); err != nil {
		t.Fatal(err)
	}
	return c
}

// A server that has never led has signed nothing; that is no damage. The rest is
// checked all the same.
func TestCheckOfAServerThatHasNeverLed(t *testing.T) {
	c := neverLed(t)
	var out bytes.Buffer
	if err := checkFolder(t.Context(), c, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, want := range []string{"COPIED/conduct", "this server has never led: no signed heads to compare", "every entry bears this server's code"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the check doesn't say %q:\n%s", want, &out)
		}
	}
}

// The folder of a server in a cluster is not backed up or restored by itself,
// and the operator is told what is.
func TestBackupAndRestoreKnowClusters(t *testing.T) {
	c := neverLed(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := filepath.Join(t.TempDir(), "backups")
	backedUp := backUp(t.Context(), c, backupOptions{to: to, recipients: []string{identity.Recipient().String()}, out: &out})
	restored := restoreInPlace(t.Context(), c, restoreOptions{world: operator(&out), out: &out})
	for what, err := range map[string]error{"backup": backedUp, "restore --in-place": restored} {
		if err == nil || !strings.Contains(err.Error(), "one of a cluster") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		t.Errorf("a backup that failed leaves %v, %v", left, err)
	}
}

// Only a server that was stopped while it waited has ended well: what its store
// says, and that its keys are others', is more than that.
func TestOnlyWaitingEndsWell(t *testing.T) {
	otherKeys := errors.New("other keys")
	stopped := errors.Join(errors.New("wait for the lead"), context.Canceled)
	damage := &store.DamageError{Index: -1, Reason: "x"}
	for name, tt := range map[string]struct{ cause, err, want error }{
		"stopped":                {context.Canceled, stopped, errStoodBy},
		"other keys":             {otherKeys, stopped, otherKeys},
		"damaged":                {nil, damage, damage},
		"stopped and damaged":    {context.Canceled, errors.Join(stopped, damage), damage},
		"stopped and unknown":    {context.Canceled, errors.Join(stopped, store.ErrUnknown), store.ErrUnknown},
		"stopped and disk fails": {context.Canceled, os.ErrPermission, os.ErrPermission},
	} {
		if err := waitEnded(tt.cause, tt.err); !errors.Is(err, tt.want) || tt.want != errStoodBy && errors.Is(err, errStoodBy) { //nolint:errorlint // it is the sentinel itself
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// A server whose start failed for another reason doesn't end well because it was
// stopped meanwhile.
func TestStopHidesNoFailedStart(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "replica.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := serve(ctx, config{Data: data, Listen: "127.0.0.1:0"}, &out); err == nil || strings.Contains(out.String(), "stopped") {
		t.Errorf("serve: %v, it says %q", err, &out)
	}
}
