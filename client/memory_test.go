package client

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// A file of the memory that was changed doesn't count as never seen.
func TestDamagedMemoryIsToldOf(t *testing.T) {
	signer, key := newSigner(t, 0)
	dir := t.TempDir()
	s := &logServer{signer: signer, origin: "lodd.test/IPS/conduct", size: 5, entry: honest, sent: -1}
	c := connect(t, func(g *grpc.Server) { loddv1.RegisterAuditServiceServer(g, s) },
		func(c *Config) { c.LogKey, c.Checkpoints = key, dir })
	m := memory{dir: dir, pin: c.config.Pin}
	if err := writePrivate(m.path("IPS/conduct"), []byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	_, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
	if _, ok := errors.AsType[*LogError](err); !ok {
		t.Errorf("error is %v, want a LogError", err)
	}
}

// Whatever became of a file of the memory, a read is refused as everything else is,
// the file stays as it is, and accepting the fork keeps it as evidence.
func TestDamagedMemoryStopsReads(t *testing.T) {
	for name, damaged := range map[string]string{"emptied": "", "garbage": "\x00\x01nonsense\n", "of another list": "lodd.test/TAU/conduct\n1\nAAAA\n"} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.must(m.exclude(m.begin(), "P1"))
			file := m.files("checkpoints/*.checkpoint")[0]
			m.must(os.WriteFile(file, []byte(damaged), 0o600))
			c := m.begin()
			f := m.wrong(m.list(c), file)
			if b, err := os.ReadFile(file); err != nil || string(b) != damaged || f.Remembered != strings.ToValidUTF8(damaged, "\ufffd") {
				t.Errorf("the file holds %q, the evidence %q, %v", b, f.Remembered, err)
			}
			e, _ := errors.AsType[*LogError](c.Check(t.Context(), "IPS"))
			if e == nil || e.Memory != file || strings.Contains(m.server.calls(), "report") {
				t.Errorf("checked: %+v", e)
			}
			moved, err := c.AcceptFork("IPS")
			m.must(err)
			if b, err := os.ReadFile(moved[0]); len(moved) != 1 || err != nil || string(b) != damaged {
				t.Errorf("moved %v: %q, %v", moved, b, err)
			}
			m.must(m.list(c))
		})
	}
}

// The memory of every compartment is found whatever its file holds.
func TestEveryCompartmentIsRemembered(t *testing.T) {
	var all []string
	for _, c := range trial.Compartments() {
		all = append(all, string(c))
	}
	if diff := cmp.Diff(all, compartments); diff != "" {
		t.Errorf("(-trial +client):\n%s", diff)
	}
}

// A process that is late overwrites nothing that it wasn't held against.
func TestMemoryTellsOfWhatWasSeenMeanwhile(t *testing.T) {
	m := memory{dir: t.TempDir(), pin: "p"}
	for _, step := range []struct{ seen, signed, other, after string }{
		{"", "1", "", "1"},
		{"", "2", "1", "1"},
		{"1", "2", "", "2"},
		{"1", "2", "", "2"},
		{"1", "3", "2", "2"},
	} {
		var seen []byte
		if step.seen != "" {
			seen = []byte(step.seen)
		}
		other, err := m.swap(t.Context(), "l", seen, []byte(step.signed))
		if after, _ := m.load("l"); err != nil || string(other) != step.other || string(after) != step.after {
			t.Errorf("%+v: other %q, after %q, %v", step, other, after, err)
		}
	}
	// A memory that was emptied stays so: somebody has accepted a fork.
	if err := os.Remove(m.path("l")); err != nil {
		t.Fatal(err)
	}
	if other, err := m.swap(t.Context(), "l", []byte("2"), []byte("4")); err != nil || other != nil {
		t.Errorf("other %q, %v", other, err)
	}
	if after, _ := m.load("l"); after != nil {
		t.Errorf("%q is remembered", after)
	}
}
