package trial

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// MaxEntropy is the most bytes of a contribution to the seed.
	MaxEntropy = 1024

	// MaxEnvelopes is the most backup envelopes of a stratum.
	MaxEnvelopes = 1000
)

// A Sealing is what everybody in the trial may know of the sealed design.
//
// Source: randomization.md of the design, "The seed, and who can bias it".
type Sealing struct {
	Commitment  [32]byte
	At          time.Time
	By          string
	Index       int64  // of its entry in conduct
	Awaits      bool   // a contribution is still to come
	Entropy     []byte // the contribution, nil if there is none
	Contributor string
	Abandoned   int // sealings before this one
	Printed     []ContingencyPrinted
	Spoiled     []SpoiledEnvelopes // of the strata that have some, by name
}

// SpoiledEnvelopes is how many backup envelopes of a stratum are spoiled.
type SpoiledEnvelopes struct {
	Stratum   Stratum
	Envelopes int
}

// Sealing returns the present sealing, if there is one. The caller must not
// change it.
func (s *State) Sealing() (Sealing, bool) {
	out := s.sealing
	for stratum, numbers := range s.spoiledEnvelopes {
		out.Spoiled = append(out.Spoiled, SpoiledEnvelopes{stratum, len(numbers)})
	}
	slices.SortFunc(out.Spoiled, func(a, b SpoiledEnvelopes) int { return strings.Compare(string(a.Stratum), string(b.Stratum)) })
	return out, s.sealed
}

// Envelopes returns how many backup envelopes each stratum has.
func (s *State) Envelopes() int { return s.envelopes }

// Slots returns how many slots of all sequences are used, those that were given
// up after a restore with them.
func (s *State) Slots() (n int) {
	for _, used := range s.slots {
		n += used
	}
	return n
}

func (s *State) checkSealing(m Meta, e Event) error {
	switch e := e.(type) {
	case DesignSealed:
		return when(s.sealed, ErrAlreadySealed)
	case DesignKept:
		return when(!s.sealed || s.kept || len(e.Sealed) == 0, ErrAlreadySealed)
	case EntropyContributed:
		return first(
			when(!s.kept, ErrNotSealed),
			when(!s.sealing.Awaits, ErrNoContribution),
			when(m.Actor == s.sealing.By, ErrSamePerson),
			when(len(e.Entropy) == 0 || len(e.Entropy) > MaxEntropy, &Invalid{"entropy", fmt.Sprintf("has %d bytes, want 1 to %d", len(e.Entropy), MaxEntropy)}),
		)
	case SealingAbandoned:
		return first(
			when(!s.sealed, ErrNotSealed),
			when(s.opened || s.enrolledInLost, ErrAlreadySealed),
			when(s.fenced(), ErrFenced), // somebody may be enrolled in what was lost
			oneOf("reason", e.Reason, AbandonReasons()),
		)
	case ContingencyPrinted:
		return s.checkPrinted(e)
	case EnvelopeSpoiled:
		return s.checkSpoiled(e)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

func (s *State) checkPrinted(e ContingencyPrinted) error {
	least := max(1, s.envelopes)
	return first(
		s.bound(),
		when(s.unsealed(), ErrUnsealed),
		when(e.Envelopes < least || e.Envelopes > MaxEnvelopes,
			&Invalid{"envelopes", fmt.Sprintf("%d for each stratum, want %d to %d", e.Envelopes, least, MaxEnvelopes)}),
		when(e.Recipients[0] == e.Recipients[1], &Invalid{"recipients", "are one and the same; two people open the envelopes together"}),
	)
}

func (s *State) checkSpoiled(e EnvelopeSpoiled) error {
	return first(
		s.bound(),
		when(!s.protocol.hasStratum(e.Stratum), &Invalid{"stratum", fmt.Sprintf("%q is unknown in this trial", e.Stratum)}),
		s.envelopeExists(e.Envelope),
		when(s.envelopeUsed(e.Stratum, e.Envelope), &Invalid{"envelope", fmt.Sprintf("%d of this stratum is used", e.Envelope)}),
		when(s.envelopeSpoiled(e.Stratum, e.Envelope), ErrExists),
		oneOf("reason", e.Reason, SpoilReasons()),
	)
}

func (s *State) envelopeExists(n int) error {
	return when(n < 1 || n > s.envelopes, &Invalid{"envelope", fmt.Sprintf("%d, but each stratum has %d envelopes", n, s.envelopes)})
}

func (s *State) envelopeSpoiled(stratum Stratum, envelope int) bool {
	return slices.Contains(s.spoiledEnvelopes[stratum], envelope)
}

// NextEnvelope returns the number of the lowest envelope of a stratum that is
// neither used nor spoiled; 0 if there is none.
func (s *State) NextEnvelope(stratum Stratum) int {
	for n := 1; n <= s.envelopes; n++ {
		if !s.envelopeUsed(stratum, n) && !s.envelopeSpoiled(stratum, n) {
			return n
		}
	}
	return 0
}

// bound reports why the sequences aren't settled yet.
func (s *State) bound() error {
	return first(when(!s.kept, ErrNotSealed), when(s.sealing.Awaits, ErrAwaitsEntropy))
}

func (s *State) applySealing(m Meta, e Event) {
	switch e := e.(type) {
	case DesignSealed:
		s.sealed = true
		s.sealing = Sealing{
			Commitment: e.Commitment, At: m.At, By: m.Actor, Index: m.Index, Awaits: e.AwaitsEntropy, Abandoned: s.sealing.Abandoned,
		}
	case DesignKept:
		s.kept = true
	case EntropyContributed:
		s.sealing.Awaits, s.sealing.Entropy, s.sealing.Contributor = false, slices.Clone(e.Entropy), m.Actor
	case SealingAbandoned:
		s.sealed, s.kept, s.envelopes, s.spoiledEnvelopes = false, false, 0, map[Stratum][]int{}
		s.sealing = Sealing{Abandoned: s.sealing.Abandoned + 1}
	case ContingencyPrinted:
		s.envelopes = e.Envelopes
		s.sealing.Printed = append(s.sealing.Printed, e)
	case EnvelopeSpoiled:
		s.spoiledEnvelopes[e.Stratum] = append(s.spoiledEnvelopes[e.Stratum], e.Envelope)
	}
}
