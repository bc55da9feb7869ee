package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/server/trial"
)

// errFenced means that the same restore is noted already.
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
		_, err := t.do(&call{
			ctx: ctx, by: Caller{Actor: trial.ServerActor}, proposal: e, done: make(chan struct{}),
			unless: func(s *trial.State) error {
				if was, fenced := s.Fence(); fenced && was == e {
					return errFenced
				}
				return nil
			},
		})
		if err != nil && !errors.Is(err, errFenced) {
			return fmt.Errorf("ledger: trial %s: note the restore: %w", t.id, err)
		}
	}
	return nil
}
