package randomization

import "errors"

// MaxSlots is the largest number of slots in one stratum. It bounds what a
// damaged slot number can make a Sequence draw.
const MaxSlots = 1 << 24

// NoArm is the answer for a slot that doesn't exist. No design has this arm.
const NoArm Arm = -1

// A Sequence is the list of arms of one stratum, drawn as far as it was asked
// for and kept at one byte a slot. It prints like a [Seed]. It is not for
// concurrent use.
type Sequence struct {
	sealed
	list func() *list // a closure as in Seed
}

// list is the part of a sequence that has been drawn.
type list struct {
	more   source
	random *stream
	arms   []uint8
}

// NewSequence returns the sequence of one stratum of a trial. Names are taken
// as their bytes: the same stratum must always be written in the same way. An
// unstratified trial has one stratum, which may be the empty name.
//
// The error wraps [ErrDesign] if the design can't be used. The zero Seed is
// refused too.
func NewSequence(seed Seed, design Design, trial, stratum string) (*Sequence, error) {
	if design == nil {
		return nil, designError("there is none")
	}
	if err := design.Validate(); err != nil {
		return nil, err
	}
	if seed.open == nil {
		return nil, errors.New("randomization: start sequence: there is no seed")
	}
	l := &list{random: newStream(seed, trial, stratum, design.purpose())}
	l.more = design.start(l.random)
	return &Sequence{list: func() *list { return l }}, nil
}

// At returns the arm of a slot, counted from 0 in the order of randomization
// within the stratum. It depends on the arguments of [NewSequence] and on slot
// only, not on earlier calls. Outside [0, MaxSlots) it is NoArm.
func (s *Sequence) At(slot int) Arm {
	if slot < 0 || slot >= MaxSlots {
		return NoArm
	}
	l := s.list()
	l.extend(slot + 1)
	return Arm(l.arms[slot])
}

// First returns the arms of the slots [0, n), for replay. A shorter list is
// always the start of a longer one. It is nil for n outside [0, MaxSlots]. The
// caller owns the slice.
func (s *Sequence) First(n int) []Arm {
	if n < 0 || n > MaxSlots {
		return nil
	}
	l := s.list()
	l.extend(n)
	arms := make([]Arm, n)
	for i, arm := range l.arms[:n] {
		arms[i] = Arm(arm)
	}
	return arms
}

// extend draws until there are n arms, or a few more: blocks and lists of the
// maximal procedure are drawn whole.
func (l *list) extend(n int) {
	for len(l.arms) < n {
		l.arms = l.more(l.arms)
	}
}
