package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lodd-rct/lodd/server/trial"
)

// errFenced means that the restore is noted already, or that the fence isn't
// what it was when that was looked at.
var errFenced = errors.New("ledger: the restore is noted already")

// MarkRestored notes in every trial that the server was restored from an older
// copy, and that entries may be lost; from then on nobody is randomized before
// the trial is reconciled. lost returns how many entries of a list of the log,
// such as "IPS/conduct", are known to be lost, 0 if that is not known.
//
// It must be called after a restore and before anything is served. A trial that
// waits for a reconciliation with the same numbers is left as it is, so that it
// can be called again after an error. What delivery lost is not noted: conduct is
// read by blinded roles, and how much is written in delivery may hang on an arm.
func (l *Ledger) MarkRestored(ctx context.Context, lost func(list string) int64) error {
	for _, t := range l.Trials() {
		e := trial.Restored{
			Conduct: lost(t.List(trial.Conduct)), Outcome: lost(t.List(trial.Outcome)), Allocation: lost(t.List(trial.Allocation)),
		}
		err := t.noteRestored(ctx, e, func(was trial.Restored, fenced bool) bool { return !fenced || was != e })
		if err != nil && !errors.Is(err, errFenced) {
			return err
		}
	}
	return nil
}

// A Loss is what a signed head shows of which this server lacks entries.
type Loss struct {
	// List is the list of the head, and Size its size.
	List string
	Size int64

	// Began is how many entries the list had when this server began to serve: the
	// copy that it was brought back from had no more.
	Began int64

	// Noted is the size of the largest head of the list whose loss was noted since
	// this server began to serve. One that was noted before may be of another past,
	// and makes this loss no smaller.
	Noted int64
}

// MarkBehind notes that the server turns out to have been brought back from an
// older copy: in the trial of the list, or in every trial if it is that of the
// accounts. What was decided before stands, and from then on nobody is randomized
// before the trial is reconciled. While it waits for that, a loss that isn't
// larger than what is known adds nothing.
//
// The number that is noted is the least that can have been lost: how much the
// copy itself lacked nobody can say who holds one head. As with MarkRestored,
// nothing is said of delivery. fenced tells that there was a trial to note it in.
func (l *Ledger) MarkBehind(ctx context.Context, loss Loss) (fenced bool, err error) {
	_, in, _ := strings.Cut(loss.List, "/")
	for _, t := range l.trialsOf(loss.List) {
		if err := t.markBehind(ctx, trial.Compartment(in), loss); err != nil {
			return false, err
		}
		fenced = true
	}
	return fenced, nil
}

// trialsOf returns the trial of a list, or every trial if it is that of the
// accounts.
func (l *Ledger) trialsOf(list string) []*Trial {
	if list == System {
		return l.Trials()
	}
	id, _, _ := strings.Cut(list, "/")
	t, err := l.Trial(trial.ID(id))
	if err != nil {
		return nil
	}
	return []*Trial{t}
}

// markBehind notes a loss of a compartment, or of what is no compartment, unless
// as much is known.
func (t *Trial) markBehind(ctx context.Context, in trial.Compartment, loss Loss) error {
	for {
		was, fenced, err := t.fence()
		if err != nil {
			return err
		}
		from := loss.Began
		if !fenced {
			from = max(from, loss.Noted) // up to there it was reconciled
		}
		e := atLeast(was, in, max(loss.Size-from, 1))
		if fenced && e == was {
			return nil
		}
		err = t.noteRestored(ctx, e, func(now trial.Restored, still bool) bool { return now == was && still == fenced })
		if !errors.Is(err, errFenced) {
			return err
		}
	}
}

// atLeast returns what is known to be lost once that many entries of a compartment
// are.
func atLeast(e trial.Restored, in trial.Compartment, n int64) trial.Restored {
	switch in {
	case trial.Conduct:
		e.Conduct = max(e.Conduct, n)
	case trial.Outcome:
		e.Outcome = max(e.Outcome, n)
	case trial.Allocation:
		e.Allocation = max(e.Allocation, n)
	case trial.Delivery: // says nothing, see MarkRestored
	}
	return e
}

// fence returns what is known to be lost while the trial waits for its
// reconciliation.
func (t *Trial) fence() (was trial.Restored, fenced bool, err error) {
	err = t.View(func(s *trial.State) error {
		was, fenced = s.Fence()
		return nil
	})
	return was, fenced, err
}

// noteRestored appends the entry if the fence, when it is decided, is one behind
// which it belongs. The error is [errFenced] if it isn't.
func (t *Trial) noteRestored(ctx context.Context, e trial.Restored, belongs func(was trial.Restored, fenced bool) bool) error {
	_, err := t.do(&call{
		ctx: ctx, by: Caller{Actor: trial.ServerActor}, proposal: e, done: make(chan struct{}),
		unless: func(s *trial.State) error {
			if !belongs(s.Fence()) {
				return errFenced
			}
			return nil
		},
	})
	if err != nil && !errors.Is(err, errFenced) {
		return fmt.Errorf("ledger: trial %s: note the restore: %w", t.id, err)
	}
	return err
}
