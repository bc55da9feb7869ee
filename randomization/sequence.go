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
	end    int // how many slots there can be
}

// NewSequence returns the sequence of one stratum of a trial. Names are taken
// as their bytes: the same stratum must always be written in the same way. An
// unstratified trial has one stratum, which may be the empty name.
//
// The error wraps [ErrDesign] if the design can't be used, is a [Minimization],
// which needs a [Minimizer], or is a [List] without the stratum. The zero Seed
// is refused too.
func NewSequence(seed Seed, design Design, trial, stratum string) (*Sequence, error) {
	if err := checkStart(seed, design); err != nil {
		return nil, err
	}
	switch d := design.(type) {
	case List:
		arms, ok := d.arms(stratum)
		if !ok {
			return nil, designError("the list has no stratum %q", stratum)
		}
		return newSequence(&list{arms: arms, end: len(arms)}), nil
	case listDesign:
		return drawSequence(d, newStream(seed, trial, stratum, d.purpose())), nil
	default:
		return nil, designError("minimization depends on the participants before: start a minimizer, not a sequence")
	}
}

// NewContingency returns the arms of the backup envelopes of a stratum, which
// are opened when the program can't be reached. They come from a stream of
// their own: however many envelopes are opened, the sequence of [NewSequence]
// stays what it is, and its arms say nothing of those in the envelopes.
//
// Envelopes are drawn by the design itself, but those of [Minimization] and
// [List] by [Complete] with their ratio. The errors are those of NewSequence,
// except that Minimization is welcome and that a List has envelopes for every
// stratum.
func NewContingency(seed Seed, design Design, trial, stratum string) (*Sequence, error) {
	if err := checkStart(seed, design); err != nil {
		return nil, err
	}
	d, ok := design.(listDesign)
	if !ok {
		d = Complete{Ratio: design.ArmRatio()}
	}
	return drawSequence(d, newStream(seed, trial, stratum, "contingency/"+d.purpose())), nil
}

func checkStart(seed Seed, design Design) error {
	if design == nil {
		return designError("there is none")
	}
	if err := design.Validate(); err != nil {
		return err
	}
	if seed.open == nil {
		return errors.New("randomization: start sequence: there is no seed")
	}
	return nil
}

func drawSequence(d listDesign, random *stream) *Sequence {
	return newSequence(&list{more: d.start(random), random: random, end: MaxSlots})
}

func newSequence(l *list) *Sequence { return &Sequence{list: func() *list { return l }} }

// At returns the arm of a slot, counted from 0 in the order of randomization
// within the stratum. It depends on the arguments of [NewSequence] and on slot
// only, not on earlier calls. Outside [0, MaxSlots) it is NoArm, and so it is
// after the end of a [List].
func (s *Sequence) At(slot int) Arm {
	l := s.list()
	if slot < 0 || slot >= l.end {
		return NoArm
	}
	l.extend(slot + 1)
	return Arm(l.arms[slot])
}

// First returns the arms of the slots [0, n), for replay. A shorter list is
// always the start of a longer one. It is nil for n outside [0, MaxSlots], and
// for more than a [List] has. The caller owns the slice.
func (s *Sequence) First(n int) []Arm {
	l := s.list()
	if n < 0 || n > l.end {
		return nil
	}
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
