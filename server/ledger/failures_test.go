package ledger_test

import (
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

// With a full disk nothing is written and nothing remembered; once there is
// room, the same request gets the slot that it would have had.
func TestRandomizationOnAFullDiskChangesNothing(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	commit, by := w.ready("P1"), w.as(trial.Coordinator)
	before, flow := len(w.entries()), view(w, (*trial.State).Flow)
	m.FailAppend = func(...store.Part) error { return store.ErrFull }
	if _, err := w.trial().Randomize(t.Context(), by, commit); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("full: %v", err)
	}
	if _, err := w.trial().Screen(t.Context(), w.as(trial.Coordinator), screened("P2"), eligible); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("a screening, whose key has no room: %v", err)
	}
	if after := view(w, (*trial.State).Flow); after.Randomized != 0 || after.Screened != flow.Screened || len(w.entries()) != before {
		t.Errorf("flow %+v, %d new entries", after, len(w.entries())-before)
	}
	m.FailAppend = nil
	r, err := w.trial().Randomize(t.Context(), by, commit)
	if err != nil || r.Repeated {
		t.Errorf("with room: %+v, %v", r, err)
	}
	checkAllocations(t, w, 1)
}

// If the store doesn't know whether the randomization is durable, nobody is
// told anything until it is opened again; then the repetition is safe, whether
// it was written or not.
func TestRND07UnknownOutcomeIsSettledByRepeating(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("written %t", written), func(t *testing.T) {
			m := &storetest.Memory{}
			w := recruiting(t, m)
			commit, by := w.ready("P1"), w.as(trial.Coordinator)
			m.WriteUnknown, m.FailAppend = written, func(...store.Part) error { return store.ErrUnknown }
			if _, err := w.trial().Randomize(t.Context(), by, commit); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("unknown: %v", err)
			}
			m.FailAppend = nil
			if _, err := w.trial().Randomize(t.Context(), by, commit); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("after that: %v", err)
			}
			if err := w.trial().View(func(*trial.State) error { return nil }); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("a reader: %v", err)
			}
			if _, err := w.trial().Members(t.Context(), by, []ledger.Team{{Site: "OSLO", Arm: "ips"}}); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("a team: %v", err)
			}
			if _, _, err := w.trial().Instrument("audit"); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("a form: %v", err)
			}
			if _, _, err := w.trial().Correct(t.Context(), by, ledger.Place{Participant: "P1", Visit: "baseline", Form: "audit"}, ledger.Patch{Set: numbers(3)}, "misread"); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("a correction: %v", err)
			}
			w = w.reopen()
			first, err := w.trial().Randomize(t.Context(), by, commit)
			if err != nil || first.Repeated != written {
				t.Errorf("reopened: %+v, %v", first, err)
			}
			second, err := w.trial().Randomize(t.Context(), by, commit)
			if second.Leaf != first.Leaf || err != nil {
				t.Errorf("again: %+v, %v; want %+v", second, err, first)
			}
			checkAllocations(t, w, 1)
		})
	}
}

// A gate is the next append of a store, which waits until it is opened.
type gate struct {
	open chan struct{}
	err  error
	once sync.Once
}

func shut(m *storetest.Memory, err error) *gate {
	g := &gate{open: make(chan struct{}), err: err}
	m.FailAppend = func(parts ...store.Part) error {
		if len(parts) == 0 {
			return nil
		}
		var failed error
		g.once.Do(func() { <-g.open; failed = g.err })
		return failed
	}
	return g
}

// 256 callers share two appends: that of the one who came first, and one for
// all who came while it was written.
func TestCommandsThatWaitShareAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		m.FailAppend = full // a full disk makes commands go one by one, until one succeeds
		if _, err := w.trial().Do(t.Context(), w.as(trial.Monitor), trial.Locked{}); !errors.Is(err, ledger.ErrFull) {
			t.Errorf("full: %v", err)
		}
		m.FailAppend = nil
		w.do(trial.Monitor, trial.Locked{})
		writes, entries := m.Writes(), len(w.entries())
		g := shut(m, nil)
		var callers sync.WaitGroup
		exclude := func(i int) {
			by := w.as(trial.Coordinator)
			callers.Go(func() {
				e := trial.Excluded{Participant: trial.ParticipantID(fmt.Sprintf("X%d", i)), Site: "OSLO", Reason: "other"}
				if _, err := w.trial().Do(t.Context(), by, e); err != nil {
					t.Error(err)
				}
			})
		}
		exclude(0)
		synctest.Wait()
		for i := range 255 {
			exclude(i + 1)
		}
		synctest.Wait()
		close(g.open)
		callers.Wait()
		m.FailAppend = nil
		if got := m.Writes() - writes; got != 2 {
			t.Errorf("%d appends for 256 commands, want 2", got)
		}
		if got := len(w.entries()) - entries; got != 256 {
			t.Errorf("%d entries, want 256", got)
		}
	})
}

// Commands that wait together are more than an append takes: they get as many
// appends as they need.
func TestManyLargeCommandsAreSeveralAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		for i := range 60 {
			w.must(w.trial().Screen(t.Context(), w.as(trial.Coordinator), screened(trial.ParticipantID(fmt.Sprintf("P%d", i))), eligible))
		}
		writes := m.Writes()
		g := shut(m, nil)
		var callers sync.WaitGroup
		for i := range 60 {
			by := w.as(trial.Assessor)
			callers.Go(func() {
				p := trial.ParticipantID(fmt.Sprintf("P%d", i))
				e := trial.FormSubmitted{Participant: p, Visit: "baseline", Form: "audit", Version: 1, On: date("2020-03-01"), Sealed: make([]byte, 40_000)}
				if _, err := w.trial().Do(t.Context(), by, e); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(g.open)
		callers.Wait()
		m.FailAppend = nil
		if got := m.Writes() - writes; got < 3 || got > 10 {
			t.Errorf("%d appends for 60 forms of 40 kB, want 3 or a few more", got)
		}
		if got := len(of[trial.FormSubmitted](w)); got != 60 {
			t.Errorf("%d forms, want 60", got)
		}
	})
}

// Of two who ask for the same number while the disk is full, nobody may be told
// that it exists: nothing was written.
func TestRefusalIsNotOfWhatWasNeverWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		first := shut(m, nil)
		var callers sync.WaitGroup
		ask := func(e trial.Event, want error) {
			by := w.as(trial.Coordinator)
			callers.Go(func() {
				if _, err := w.trial().Do(t.Context(), by, e); !errors.Is(err, want) || errors.Is(err, trial.ErrExists) {
					t.Errorf("%+v: %v, want %v", e, err, want)
				}
			})
		}
		ask(trial.Excluded{Participant: "X1", Site: "OSLO", Reason: "other"}, nil)
		synctest.Wait()
		ask(screened("P1"), ledger.ErrFull)
		ask(screened("P1"), ledger.ErrFull)
		synctest.Wait()
		m.FailAppend = func(...store.Part) error { return store.ErrFull }
		close(first.open)
		callers.Wait()
		m.FailAppend = nil
		w.do(trial.Coordinator, screened("P1"))
	})
}

// A clock that steps back is an entry, one for each step, and entries keep the
// last time until it has caught up.
func TestAUD06ClockSteppingBackIsOneEntry(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	start := w.now()
	exclude := func(p trial.ParticipantID) {
		w.do(trial.Coordinator, trial.Excluded{Participant: p, Site: "OSLO", Reason: "other"})
	}
	for i, back := range []time.Duration{0, -10 * time.Minute, time.Minute, time.Minute, -3 * time.Minute, time.Minute, time.Hour, time.Minute} {
		w.add(back)
		exclude(trial.ParticipantID(fmt.Sprintf("X%d", i)))
	}
	var steps []time.Duration
	for _, l := range of[trial.ClockSteppedBack](w) {
		steps = append(steps, l.Event.(trial.ClockSteppedBack).By)
		if l.Actor != "server" || !l.At.Equal(start) {
			t.Errorf("by %s at %v", l.Actor, l.At)
		}
	}
	if got, want := fmt.Sprint(steps), "[10m0s 11m0s]"; got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
	last := time.Time{}
	for _, l := range w.entries() {
		if l.At.Before(last) {
			t.Errorf("entry %d of %s is earlier than the one before", l.Index, l.In)
		}
		last = l.At
	}
	if want := w.now(); !last.Equal(want) {
		t.Errorf("the last entry is of %v, want %v", last, want)
	}
}

// A step of the clock whose entry found no room is noted with the next one.
func TestAUD06ClockStepIsNotLostToAFullDisk(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	w.add(-time.Minute)
	m.FailAppend = func(...store.Part) error { return store.ErrFull }
	if _, err := w.trial().Do(t.Context(), w.as(trial.Coordinator), screened("P1")); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("full: %v", err)
	}
	m.FailAppend = nil
	w.do(trial.Coordinator, screened("P1"))
	if n := len(of[trial.ClockSteppedBack](w)); n != 1 {
		t.Errorf("%d entries for one step", n)
	}
}
