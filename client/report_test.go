package client

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A server that was brought back from an older copy doesn't know it. The first
// client that does shows it the head that it has lost, before it says so itself,
// so that nobody is randomized on top of the older copy; and only once.
func TestLeakL25OlderCopyIsToldWhatItLacks(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		lie        func(s *trialServer)
	}{
		{"shorter", "has become shorter", func(s *trialServer) { s.entries = s.entries[:1] }},
		{"grown since", "was rewritten since it had 2", func(s *trialServer) { s.entries = append(s.entries[:1:1], "B", "C") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			m.must(m.exclude(c, "P1"))
			m.must(m.exclude(c, "P2"))
			m.server.calls()
			m.server.lie(func() { tt.lie(m.server) })
			c = m.begin()
			err := m.list(c)
			found := m.wrong(err, tt.says)
			if wrong, ok := errors.AsType[*LogError](err); !ok || !wrong.Behind {
				t.Errorf("the server is behind, and the error is %+v", wrong)
			}
			if !strings.Contains(err.Error(), "; the server was shown this: it randomizes nobody before the loss is reconciled") {
				t.Errorf("error is %v", err)
			}
			if !slices.Equal(m.server.reported, []string{found.Remembered}) {
				t.Errorf("reported %q, remembered %q", m.server.reported, found.Remembered)
			}
			if asked := m.server.calls(); strings.Contains(asked, "participants") || strings.Count(asked, "report") != 1 {
				t.Errorf("asked %q", asked)
			}
			m.wrong(m.list(c), tt.says)
			if asked := m.server.calls(); asked != "" {
				t.Errorf("asked %q of a server that was found out", asked)
			}
		})
	}
}

// A witness that finds an older copy shows it, too, and signs nothing.
func TestLeakL25OlderCopyIsToldByAWitness(t *testing.T) {
	m, w, _ := newWitness(t)
	_, err := w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct")
	m.must(err)
	m.server.lie(func() { m.server.entries, m.server.asked = m.server.entries[:0], nil })
	_, err = w.Attest(t.Context(), m.begin(), "IPS", "IPS/conduct")
	m.wrong(err, "has become shorter")
	if asked := m.server.calls(); asked != "checkpoint report" {
		t.Errorf("asked %q", asked)
	}
}

// That the server can't be told, or says that all is well, changes nothing about
// what was found, and is said.
func TestFindingsStandWhateverTheServerSaysOfThem(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	seen, err := c.seen("IPS/conduct")
	m.must(err)
	f := finding{List: "IPS/conduct", Problem: "x", Remembered: seen.signed}
	if e := c.lost(t.Context(), "IPS", f); e.Reported != "the server was shown this and says that it has all of it" {
		t.Errorf("it has it: %v", e)
	}
	m.server.lie(func() { m.server.fail = status.Error(codes.Unimplemented, "older") })
	if e := c.lost(t.Context(), "IPS", f); !strings.Contains(e.Error(), "; the server could not be told and may go on randomizing (") {
		t.Errorf("it can't be told: %v", e)
	}
	f.Remembered = ""
	if e := c.lost(t.Context(), "IPS", f); e.Reported != "" {
		t.Errorf("nothing to show: %v", e)
	}
	m.server.lie(func() { m.server.fail, m.server.entries = nil, nil })
	if wrong, ok := errors.AsType[*LogError](m.list(m.begin())); !ok || !wrong.Shorter {
		t.Errorf("and the log is still found shorter: %v", wrong)
	}
}
