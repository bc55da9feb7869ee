package client

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// What is asked beside a call is a few short questions: one before the first
// call about a trial if something is remembered, one more if it has grown, and
// one after each receipt.
func TestChecksCostAFewCalls(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return m.list(c) }, "participants"},
		{func() error { return m.exclude(c, "P1") }, "exclude inclusion 0"},
		{func() error { return m.exclude(c, "P2") }, "exclude inclusion 1"},
		{func() error { return m.list(c) }, "participants"},
		{func() error { c = m.begin(); return m.list(c) }, "checkpoint participants"},
		{func() error {
			m.server.lie(func() { m.server.entries = append(m.server.entries, "of others") })
			return m.list(c)
		}, "participants"},
		{func() error { c = m.begin(); return m.list(c) }, "checkpoint consistency participants"},
		{func() error { return m.exclude(c, "P3") }, "exclude inclusion 3"},
	} {
		m.must(step.do())
		if got := m.server.calls(); got != step.want {
			t.Errorf("asked %q, want %q", got, step.want)
		}
	}
	if len(m.unchecked) != 0 || len(m.files("checkpoints/*.checkpoint")) != 1 {
		t.Errorf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
	}
}

// A client that has seen a log refuses every other one before it makes a call,
// and goes on refusing.
func TestAnotherLogIsRefusedBeforeTheFirstCall(t *testing.T) {
	stranger, _ := newSigner(t, 99)
	for _, tt := range []struct {
		name    string
		lie     func(*trialServer)
		says    string
		shorter bool
	}{
		{"cut", func(s *trialServer) { s.entries = s.entries[:2] }, "shorter: 2 entries, but 3", true},
		{"emptied", func(s *trialServer) { s.entries = nil }, "shorter: 0 entries, but 3", true},
		{"edited", func(s *trialServer) { s.entries[1] = "PX" }, "was rewritten since it had 3", false},
		{"edited and grown", func(s *trialServer) { s.entries = append(s.entries, "P4", "P5"); s.entries[0] = "PX" }, "was rewritten since it had 3", false},
		{"reordered", func(s *trialServer) { s.entries[0], s.entries[1] = s.entries[1], s.entries[0] }, "was rewritten since it had 3", false},
		{"signed by another", func(s *trialServer) { s.signer = stranger }, "the checkpoint that the server gave", false},
		{"not shown", func(s *trialServer) { s.fail = status.Error(codes.NotFound, "no such thing") }, "doesn't show this list", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			remembered := m.files("checkpoints/*.checkpoint")
			before, err := os.ReadFile(remembered[0])
			m.must(err)
			m.server.calls()
			m.server.lie(func() { tt.lie(m.server) })

			c = m.begin()
			f := m.wrong(m.list(c), tt.says)
			if e, _ := errors.AsType[*LogError](m.list(c)); e.Shorter != tt.shorter {
				t.Errorf("shorter is %t", e.Shorter)
			}
			if m.server.fail == nil && f.Remembered != string(before) {
				t.Errorf("evidence remembers %q, want %q", f.Remembered, before)
			}
			m.wrong(m.exclude(c, "P9"), tt.says)
			_, err = c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if err == nil {
				t.Error("verified")
			}
			if asked := m.server.calls(); strings.Contains(asked, "participants") || strings.Contains(asked, "exclude") {
				t.Errorf("asked %q", asked)
			}
			again := m.begin()
			m.wrong(m.list(again), tt.says)
			if got := m.files("evidence/*"); len(got) != 1 {
				t.Errorf("the same was found twice and written to %v", got)
			}
			after, err := os.ReadFile(remembered[0])
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("what was seen is %q now, %v", after, err)
			}
		})
	}
}

// A stream of answers is begun only with a log that is what it was.
func TestStreamsAreRefusedToo(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.server.lie(func() { m.server.entries[0] = "PX" })
	m.server.calls()
	_, err := m.begin().Audit().ListLeaves(t.Context(), &loddv1.ListLeavesRequest{TrialId: "IPS", List: "IPS/conduct", Size: 1})
	m.wrong(err, "was rewritten")
	if asked := m.server.calls(); asked != "checkpoint report" {
		t.Errorf("asked %q", asked)
	}
}

// A log that is changed while a program runs is found at its next write, though
// the entry that it wrote is there.
func TestAnotherLogIsRefusedAfterAWrite(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(*trialServer)
		says string
	}{
		{"edited", func(s *trialServer) { s.entries[1] = "PX" }, "was rewritten since it had 3"},
		{"cut", func(s *trialServer) { s.entries = s.entries[:1] }, "shorter: 2 entries, but 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			m.server.lie(func() { tt.lie(m.server) })
			m.wrong(m.exclude(c, "P4"), tt.says)
			m.wrong(m.list(c), tt.says)
		})
	}
}

// A promise that the log doesn't keep is found at once, and ends the work on
// that trial.
func TestReceiptsThatDoNotHold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		promise func(*loddv1.Receipt) *loddv1.Receipt
		says    string
	}{
		{"another entry", func(r *loddv1.Receipt) *loddv1.Receipt { r.LeafHash[0] ^= 1; return r }, "receipt for entry 1, but its log of 2 entries doesn't hold it"},
		{"another place", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = 0; return r }, "receipt for entry 0"},
		{"a place to come", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = 7; return r }, "receipt for entry 7, but its log of 2 entries"},
		{"no place", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = -1; return r }, "entry -1"},
		{"half a hash", func(r *loddv1.Receipt) *loddv1.Receipt { r.LeafHash = r.LeafHash[:16]; return r }, "leaf hash of 16 bytes"},
		{"another trial", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "TAU/conduct"; return r }, `of the list "TAU/conduct"`},
		{"the list of accounts", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "system"; return r }, `of system, where no entry "excluded" stands`},
		{"a list that no trial has", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "IPS/shadow"; return r }, `"IPS/shadow", which is no compartment`},
		{"a list that belongs to a list", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "IPS/conduct/kari"; return r }, `"IPS/conduct/kari", which is no compartment`},
		{"another compartment", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "IPS/outcome"; return r }, `of IPS/outcome, where no entry "excluded" stands`},
		{"no receipt", func(*loddv1.Receipt) *loddv1.Receipt { return nil }, "leaf hash of 0 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			m.must(m.exclude(c, "P1"))
			m.server.lie(func() { m.server.receipt = tt.promise })
			f := m.wrong(m.exclude(c, "P2"), tt.says)
			if strings.Contains(tt.says, "receipt for") && (f.Receipt == nil || f.Given == "" || f.Remembered == "") {
				t.Errorf("evidence %+v", f)
			}
			m.server.calls()
			m.wrong(m.list(c), tt.says)
			if asked := m.server.calls(); asked != "" {
				t.Errorf("asked %q after the finding", asked)
			}
		})
	}
}

// A proof that can't be had takes nothing back: the user is told, and the
// receipt is checked when the server can be asked again, by another process or
// after the next write.
func TestReceiptsWaitForTheNextChance(t *testing.T) {
	ill := status.Error(codes.Unavailable, "not now")
	for _, tt := range []struct {
		name string
		next func(m *machine, c *Client) error
		want string
	}{
		{"the next session", func(m *machine, _ *Client) error { return m.list(m.begin()) }, "inclusion 0 participants"},
		{"the next write", func(m *machine, c *Client) error { return m.exclude(c, "P2") }, "exclude inclusion 1 inclusion 0"},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lost %t", tt.name, lost), func(t *testing.T) {
				m := newMachine(t)
				c := m.begin()
				m.must(m.list(c))
				m.server.lie(func() { m.server.fail = ill })
				m.must(m.exclude(c, "P1"))
				if len(m.unchecked) != 1 || m.unchecked[0].List != "IPS/conduct" || m.unchecked[0].Index != 0 || m.unchecked[0].Err == nil || len(m.files("checkpoints/*.receipt")) != 1 {
					t.Fatalf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
				}
				m.must(m.list(m.begin())) // the server is still ill: nobody is kept from working
				m.server.calls()
				m.server.lie(func() {
					if m.server.fail = nil; lost {
						m.server.entries[0] = "another"
					}
				})
				err := tt.next(m, c)
				if lost {
					m.wrong(err, "receipt for entry 0")
					return
				}
				m.must(err)
				if got := m.server.calls(); got != tt.want || len(m.files("checkpoints/*.receipt")) != 0 {
					t.Errorf("asked %q, want %q; files %v", got, tt.want, m.files("checkpoints/*"))
				}
			})
		}
	}
}

// An account that may not see a list asks for it once, and works on. Its
// receipt waits for one that may.
func TestReceiptsOfListsThatAreNotShownWait(t *testing.T) {
	m := newMachine(t)
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	m.must(m.exclude(c, "P2"))
	m.must(m.list(c))
	if got := m.server.calls(); got != "exclude inclusion 0 exclude inclusion 1 participants" || len(m.unchecked) != 2 {
		t.Errorf("asked %q, unchecked %v", got, m.unchecked)
	}
	c = m.begin()
	m.must(m.list(c))
	m.must(m.list(c))
	if got := m.server.calls(); got != "inclusion 0 participants participants" {
		t.Errorf("asked %q", got)
	}
	m.server.lie(func() { m.server.fail = nil })
	m.must(m.list(m.begin()))
	if got := m.server.calls(); got != "inclusion 0 inclusion 1 participants" || len(m.files("checkpoints/*.receipt")) != 0 {
		t.Errorf("asked %q, files %v", got, m.files("checkpoints/*"))
	}
}

// Many calls at once wait for one check, and are all refused by it.
func TestCallsAtOnceShareOneCheck(t *testing.T) {
	for _, lie := range []bool{false, true} {
		m := newMachine(t)
		m.must(m.exclude(m.begin(), "P1"))
		m.server.calls()
		if lie {
			m.server.lie(func() { m.server.entries = nil })
		}
		c := m.begin()
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = m.list(c) })
		}
		wg.Wait()
		for _, err := range errs {
			if _, refused := errors.AsType[*LogError](err); refused != lie {
				t.Errorf("error is %v", err)
			}
		}
		if got := strings.Count(m.server.calls(), "checkpoint"); got != 1 {
			t.Errorf("%d checks", got)
		}
	}
}

// What was seen and can't be read is no reason to work without it.
func TestUnreadableMemoryIsToldOf(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.must(os.WriteFile(filepath.Join(m.dir, "checkpoints", "x.receipt"), []byte("{}"), 0o600))
	err := m.list(m.begin())
	if _, ok := errors.AsType[*LogError](err); ok || err == nil || !strings.Contains(err.Error(), "x.receipt can't be read") {
		t.Errorf("error is %v", err)
	}
}
