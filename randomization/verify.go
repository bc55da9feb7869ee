package randomization

import (
	"errors"
	"strconv"
)

// Verify recomputes the commitment and every allocation of a trial. It returns
// nil if all match, else a [*Mismatch] that says where the first one doesn't;
// another error says why the reveal can't be checked at all, and wraps
// [ErrDesign] if that is for the design.
//
// In each stratum, or over the trial with [Minimization], the slots of Drawn
// and Lost together are 0, 1, 2, … in order. Envelopes are opened on paper, so
// that the slots of Contingency, below [MaxEnvelopes], may come in any order and
// with gaps, but each once. Nobody is named twice. Minimization counts participants of Drawn and
// Contingency, in order.
//
// The commitment doesn't bind Reveal.Entropy. Compare that with a sealing record
// of the first day too, or whoever publishes the reveal may have searched for
// one that gives other arms.
func Verify(r Reveal) error {
	if err := checkStart(r.Drawn, r.Design); err != nil {
		return err
	}
	if r.Salt.open == nil {
		return errors.New("randomization: verify: there is no salt")
	}
	if got := Commit(r.Trial, r.Design, r.Drawn, r.Salt); got != r.Commitment {
		return &Mismatch{Part: PartCommitment, Index: -1, Got: got.String(), Want: r.Commitment.String()}
	}
	v, err := newVerifier(r)
	if err != nil {
		return err
	}
	for i, a := range r.Allocations {
		if m := v.check(a); m != nil {
			m.Index, m.Allocation = i, a
			return m
		}
	}
	return nil
}

// A verifier replays a trial.
type verifier struct {
	reveal    Reveal
	seed      Seed
	minimizer *Minimizer // nil for other designs
	trial     replayed   // of minimization, which has no sequences
	strata    map[string]*replayed
	envelopes map[string]*envelopes
	people    map[string]bool // who was named
}

// replayed is a sequence and how far it has been replayed.
type replayed struct {
	sequence *Sequence
	next     int
}

// MaxEnvelopes is the most backup envelopes of a stratum. It bounds what a number
// in a reveal, which may be made up, can make Verify draw.
const MaxEnvelopes = 1000

// envelopes are those of a stratum and which of them were opened.
type envelopes struct {
	sequence *Sequence
	opened   map[int]bool
}

func newVerifier(r Reveal) (v *verifier, err error) {
	v = &verifier{reveal: r, seed: r.Drawn, strata: map[string]*replayed{}, envelopes: map[string]*envelopes{}, people: map[string]bool{}}
	if r.Contributed {
		v.seed = r.Drawn.Contribute(r.Entropy)
	}
	if m, ok := r.Design.(Minimization); ok {
		v.minimizer, err = NewMinimizer(v.seed, m, r.Trial)
	}
	return v, err
}

// check returns what doesn't match of the next allocation.
func (v *verifier) check(a Allocation) *Mismatch {
	switch a.Kind {
	case Drawn:
		return v.drawn(a)
	case Contingency:
		return v.contingency(a)
	case Lost:
		return v.lost(a)
	default:
		return mismatch(PartKind, string(a.Kind), "drawn, contingency or lost")
	}
}

func (v *verifier) drawn(a Allocation) *Mismatch {
	s, m := v.take(a)
	if m != nil {
		return m
	}
	if m := v.levels(a); m != nil {
		return m
	}
	if v.minimizer == nil {
		if m := sameArm(a, s.sequence.At(a.Slot)); m != nil {
			return m
		}
		return v.count(a)
	}
	want, err := v.minimizer.Next(a.Slot, a.Levels)
	if err != nil {
		return noSlot(a)
	}
	if m := sameArm(a, want); m != nil {
		return m
	}
	return v.count(a)
}

// take takes the slot of an allocation that is drawn or lost.
func (v *verifier) take(a Allocation) (*replayed, *Mismatch) {
	s, ok := v.sequence(a.Stratum)
	if !ok {
		return nil, mismatch(PartStratum, a.Stratum, "a stratum of the list")
	}
	if a.Slot != s.next {
		return nil, mismatch(PartSlot, strconv.Itoa(a.Slot), strconv.Itoa(s.next))
	}
	s.next++
	return s, nil
}

// sequence returns what has been replayed of a stratum. It reports false if a
// List doesn't have the stratum.
func (v *verifier) sequence(stratum string) (*replayed, bool) {
	if v.minimizer != nil {
		return &v.trial, true
	}
	s, ok := v.strata[stratum]
	if !ok {
		sequence, err := NewSequence(v.seed, v.reveal.Design, v.reveal.Trial, stratum)
		if err != nil {
			return nil, false
		}
		s = &replayed{sequence: sequence}
		v.strata[stratum] = s
	}
	return s, true
}

func (v *verifier) contingency(a Allocation) *Mismatch {
	e := v.envelopesOf(a.Stratum)
	if e.opened[a.Slot] {
		return mismatch(PartSlot, strconv.Itoa(a.Slot), "an envelope that wasn't opened before")
	}
	e.opened[a.Slot] = true
	if m := v.levels(a); m != nil {
		return m
	}
	if a.Slot >= MaxEnvelopes {
		return noSlot(a)
	}
	if m := sameArm(a, e.sequence.At(a.Slot)); m != nil {
		return m
	}
	return v.count(a)
}

func (v *verifier) envelopesOf(stratum string) *envelopes {
	e, ok := v.envelopes[stratum]
	if !ok {
		// What was checked for NewSequence is all that this refuses.
		sequence, _ := NewContingency(v.seed, v.reveal.Design, v.reveal.Trial, stratum)
		e = &envelopes{sequence, map[int]bool{}}
		v.envelopes[stratum] = e
	}
	return e
}

func (v *verifier) lost(a Allocation) *Mismatch {
	if a.Arm != NoArm || a.Participant != "" || len(a.Levels) > 0 {
		return mismatch(PartKind, "lost with a participant, an arm or levels", "lost with none of them")
	}
	_, m := v.take(a)
	return m
}

// levels reports levels that the design has no use for.
func (v *verifier) levels(a Allocation) *Mismatch {
	if v.minimizer == nil {
		if len(a.Levels) > 0 {
			return mismatch(PartLevels, a.LevelsText(), "none")
		}
		return nil
	}
	if err := v.minimizer.state().check(a.Levels); err != nil {
		return mismatch(PartLevels, a.LevelsText(), "one level of each factor")
	}
	return nil
}

// count notes a participant who has the right arm, whom nobody else may be; the
// design may count who it is.
func (v *verifier) count(a Allocation) *Mismatch {
	if v.people[a.Participant] {
		return mismatch(PartParticipant, a.Participant, "one who was not named before")
	}
	if a.Participant != "" && a.Participant != Erased {
		v.people[a.Participant] = true
	}
	if v.minimizer == nil {
		return nil
	}
	if err := v.minimizer.Count(a.Levels, a.Arm); err != nil {
		return noSlot(a) // there are too many participants
	}
	return nil
}

func sameArm(a Allocation, want Arm) *Mismatch {
	switch {
	case want == NoArm:
		return noSlot(a)
	case a.Arm != want:
		return mismatch(PartArm, strconv.Itoa(int(a.Arm)), strconv.Itoa(int(want)))
	}
	return nil
}

func noSlot(a Allocation) *Mismatch {
	return mismatch(PartSlot, strconv.Itoa(a.Slot), "a slot that exists")
}

func mismatch(part Part, got, want string) *Mismatch {
	return &Mismatch{Part: part, Got: got, Want: want}
}
