package replay

import (
	"crypto/sha256"
	"errors"
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
	r := replay{trial: trial.ID(a.Trial), unallocated: -1, untaken: -1, forms: map[form][]byte{}}
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
	if at, why := r.waiting(); at >= 0 {
		return nil, &audit.ArchiveError{List: listOf(a, trial.Conduct), Index: at, Reason: why}
	}
	return replayed, nil
}

// A replay is a trial after some entries.
type replay struct {
	trial trial.ID
	state trial.State
	last  time.Time // of the entry before

	// The entries of conduct that wait for one elsewhere, or -1: of a
	// randomization for the allocation, of a team's adverse event for its member.
	unallocated, untaken int64

	forms map[form][]byte // the leaf hashes of the entries of each form
}

// A form is one of a participant at a visit.
type form struct {
	participant trial.ParticipantID
	visit       trial.VisitID
	form        trial.FormID
}

// signable reports whether an event is one that a signature can be under.
func signable(event any) bool {
	switch event.(type) {
	case trial.FormSubmitted, trial.FormCorrected:
		return true
	default:
		return false
	}
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
	return r.follow(p, e)
}

// follow does what the rules of the trial alone can't: an entry without which
// another makes no sense must not be missing, and a signature must be under the
// entries of its form. That it is the last one that is signed the rules demand.
func (r *replay) follow(p entry.Placed, e trial.Event) error {
	switch e := e.(type) {
	case trial.Randomized, trial.ContingencyUsed:
		r.unallocated = p.Index
	case trial.AdverseEventReported:
		if e.Reporter == trial.FromTeam {
			r.untaken = p.Index
		}
	case trial.Allocated:
		r.unallocated = -1
	case trial.EventTakenIn:
		r.untaken = -1
	case trial.FormSubmitted:
		r.sign(form{e.Participant, e.Visit, e.Form}, p.Leaf)
	case trial.FormCorrected:
		r.sign(form{e.Participant, e.Visit, e.Form}, p.Leaf)
	case trial.FormSigned:
		if sha256.Sum256(r.forms[form{e.Participant, e.Visit, e.Form}]) != e.Digest {
			return errors.New("the digest that was signed isn't that of the form's entries")
		}
	}
	return nil
}

// waiting returns an entry of conduct that still waits, and for what, or -1.
func (r *replay) waiting() (at int64, why string) {
	if r.unallocated >= 0 {
		return r.unallocated, "the participant who was randomized has no allocation"
	}
	return r.untaken, "nobody took in the adverse event"
}

// sign adds an entry to those of a form that can be signed.
func (r *replay) sign(f form, leaf [32]byte) { r.forms[f] = append(r.forms[f], leaf[:]...) }
