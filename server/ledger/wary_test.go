package ledger_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// counting counts the readings of lists.
type counting struct {
	*storetest.Memory
	reads atomic.Int64
}

func (c *counting) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	c.reads.Add(1)
	return c.Memory.Read(ctx, list, lo, hi)
}

func full(...store.Part) error { return store.ErrFull }

// On a full disk the first command that fails may cost a reading of the trial,
// but those after it don't; and whatever comes first when there is room again is
// carried out as ever: a step of the clock, a lock, a randomization.
func TestFullDiskCostsOneReading(t *testing.T) {
	s := &counting{Memory: &storetest.Memory{}}
	w := recruiting(t, s)
	commit := w.ready("P1")
	s.FailAppend = full
	fail := func(e trial.Event, role trial.Role) {
		t.Helper()
		if _, err := w.trial().Do(t.Context(), w.as(role), e); !errors.Is(err, ledger.ErrFull) {
			t.Errorf("%T: %v", e, err)
		}
	}
	fail(trial.Locked{}, trial.Monitor)
	before := s.reads.Load()
	for range 20 {
		fail(commit, trial.Coordinator)
		fail(trial.Locked{}, trial.Monitor)
	}
	w.add(-time.Minute)
	fail(trial.Locked{}, trial.Monitor)
	if n := s.reads.Load() - before; n != 0 {
		t.Errorf("%d readings of the log for 41 commands", n)
	}
	for _, e := range []trial.Event{trial.Locked{}, commit, trial.Locked{}} {
		s.FailAppend = full
		fail(trial.Locked{}, trial.Monitor)
		s.FailAppend = nil
		w.do(trial.Coordinator, e)
	}
	if n, m := len(of[trial.Locked](w)), len(of[trial.ClockSteppedBack](w)); n != 2 || m != 1 {
		t.Errorf("%d locks and %d steps of the clock", n, m)
	}
	checkAllocations(t, w, 1)
}

// Another writer came first: nothing was written, so nobody has to wonder. The
// command is decided again on what is there now, and refused as busy if that
// happens twice.
func TestConflictIsDecidedAgain(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	other := func(p trial.ParticipantID) {
		list := "IPS/conduct"
		w.forge(list, w.authentic(list, w.log.Len(list), w.written(trial.Excluded{Participant: p, Site: "OSLO", Reason: "other"}, 0)))
	}
	exclude := func(p trial.ParticipantID) error {
		_, err := w.trial().Do(t.Context(), w.as(trial.Coordinator), trial.Excluded{Participant: p, Site: "OSLO", Reason: "other"})
		return err
	}
	w.asked = func() { other("X1") }
	if err := exclude("X2"); err != nil {
		t.Errorf("once: %v", err)
	}
	w.asked = func() { other("X3") }
	if err := exclude("X3"); err == nil || errors.Is(err, ledger.ErrUnknown) || errors.Is(err, ledger.ErrBusy) {
		t.Errorf("what the other did: %v", err)
	}
	w.asked = func() {
		other("X4")
		w.asked = func() { other("X5") }
	}
	if err := exclude("X6"); !errors.Is(err, ledger.ErrBusy) || errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("twice: %v", err)
	}
	if err := exclude("X6"); err != nil {
		t.Errorf("after that: %v", err)
	}
	if got := view(w, (*trial.State).Flow).Screened; got != 6 {
		t.Errorf("%d screened, want 6", got)
	}
}

// The same with people.
func TestConflictOfPeopleIsDecidedAgain(t *testing.T) {
	w := staffed(t, &storetest.Memory{})
	other := func() {
		at := w.log.Len(ledger.System)
		w.forge(ledger.System, w.authentic(ledger.System, at, w.written(people.SignInRefused{}, 0)))
	}
	w.asked = other
	if err := w.enter(people.SignedIn{Session: "s1"}); err != nil {
		t.Errorf("once: %v", err)
	}
	w.asked = func() {
		other()
		w.asked = other
	}
	if err := w.enter(people.SignedIn{Session: "s2"}); !errors.Is(err, ledger.ErrBusy) || errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("twice: %v", err)
	}
	if n := w.log.Len(ledger.System); n != 7 {
		t.Errorf("%d entries, want 7", n)
	}
}

// A panic in a commit ends neither the server nor the other trials, and what it
// says, which may name a participant, is told to nobody.
func TestOwnerSurvivesAPanic(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	other := protocol()
	other.ID = "TAU"
	if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), other); err != nil {
		t.Fatal(err)
	}
	w.asked = func() { panic("participant P1") }
	for range 2 {
		_, err := w.trial().Do(t.Context(), w.as(trial.Coordinator), screened("P1"))
		if !errors.Is(err, ledger.ErrUnknown) || !strings.Contains(err.Error(), "panic of type string") || strings.Contains(err.Error(), "P1") {
			t.Errorf("the command: %v", err)
		}
	}
	tau, err := w.ledger.Trial("TAU")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tau.Do(t.Context(), w.as(trial.Monitor), trial.Locked{}); err != nil {
		t.Errorf("another trial: %v", err)
	}
	w.reopen().do(trial.Coordinator, screened("P1"))
}

// While a trial is created, which takes as long as the disk does, the others go
// on.
func TestCreatingHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		g := shut(m, nil)
		other := protocol()
		other.ID = "TAU"
		by := w.as(trial.Administrator)
		var creating sync.WaitGroup
		creating.Go(func() {
			if _, err := w.ledger.Create(t.Context(), by, other); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if got := len(w.ledger.Trials()); got != 1 {
			t.Errorf("%d trials before the second is durable", got)
		}
		if _, err := w.ledger.Trial("TAU"); !errors.Is(err, trial.ErrNotFound) {
			t.Errorf("the second: %v", err)
		}
		close(g.open)
		creating.Wait()
		m.FailAppend = nil
		if got := len(w.ledger.Trials()); got != 2 {
			t.Errorf("%d trials", got)
		}
	})
}

// A clock that was set back is noted by a trial in which nothing happened since,
// for something did elsewhere; also after a restart.
func TestAUD06ClockSteppingBackIsNoticedAcrossTrials(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := recruiting(t, &storetest.Memory{})
		w.add(2 * time.Hour)
		latest := w.now()
		if err := w.enter(people.SignInRefused{}); err != nil {
			t.Fatal(err)
		}
		if restarted {
			w = w.reopen()
		}
		w.add(-time.Hour)
		w.do(trial.Coordinator, trial.Excluded{Participant: "X1", Site: "OSLO", Reason: "other"})
		steps := of[trial.ClockSteppedBack](w)
		if len(steps) != 1 || steps[0].Event != (trial.ClockSteppedBack{By: time.Hour}) || !steps[0].At.Equal(latest) {
			t.Errorf("restarted %t: steps %+v", restarted, steps)
		}
	}
}
