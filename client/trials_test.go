package client

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A noticed context tells when somebody begins to wait for its end.
type noticed struct {
	context.Context
	waits func()
}

func (n noticed) Done() <-chan struct{} {
	n.waits()
	return n.Context.Done()
}

// crowd lets one call check the log and, while it does, others wait for it.
// Before the first check goes on, it calls goOn with the way to cancel that call,
// and it returns the errors of the others.
func (m *machine) crowd(n int, goOn func(cancelFirst func())) []error {
	m.t.Helper()
	var once sync.Once
	checking, held := make(chan struct{}), make(chan struct{})
	m.server.lie(func() {
		m.server.hold = func(ctx context.Context) {
			first := false
			once.Do(func() { first = true })
			if !first {
				return
			}
			close(checking)
			select {
			case <-held:
			case <-ctx.Done():
			}
		}
	})
	c := m.begin()
	list := func(ctx context.Context) error {
		_, err := c.Screening().ListParticipants(ctx, &loddv1.ListParticipantsRequest{TrialId: "IPS"})
		return err
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	var calls, waiting sync.WaitGroup
	calls.Go(func() {
		if err := list(ctx); err == nil && ctx.Err() != nil {
			m.t.Error("a call that was cancelled succeeds")
		}
	})
	<-checking
	errs := make([]error, n)
	waiting.Add(n)
	for i := range errs {
		calls.Go(func() { errs[i] = list(noticed{m.t.Context(), sync.OnceFunc(waiting.Done)}) })
	}
	waiting.Wait()
	goOn(cancel)
	close(held)
	calls.Wait()
	return errs
}

// Whoever waits for the check of another call is as well protected as that call,
// though that one was given up.
func TestCallsDoNotGoOnUncheckedIfTheFirstIsGivenUp(t *testing.T) {
	for _, lie := range []bool{false, true} {
		m := newMachine(t)
		m.must(m.exclude(m.begin(), "P1"))
		m.server.calls()
		if lie {
			m.server.lie(func() { m.server.entries = nil })
		}
		for _, err := range m.crowd(4, func(cancelFirst func()) { cancelFirst() }) {
			if _, refused := errors.AsType[*LogError](err); refused != lie || !lie && err != nil {
				t.Errorf("lie is %t, error is %v", lie, err)
			}
		}
		if asked := m.server.calls(); strings.Count(asked, "checkpoint") != 2 || lie && strings.Contains(asked, "participants") {
			t.Errorf("asked %q", asked)
		}
	}
}

// What was seen and can't be read keeps all calls from working, and not the
// first alone.
func TestCallsDoNotGoOnUncheckedIfTheMemoryCannotBeRead(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.must(os.WriteFile(filepath.Join(m.dir, "checkpoints", "x.receipt"), []byte("{}"), 0o600))
	m.server.calls()
	for _, err := range m.crowd(4, func(func()) {}) {
		if err == nil || !strings.Contains(err.Error(), "x.receipt can't be read") {
			t.Errorf("error is %v", err)
		}
	}
	if asked := m.server.calls(); strings.Contains(asked, "participants") {
		t.Errorf("asked %q", asked)
	}
}

// A server that can't be asked is asked once for all who wait: a check must not
// keep anybody from working, one after the other.
func TestServersThatCannotBeAskedAreAskedOnce(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.server.calls()
	m.server.lie(func() { m.server.fail = status.Error(codes.Unavailable, "not now") })
	for _, err := range m.crowd(4, func(func()) {}) {
		m.must(err)
	}
	if asked := m.server.calls(); strings.Count(asked, "checkpoint") != 1 || strings.Count(asked, "participants") != 5 || len(m.unchecked) != 1 {
		t.Errorf("asked %q, told %v", asked, m.unchecked)
	}
}

// The list of accounts is of every trial: whoever has seen it finds it as it was, or
// makes no call.
func TestAnotherListOfAccountsIsRefusedBeforeTheFirstCall(t *testing.T) {
	m := newMachine(t)
	m.server.entries = []string{"A1", "A2", "A3"}
	_, err := m.begin().VerifyList(t.Context(), "IPS", "system", nil)
	m.must(err)
	m.must(m.list(m.begin()))
	m.server.calls()
	m.server.lie(func() { m.server.entries[1] = "AX" })
	if f := m.wrong(m.list(m.begin()), "was rewritten since it had 3"); f.List != "system" {
		t.Errorf("evidence is of %s", f.List)
	}
	if asked := m.server.calls(); strings.Contains(asked, "participants") {
		t.Errorf("asked %q", asked)
	}
}

// A call that is given up doesn't wait for the check of another one.
func TestCallsThatAreGivenUpDoNotWait(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	ctx, cancel := context.WithCancel(t.Context())
	c := m.begin()
	checked := &running{ended: make(chan struct{})} // never
	c.trials.of("IPS").running = checked
	_, err := c.Screening().ListParticipants(noticed{ctx, cancel}, &loddv1.ListParticipantsRequest{TrialId: "IPS"})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNotReached) {
		t.Errorf("error is %v", err)
	}
}
