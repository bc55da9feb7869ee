package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// lookAndAssess assesses a participant whom it has looked for, as a service does.
func lookAndAssess(w *world, by ledger.Caller, id trial.ParticipantID) error {
	if err := w.trial().Ahead(func(s *trial.State) error {
		if _, ok := s.Participant(id); !ok {
			return errors.New("the participant isn't there")
		}
		return nil
	}); err != nil {
		return err
	}
	_, err := w.trial().Do(w.Context(), by, trial.EligibilityAssessed{Participant: id, Eligible: true, Sealed: make([]byte, 40)})
	return err
}

// While a command is on its way to the disk, nobody is shown what it changes, nor
// refused for it, and who gave it isn't answered, also if the caller's context ends
// meanwhile: what is queued is done. Only Ahead shows the state as it will be.
func TestNobodySeesWhatIsNotDurable(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	begun, release := make(chan struct{}), make(chan struct{})
	m.FailAppend = func(...store.Part) error {
		close(begun)
		<-release
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	answered, seen, refused := make(chan error, 1), make(chan bool, 1), make(chan error, 1)
	by := w.as(trial.Coordinator)
	go func() {
		_, err := w.trial().Do(ctx, by, trial.Excluded{Participant: "X1", Site: "OSLO", Reason: "other"})
		answered <- err
	}()
	<-begun
	cancel()
	there := func(s *trial.State) bool { _, ok := s.Participant("X1"); return ok }
	if err := w.trial().Ahead(func(s *trial.State) error {
		if !there(s) {
			t.Error("Ahead doesn't look ahead")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	no := errors.New("no")
	go func() { seen <- view(w, there) }()
	go func() { refused <- w.trial().Ahead(func(*trial.State) error { return no }) }()
	select {
	case err := <-answered:
		t.Errorf("answered before the write had ended: %v", err)
		answered <- err
	case shown := <-seen:
		t.Errorf("looked at before the write had ended: %t", shown)
		seen <- true
	case err := <-refused:
		t.Errorf("refused before the write had ended: %v", err)
		refused <- err
	case <-time.After(50 * time.Millisecond): // whoever looks waits for the disk
	}
	m.FailAppend = nil // the append that waits has read it
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("a command that was queued when its context ended: %v", err)
	}
	if !<-seen {
		t.Error("a durable command isn't shown")
	}
	if err := <-refused; !errors.Is(err, no) {
		t.Errorf("refused with %v", err)
	}
}

// If the write fails, whoever looked ahead at it is refused by the state that is
// left, and the refusal of who looked ahead in vain is of that state, too.
func TestWhoLookedAheadInVainIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		g := shut(m, full())
		var callers sync.WaitGroup
		by := w.as(trial.Coordinator)
		callers.Go(func() {
			if _, err := w.trial().Do(t.Context(), by, screened("P1")); !errors.Is(err, ledger.ErrFull) {
				t.Errorf("screening on a full disk: %v", err)
			}
		})
		synctest.Wait()
		next := w.as(trial.Coordinator)
		callers.Go(func() { // is queued, since the participant is there ahead of the disk
			if err := lookAndAssess(w, next, "P1"); !errors.Is(err, trial.ErrNotFound) {
				t.Errorf("assessing who was never screened: %v", err)
			}
		})
		synctest.Wait()
		close(g.open)
		callers.Wait()
		m.FailAppend = nil
		if n := len(of[trial.EligibilityAssessed](w)); n != 0 {
			t.Errorf("%d assessments of a participant who isn't there", n)
		}
	})
}

// Commands that look at the state before they are queued still share a write: 64
// callers, each of whom looks for a participant, make two appends.
func TestCommandsThatLookFirstShareAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		for i := range 64 {
			w.must(w.trial().Screen(t.Context(), w.as(trial.Coordinator), screened(trial.ParticipantID(fmt.Sprintf("P%d", i))), nil))
		}
		writes := m.Writes()
		g := shut(m, nil)
		var callers sync.WaitGroup
		for i := range 64 {
			by := w.as(trial.Coordinator)
			callers.Go(func() {
				if err := lookAndAssess(w, by, trial.ParticipantID(fmt.Sprintf("P%d", i))); err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		close(g.open)
		callers.Wait()
		m.FailAppend = nil
		if got := m.Writes() - writes; got != 2 {
			t.Errorf("%d appends for 64 commands, want 2", got)
		}
	})
}
