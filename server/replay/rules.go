package replay

import (
	"fmt"
	"iter"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// rules replays the whole trial and returns how many entries of each list that
// were.
func rules(a *audit.ArchiveReader) (replayed map[string]int64, err error) {
	given := map[trial.Compartment]iter.Seq2[entry.Placed, error]{}
	sizes := map[string]int64{}
	for _, l := range a.Lists {
		sizes[l.List] = l.Size
	}
	for _, c := range trial.Compartments() {
		given[c] = entries(a, listOf(a, c), c)
	}
	r := replay{trial: trial.ID(a.Trial)}
	replayed = map[string]int64{}
	for p, err := range entry.InOrder(given) {
		if err != nil {
			return nil, err
		}
		list := listOf(a, p.In)
		if p.In != trial.Conduct && p.ConductSize > sizes[listOf(a, trial.Conduct)] {
			err = r.pass(p) // it came later than the head of conduct, and so did all that is left
		} else {
			err = r.apply(p)
			replayed[list]++
		}
		if err != nil {
			return nil, &audit.ArchiveError{List: list, Index: p.Index, Reason: err.Error()}
		}
		r.last = p.At
	}
	if r.waiting {
		return nil, &audit.ArchiveError{List: listOf(a, trial.Conduct), Index: r.randomized, Reason: "the participant who was randomized has no allocation"}
	}
	return replayed, nil
}

// A replay is a trial after some entries.
type replay struct {
	trial trial.ID
	state trial.State
	last  time.Time // of the entry before

	waiting    bool  // for the allocation of who was randomized last,
	randomized int64 // by this entry of conduct
}

// pass checks of an entry that isn't replayed what can be: that its time is that
// of one which came later.
func (r *replay) pass(p entry.Placed) error {
	if p.At.Before(r.last) {
		return fmt.Errorf("it came after the head of conduct, but is of %s, which is earlier than an entry before it", p.At.Format(time.RFC3339Nano))
	}
	return nil
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
	case trial.Randomized, trial.ContingencyUsed:
		r.waiting, r.randomized = true, p.Index
	case trial.Allocated:
		r.waiting = false
	}
	return nil
}
