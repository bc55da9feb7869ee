package ledger

import (
	"context"
	"iter"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// list returns the name of a trial's compartment in the log.
func list(id trial.ID, c trial.Compartment) string { return string(id) + "/" + string(c) }

// A Position is how much of each compartment is read; a compartment that isn't
// in it isn't read at all.
type Position map[trial.Compartment]int64

// A Logged is an entry of a trial and where it stands.
type Logged = entry.Placed

// Replay yields the trial's entries up to a position, in the order in which they
// were decided; see [entry.InOrder]. After an error it ends.
func (t *Trial) Replay(ctx context.Context, to Position) iter.Seq2[Logged, error] {
	return func(yield func(Logged, error) bool) {
		for l, err := range t.replay(ctx, to) {
			if err != nil {
				yield(Logged{}, err)
				return
			}
			if !yield(*l, nil) {
				return
			}
		}
	}
}

// replay is Replay, but each entry is valid only until the next.
func (t *Trial) replay(ctx context.Context, to Position) iter.Seq2[*Logged, error] {
	compartments := map[trial.Compartment]iter.Seq2[[]Logged, error]{}
	for c, n := range to {
		compartments[c] = t.journal.batches(ctx, list(t.id, c), n)
	}
	return entry.Merge(compartments)
}

// Entry returns entry index of a list from the bytes that the log has there. It
// refuses what this server didn't write.
func (l *Ledger) Entry(list string, index int64, b []byte) (entry.Entry, error) {
	return l.journal.unmarshal(list, index, b)
}
