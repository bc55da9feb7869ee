package client

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// forked returns a machine whose log was cut to its first entry, and a client
// that refuses it.
func forked(t *testing.T) (*machine, *Client) {
	t.Helper()
	m := newMachine(t)
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	m.must(m.exclude(c, "P2"))
	m.server.lie(func() { m.server.entries = m.server.entries[:1] })
	c = m.begin()
	m.wrong(m.list(c), "shorter")
	return m, c
}

// Whoever accepts a fork works on at once, and the log that was accepted counts
// from then on: the next fork is found, and can be accepted in the same second.
func TestAcceptForkLetsTheSameClientWorkOn(t *testing.T) {
	m, c := forked(t)
	for n := 1; n <= 3; n++ {
		m.wrong(m.list(c), "shorter")
		moved, err := c.AcceptFork("IPS")
		if err != nil || len(moved) != 1 || len(m.files("evidence/*-accepted-*")) != n {
			t.Fatalf("fork %d: moved %v, %v", n, moved, err)
		}
		m.must(m.list(c))
		m.must(m.exclude(c, "P4"))
		m.must(m.exclude(c, "P5"))
		m.server.lie(func() { m.server.entries = nil })
		m.wrong(m.exclude(c, "P6"), "shorter")
	}
}

// Another trial that was refused for its own log stays so; one that was refused
// for the list of accounts, which is taken along, doesn't.
func TestAcceptForkIsOfOneTrialAndTheAccounts(t *testing.T) {
	m, c := forked(t)
	c.refuse("TAU", &LogError{List: "TAU/conduct"})
	c.refuse("RHO", &LogError{List: "system"})
	if _, err := c.AcceptFork("IPS"); err != nil {
		t.Fatal(err)
	}
	m.must(m.list(c))
	for trial, refused := range map[string]bool{"TAU": true, "RHO": false} {
		if err := c.trials.of(trial).refused(); (err != nil) != refused {
			t.Errorf("%s: %v", trial, err)
		}
	}
}

// What kept an earlier acceptance from moving everything doesn't keep the next
// one from it, and until then the log is refused.
func TestAcceptForkTakesUpWhatWasLeft(t *testing.T) {
	m, c := forked(t)
	checkpoint := m.files("checkpoints/*.checkpoint")[0]
	cosigned := strings.TrimSuffix(checkpoint, checkpointSuffix) + "-0123456789abcdef" + cosignedSuffix
	m.must(os.Mkdir(cosigned, 0o700)) // can't be read as a file
	if moved, err := c.AcceptFork("IPS"); err == nil {
		t.Fatalf("moved %v", moved)
	}
	m.wrong(m.list(c), "shorter")
	m.wrong(m.list(m.begin()), "shorter")

	// The process may have ended between the copy and the removal.
	m.must(os.Remove(cosigned))
	m.must(os.WriteFile(cosigned, []byte("seen"), 0o600))
	copied := filepath.Join(m.config.Evidence, "20261121T120000Z-accepted-"+filepath.Base(cosigned))
	m.must(os.WriteFile(copied, []byte("seen"), 0o600))
	moved, err := c.AcceptFork("IPS")
	if err != nil || len(moved) != 2 || moved[0] != copied || len(m.files("evidence/*-accepted-*")) != 2 || len(m.files("checkpoints/*.*")) != 0 {
		t.Errorf("moved %v, %v", moved, err)
	}
	m.must(m.list(c))
}

// What was moved is told, though the rest could not be.
func TestAcceptForkTellsWhatItMovedIfItFails(t *testing.T) {
	m, c := forked(t)
	m.must(c.memory.keep(Receipt{List: "IPS/conduct", Index: 1}, 0))
	m.must(os.Mkdir(strings.TrimSuffix(m.files("checkpoints/*.checkpoint")[0], checkpointSuffix)+"-0123456789abcdef"+cosignedSuffix, 0o700))
	moved, err := c.AcceptFork("IPS")
	if err == nil || len(moved) != 1 || !strings.Contains(err.Error(), moved[0]) || len(m.files("checkpoints/*.receipt")) != 0 {
		t.Errorf("moved %v, %v", moved, err)
	}
}
