package randomization

import (
	"fmt"
	"strings"
)

// A Reveal is what is published of a trial's randomization when it is unsealed:
// all that is needed to check it.
type Reveal struct {
	// Trial is the trial's name, as the sequences were started with.
	Trial string

	Design Design

	// Drawn is the seed that was committed to, before any contribution.
	Drawn Seed
	Salt  Salt

	// Contributed reports whether a statistician contributed Entropy, which may
	// be empty.
	Contributed bool
	Entropy     []byte

	// Commitment is what was published before the first participant. Take it
	// from a record of that day, such as the sealing record, and not from whoever
	// publishes the rest.
	Commitment Commitment

	// Allocations are those of the whole trial, in the order of randomization.
	Allocations []Allocation
}

// Erased stands in the place of the name of who withdrew from the data, of whom
// there may be several.
const Erased = "erased"

// A Kind says what became of a slot.
type Kind string

// The kinds of slots.
const (
	// Drawn is a participant with the next arm of the stratum's sequence, or that
	// of a [Minimizer].
	Drawn Kind = "drawn"

	// Contingency is a participant with the arm of a backup envelope.
	Contingency Kind = "contingency"

	// Lost is a slot that nobody holds: a log that was restored from an older
	// copy doesn't know who did.
	Lost Kind = "lost"
)

// An Allocation is a slot and what became of it.
type Allocation struct {
	Kind        Kind
	Participant string // for the reader; only [Erased], or none, stands twice
	Stratum     string

	// Slot is the slot of the stratum's sequence, or of the trial with
	// [Minimization]; for Contingency, that of the stratum's envelopes. Slots are
	// counted from 0.
	Slot int

	// Arm is the arm on record, [NoArm] for Lost.
	Arm Arm

	// Levels are the participant's levels of the factors of Minimization. They
	// are empty for other designs and for Lost.
	Levels []int
}

// LevelsText returns the levels with a space in between, as files have them.
func (a Allocation) LevelsText() string { return strings.Trim(fmt.Sprint(a.Levels), "[]") }

// A Part is what of a reveal doesn't match.
type Part string

// The parts of a reveal.
const (
	PartCommitment  Part = "commitment"
	PartKind        Part = "kind"
	PartParticipant Part = "participant"
	PartStratum     Part = "stratum"
	PartSlot        Part = "slot"
	PartArm         Part = "arm"
	PartLevels      Part = "levels"
)

// A Mismatch is the first thing in a reveal that doesn't follow from the rest.
type Mismatch struct {
	Part Part

	// Index is the place in Reveal.Allocations, and −1 for the commitment, for
	// which Allocation is empty.
	Index      int
	Allocation Allocation

	// Got is what the reveal says, Want what it should: the commitment in
	// hexadecimal, a slot or the index of an arm as a decimal number, or words.
	Got, Want string
}

// Error implements error.
func (m *Mismatch) Error() string {
	if m.Index < 0 {
		return fmt.Sprintf("randomization: %s %s, want %s: the trial, the design, the seed or the salt isn't what was committed to", m.Part, m.Got, m.Want)
	}
	a := m.Allocation
	return fmt.Sprintf("randomization: allocation %d (%s, stratum \"%s\", slot %d): %s %s, want %s", m.Index, a.Kind, a.Stratum, a.Slot, m.Part, m.Got, m.Want)
}
