package client

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit"
)

// newWitness returns a witness on a machine of its own, and its public key.
func newWitness(t *testing.T) (*machine, *Witness, *audit.CosignatureVerifier) {
	t.Helper()
	m := newMachine(t)
	public, err := CreateWitness(m.dir, "w.example.org", bytes.NewReader(make([]byte, 32)))
	m.must(err)
	key, err := audit.NewCosignatureVerifier(public)
	m.must(err)
	w, err := OpenWitness(m.dir)
	m.must(err)
	t.Cleanup(func() { w.Close() })
	m.config.Checkpoints = w.Checkpoints()
	m.server.entries = []string{"P1", "P2"}
	return m, w, key
}

// A witness signs what continues all that it has signed, and leaves the
// signature where others find it.
func TestWitnessAttests(t *testing.T) {
	m, w, key := newWitness(t)
	log, err := note.NewVerifier(m.config.LogKey)
	m.must(err)
	signed := func(size string) audit.Cosigned {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(m.dir, "signed", "IPS%2Fconduct", size+".checkpoint"))
		m.must(err)
		if string(b) != m.server.cosigned {
			t.Error("what is kept isn't what was left with the server")
		}
		c, err := audit.OpenCosigned(b, log, key)
		m.must(err)
		return c
	}
	v, err := w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct")
	m.must(err)
	if c := signed("2"); v.Before != -1 || c.Size != 2 || len(c.Cosignatures) != 1 || !c.Cosignatures[0].At.Equal(m.config.Now()) {
		t.Errorf("%+v, signed %+v", v, c)
	}
	m.config.Now = func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }
	_, err = w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct") // nothing new, but still the same
	m.must(err)
	if c := signed("2"); !c.Cosignatures[0].At.Equal(m.config.Now()) {
		t.Errorf("signed %+v", c)
	}
	m.server.lie(func() { m.server.entries = append(m.server.entries, "P3") })
	v, err = w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct")
	m.must(err)
	if c := signed("3"); v.Before != 2 || c.Size != 3 {
		t.Errorf("%+v, signed %+v", v, c)
	}
}

// A witness signs nothing that isn't what it was, and nothing that is empty.
func TestWitnessSignsNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(*trialServer)
		says string
	}{
		{"a log that was edited", func(s *trialServer) { s.entries[0] = "PX" }, "was rewritten"},
		{"a log that was cut", func(s *trialServer) { s.entries = s.entries[:1] }, "shorter"},
		{"a server that is ill", func(s *trialServer) { s.fail = status.Error(codes.Internal, "internal error") }, "internal error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, w, _ := newWitness(t)
			_, err := w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct")
			m.must(err)
			m.server.calls()
			m.server.lie(func() { tt.lie(m.server) })
			_, err = w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct")
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(m.server.calls(), "cosign") || len(m.files("signed/*/*")) != 1 {
				t.Errorf("%v, signed %v", err, m.files("signed/*/*"))
			}
		})
	}
	m, w, _ := newWitness(t)
	m.server.entries = nil
	if _, err := w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct"); err != nil || len(m.files("signed/*/*")) != 0 {
		t.Errorf("%v, signed %v", err, m.files("signed/*/*"))
	}
	for _, list := range []string{"..", "TAU/conduct", "IPS/shadow", "IPS/conduct/kari"} {
		if _, err := w.Attest(t.Context(), m.begin(), "IPS", list); !is[*LogError](err) || len(m.files("signed/*/*")) != 0 {
			t.Errorf("%s: %v, signed %v", list, err, m.files("signed/*/*"))
		}
	}
	m.config.Checkpoints = t.TempDir()
	if _, err := w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct"); err == nil {
		t.Error("signed by somebody else's memory")
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// A key is made once, and is its owner's alone; one process signs with it.
func TestWitnessKey(t *testing.T) {
	m, w, _ := newWitness(t)
	if _, err := CreateWitness(m.dir, "w2", bytes.NewReader(make([]byte, 32))); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a key was replaced: %v", err)
	}
	if _, err := CreateWitness(t.TempDir(), "w 2", bytes.NewReader(make([]byte, 32))); err == nil {
		t.Error("a name with a space is taken")
	}
	if _, err := OpenWitness(m.dir); !errors.Is(err, ErrWitnessBusy) {
		t.Errorf("two sign at once: %v", err)
	}
	m.must(w.Close())
	again, err := OpenWitness(m.dir)
	m.must(err)
	m.must(again.Close())
	m.must(os.Chmod(filepath.Join(m.dir, "witness.key"), 0o644))
	if _, err := OpenWitness(m.dir); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("an open key is used: %v", err)
	}
	if _, err := OpenWitness(t.TempDir()); err == nil || !strings.Contains(err.Error(), "lodd witness init") {
		t.Errorf("%v", err)
	}
}

// A witness's key that is given twice is a fault of who gives it: no head could be
// read with it, and no log was forged.
func TestWitnessIsGivenOnce(t *testing.T) {
	m, _, key := newWitness(t)
	m.config.Witnesses = []*audit.CosignatureVerifier{key, key}
	if _, err := New(m.config); err == nil || !strings.Contains(err.Error(), "w.example.org is given twice") {
		t.Errorf("%v", err)
	}
}

// Whoever accepts a fork works on with the log as it is, and keeps what shows
// that it was another.
func TestAcceptFork(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	m.must(m.exclude(c, "P2"))
	m.server.lie(func() { m.server.fail = status.Error(codes.Unavailable, "not now") })
	m.must(m.exclude(c, "P3"))
	m.server.lie(func() { m.server.fail, m.server.entries = nil, m.server.entries[:1] })
	m.wrong(m.list(m.begin()), "shorter")
	if moved, err := m.begin().AcceptFork("TAU"); err != nil || len(moved) != 0 {
		t.Errorf("of another trial %v, %v", moved, err)
	}
	moved, err := m.begin().AcceptFork("IPS")
	if err != nil || len(moved) != 2 || len(m.files("evidence/*-accepted-*")) != 2 || len(m.files("checkpoints/*.*")) != 0 {
		t.Errorf("moved %v, %v", moved, err)
	}
	c = m.begin()
	m.must(m.list(c))
	m.must(m.exclude(c, "P4"))
}
