package replay

import (
	"fmt"
	"iter"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// rules replays the whole trial and returns how many entries that were.
func rules(a *audit.ArchiveReader) (replayed int64, err error) {
	given := map[trial.Compartment]iter.Seq2[entry.Placed, error]{}
	sizes := map[string]int64{}
	for _, l := range a.Lists {
		sizes[l.List] = l.Size
	}
	for _, c := range trial.Compartments() {
		given[c] = entries(a, listOf(a, c), c)
	}
	r := replay{trial: trial.ID(a.Trial)}
	for p, err := range entry.InOrder(given) {
		if err != nil {
			return replayed, err
		}
		if p.In != trial.Conduct && p.ConductSize > sizes[listOf(a, trial.Conduct)] {
			break // it came later than the head of conduct, and so did all that is left
		}
		if err := r.apply(p); err != nil {
			return replayed, &audit.ArchiveError{List: listOf(a, p.In), Index: p.Index, Reason: err.Error()}
		}
		replayed++
	}
	if r.waiting {
		return replayed, &audit.ArchiveError{List: listOf(a, trial.Conduct), Index: r.randomized, Reason: "the participant who was randomized has no allocation"}
	}
	return replayed, nil
}

// A replay is a trial after some entries.
type replay struct {
	trial trial.ID
	state trial.State

	waiting    bool  // for the allocation of who was randomized last,
	randomized int64 // by this entry of conduct
}

// apply applies the rules to the next entry.
func (r *replay) apply(p entry.Placed) error {
	e, ok := p.Event.(trial.Event)
	if !ok { // verifyList has refused it, unless the file has changed since
		return fmt.Errorf("%T doesn't belong in this list", p.Event)
	}
	if want := r.state.Compartment(e); p.In != want {
		return fmt.Errorf("%T belongs in %s", e, want)
	}
	if n := r.state.Len(trial.Conduct); p.In != trial.Conduct && p.ConductSize != n {
		return fmt.Errorf("it was decided when conduct had %d entries, but %d come before it", p.ConductSize, n)
	}
	if created, ok := e.(trial.Created); ok && created.Protocol.ID != r.trial {
		return fmt.Errorf("it creates trial %q in the log of %s", created.Protocol.ID, r.trial)
	}
	if err := r.state.Apply(p.Meta(), e); err != nil {
		return err
	}
	switch e.(type) {
	case trial.Randomized:
		r.waiting, r.randomized = true, p.Index
	case trial.Allocated:
		r.waiting = false
	}
	return nil
}
