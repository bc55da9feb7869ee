package trial

import (
	"cmp"
	"fmt"
	"iter"
	"time"
)

// IntentLife is how long a prepared randomization can be committed.
const IntentLife = 15 * time.Minute

// A State is a trial after some entries. The zero State is a trial before its
// first entry. Methods that begin with a capital change nothing, except
// [State.Apply]; they may be called concurrently with one another but not with
// Apply.
type State struct {
	protocol     Protocol
	loc          *time.Location
	formsToCome  int
	sealing      Sealing
	sealed, kept bool
	open, opened bool
	participants map[ParticipantID]*Participant
	order        []*Participant
	slots        map[Stratum]int
	intents      map[IntentID]intent
	unallocated  ParticipantID // randomized by the entry before, not yet allocated
	locks        []Lock
	restored     []Restored // since the last reconciliation
	lostSlots    int64      // slots that are known to have been used in what was lost
	lens         sizes
	last         time.Time

	// enrolledInLost says that a reconciliation gave up slots: there were people
	// with arms of this design.
	enrolledInLost bool

	envelopes     int // of each stratum
	usedEnvelopes map[Stratum][]int
	closedOn      Date // when enrolment was closed last; zero while it is open
	plan          Plan
	proposal      Proposal
	unsealedAt    time.Time
	unsealedIndex int64

	spoiledEnvelopes map[Stratum][]int
	openings         []Opening
	disclosures      []disclosure // that wait for a second person
	sawArm           map[string]bool
	broken           []BrokenBlind
	events           []AdverseEvent
	contacts         []int64 // indexes in delivery
	untaken          int     // the number of the event that a team reported by the entry before, or 0
}

type intent struct {
	participant ParticipantID
	at          time.Time
	stale       bool // it showed other levels than the participant has now
}

// A Lock is a position of the compartments that an export reads.
type Lock struct {
	Number           int
	At               time.Time
	By               string
	Conduct, Outcome int64
}

// Len returns the number of entries of compartment c so far.
func (s *State) Len(c Compartment) int64 { return *s.lens.of(c) }

// sizes are the numbers of entries of the compartments.
type sizes struct{ conduct, outcome, delivery, allocation int64 }

// of returns the number of entries of a compartment, to be read or changed.
func (s *sizes) of(c Compartment) *int64 {
	switch c {
	case Conduct:
		return &s.conduct
	case Outcome:
		return &s.outcome
	case Delivery:
		return &s.delivery
	case Allocation:
		return &s.allocation
	default: // there is no other
		return new(int64)
	}
}

// Last returns the time of the latest entry.
func (s *State) Last() time.Time { return s.last }

// Protocol returns the protocol. The caller must not change it.
func (s *State) Protocol() *Protocol { return &s.protocol }

// Commitment returns the commitment to the design, if it is sealed.
func (s *State) Commitment() ([32]byte, bool) { return s.sealing.Commitment, s.sealed }

// Phase returns set-up, sealed, open, closed or unsealed, and fenced after a
// restore that isn't reconciled yet.
func (s *State) Phase() string {
	switch {
	case s.fenced():
		return "fenced"
	case s.unsealed():
		return "unsealed"
	case s.open:
		return "open"
	case s.opened:
		return "closed"
	case s.sealed:
		return "sealed"
	default:
		return "set-up"
	}
}

// Participant returns what is known about p. The caller must not change it.
func (s *State) Participant(p ParticipantID) (*Participant, bool) {
	got, ok := s.participants[p]
	return got, ok
}

// Participants yields the participants in the order of their screening.
func (s *State) Participants() iter.Seq[*Participant] {
	return func(yield func(*Participant) bool) {
		for _, p := range s.order {
			if !yield(p) {
				return
			}
		}
	}
}

// Intent returns the participant of a prepared randomization and when it was
// prepared.
func (s *State) Intent(id IntentID) (ParticipantID, time.Time, bool) {
	i, ok := s.intents[id]
	return i.participant, i.at, ok
}

// Locks returns the locks in the order in which they were taken.
func (s *State) Locks() []Lock { return s.locks }

// Lock returns lock number n.
func (s *State) Lock(n int) (Lock, error) {
	if n < 1 || n > len(s.locks) {
		return Lock{}, fmt.Errorf("lock %d: %w", n, ErrNotFound)
	}
	return s.locks[n-1], nil
}

// Today returns the civil date of at in the trial's time zone, which is UTC
// before the trial was created.
func (s *State) Today(at time.Time) Date { return DateOf(at, cmp.Or(s.loc, time.UTC)) }

// Compartment returns where e belongs.
func (s *State) Compartment(e Event) Compartment {
	switch e := e.(type) {
	case DesignKept, Allocated, Unblinded, DisclosureProposed, DisclosureApproved, ArmCollected, RelatednessAssessed:
		return Allocation
	case ArmsViewed, ContactRecorded, EventTakenIn:
		return Delivery
	case VisitMissed, BlindBroken:
		return Outcome
	case FormSubmitted:
		return s.formCompartment(e.Form)
	case FormCorrected:
		return s.formCompartment(e.Form)
	case FormSigned:
		return s.formCompartment(e.Form)
	case TextJudged:
		return s.formCompartment(e.Form)
	default:
		return Conduct
	}
}

func (s *State) formCompartment(id FormID) Compartment {
	if i := s.protocol.formIndex(id); i >= 0 && s.protocol.Forms[i].By == Assessor {
		return Outcome
	}
	return Conduct
}

// Missing names what stands between p and randomization: "consent",
// "eligibility", or forms of the baseline. It is empty once p is ready.
func (s *State) Missing(p *Participant) []string {
	var missing []string
	if p.Consent.Version == "" {
		missing = append(missing, "consent")
	}
	if !p.Assessed {
		missing = append(missing, "eligibility")
	}
	for i, f := range s.protocol.Forms {
		if _, done := p.record(0, i); f.At(s.protocol.Baseline()) && !done {
			missing = append(missing, string(f.ID))
		}
	}
	return missing
}
