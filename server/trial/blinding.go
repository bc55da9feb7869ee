package trial

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/server/proposal"
)

// BlindBroken records that Person, who must not know it, learned a
// participant's arm. It doesn't say the arm.
type BlindBroken struct {
	Participant ParticipantID
	Person      string  // the account
	Visit       VisitID // empty if at none
	On          Date
	How         Code // one of [BrokenHow]
	Timing      Code // one of [BrokenTimings]
	Sealed      []byte
}

// ImpactAssessed records what a broken blind means for the trial.
type ImpactAssessed struct {
	Report  int64 // index of the [BlindBroken] in outcome
	Impact  Code  // one of [Impacts]
	Measure Code  // one of [Measures]
}

// Unblinded opens the arm of one participant in an emergency.
type Unblinded struct {
	Participant ParticipantID
	Reason      Code   // one of [UnblindingReasons]
	To          string // who alone gets to know the arm; empty for the actor
	Sealed      []byte // the reason in words
}

// DisclosureProposed is the first of two people's acts that show a third one,
// To, the arm of a participant.
type DisclosureProposed struct {
	Participant ParticipantID
	To          string
	Reason      Code // one of [DisclosureReasons]
}

// DisclosureApproved is the second one.
type DisclosureApproved struct {
	Proposal int64 // index of the [DisclosureProposed] in allocation
}

// ArmCollected records that the actor read an arm that was opened for that
// account.
type ArmCollected struct {
	Of int64 // index of the [Unblinded] or [DisclosureApproved] in allocation
}

func (BlindBroken) event()        {}
func (ImpactAssessed) event()     {}
func (Unblinded) event()          {}
func (DisclosureProposed) event() {}
func (DisclosureApproved) event() {}
func (ArmCollected) event()       {}

// UnblindingReasons are the reasons for unblinding one participant.
//
// Source: ICH E6(R3) (2025), annex 1, 2.11 and 4.1.4: an unblinding is for the
// participant's safety, recorded and explained.
func UnblindingReasons() []Code {
	return []Code{"medical-emergency", "serious-adverse-event", "risk-to-others", "regulator", "other"}
}

// DisclosureReasons are the reasons for showing a third person an arm.
func DisclosureReasons() []Code { return []Code{"inspection", "complaint", "regulator", "other"} }

// BrokenHow are the ways in which a blind breaks. None tells an arm.
func BrokenHow() []Code {
	return []Code{"participant", "relative", "staff", "record", "seen", "other"}
}

// BrokenTimings say when a blind broke, beside the assessment.
func BrokenTimings() []Code {
	return []Code{"before-assessment", "during-assessment", "after-assessment"}
}

// Impacts say what a broken blind means for the outcome.
func Impacts() []Code { return []Code{"none", "possible", "serious"} }

// Measures say what was done about a broken blind.
func Measures() []Code { return []Code{"none", "reassigned", "assessed-again", "training"} }

// An Opening is an arm that was opened for one person. It doesn't hold the arm.
type Opening struct {
	Index       int64 // of its entry in allocation
	Participant ParticipantID
	At          time.Time
	By, To      string // who opened it, and for whom
	Reason      Code
	Emergency   bool // else two people disclosed it
	Collected   bool // To has seen it
}

// A Disclosure is what one person proposed to show another.
type Disclosure struct {
	DisclosureProposed
	Proposal
}

type disclosure struct {
	Disclosure
	index int64
}

// A BrokenBlind is a report of one, and what was judged about it.
type BrokenBlind struct {
	Index int64 // of its entry in outcome
	BlindBroken
	Impact, Measure Code // empty until they are assessed
}

// Openings returns the arms that were opened for one person, in their order.
// The caller must not change them.
func (s *State) Openings() []Opening { return s.openings }

// SawArm reports whether a person read an arm that was opened for one, and so
// can't be blind in this trial. No rule of the log asks it: the forms of
// assessors lie in another list than the openings, and none depends on the other.
func (s *State) SawArm(user string) bool { return s.sawArm[user] }

// BrokenBlinds returns the reports in their order. The caller must not change
// them.
func (s *State) BrokenBlinds() []BrokenBlind { return s.broken }

// BlindBrokenFor reports whether the blind of a person is broken for a
// participant.
func (s *State) BlindBrokenFor(user string, id ParticipantID) bool {
	p, ok := s.participants[id]
	return ok && slices.Contains(p.blindBroken, user)
}

// Disclosures yields what waits for a second person at an instant, with the
// index of the proposal in allocation.
func (s *State) Disclosures(at time.Time) iter.Seq2[int64, Disclosure] {
	return func(yield func(int64, Disclosure) bool) {
		for _, d := range s.disclosures {
			if d.Live(at) && !yield(d.index, d.Disclosure) {
				return
			}
		}
	}
}

func (s *State) checkBlinding(m Meta, e Event) error {
	switch e := e.(type) {
	case BlindBroken:
		return s.checkBlindBroken(m, e)
	case ImpactAssessed:
		return s.checkImpact(e)
	case Unblinded:
		_, err := s.allocated(e.Participant)
		return first(err, oneOf("reason", e.Reason, UnblindingReasons()),
			when(e.To == m.Actor, &Invalid{"clinician", "is yourself; leave it out"}),
			when(len(e.Sealed) == 0, &Invalid{"text", "is missing"}))
	case DisclosureProposed:
		_, err := s.allocated(e.Participant)
		return first(err, oneOf("reason", e.Reason, DisclosureReasons()),
			when(e.To == "" || e.To == m.Actor, &Invalid{"to", "is missing or yourself; two people show an arm to a third"}),
			when(s.disclosing(m.At, e), ErrExists))
	case DisclosureApproved:
		d, ok := s.disclosure(e.Proposal)
		return first(when(!ok, proposal.ErrNone), d.Approve(m.Actor, m.At),
			when(d.To == m.Actor, &Invalid{"to", "is yourself; two people show an arm to a third"}))
	case ArmCollected:
		at := s.opening(e.Of)
		if at < 0 || s.openings[at].To != m.Actor {
			return ErrNotForYou
		}
		return when(s.openings[at].Collected, ErrExists)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

// allocated returns a participant who has an arm. It doesn't matter whether the
// data were withdrawn: what the person was given may matter to a doctor all the
// same.
func (s *State) allocated(id ParticipantID) (*Participant, error) {
	p, ok := s.participants[id]
	if !ok {
		return nil, fmt.Errorf("participant %s: %w", id, ErrNotFound)
	}
	return p, when(!p.Randomized(), ErrNotRandomized)
}

func (s *State) checkBlindBroken(m Meta, e BlindBroken) error {
	p, err := s.randomized(e.Participant)
	if err != nil {
		return err
	}
	return first(
		when(e.Person == "", &Invalid{"person", "is missing"}),
		when(e.Visit != "" && s.visitIndex(e.Visit) < 0, &Invalid{"visit", fmt.Sprintf("%q is unknown in this trial", e.Visit)}),
		s.past(m, "on", e.On),
		s.afterRandomization(p, e.On),
		oneOf("how", e.How, BrokenHow()),
		oneOf("timing", e.Timing, BrokenTimings()),
		when(s.BlindBrokenFor(e.Person, e.Participant), ErrExists),
	)
}

func (s *State) checkImpact(e ImpactAssessed) error {
	at := s.report(e.Report)
	if at < 0 {
		return fmt.Errorf("report %d: %w", e.Report, ErrNotFound)
	}
	return first(
		when(s.broken[at].Impact != "", ErrExists),
		oneOf("impact", e.Impact, Impacts()),
		oneOf("measure", e.Measure, Measures()),
	)
}

// report returns the position of a report, or -1.
func (s *State) report(index int64) int {
	return position(s.broken, index, func(b BrokenBlind) int64 { return b.Index })
}

// position returns where in a list, which is in the order of its entries, stands
// what entry index has put there, or -1.
func position[T any](list []T, index int64, of func(T) int64) int {
	i, ok := slices.BinarySearchFunc(list, index, func(t T, index int64) int { return cmp.Compare(of(t), index) })
	if !ok {
		return -1
	}
	return i
}

func (s *State) disclosing(at time.Time, e DisclosureProposed) bool {
	return slices.ContainsFunc(s.disclosures, func(d disclosure) bool {
		return d.Participant == e.Participant && d.To == e.To && d.Live(at)
	})
}

func (s *State) disclosure(index int64) (disclosure, bool) {
	i := position(s.disclosures, index, func(d disclosure) int64 { return d.index })
	if i < 0 {
		return disclosure{}, false
	}
	return s.disclosures[i], true
}

// opening returns the position of an opening, or -1.
func (s *State) opening(index int64) int {
	return position(s.openings, index, func(o Opening) int64 { return o.Index })
}

func (s *State) applyBlinding(m Meta, e Event) {
	switch e := e.(type) {
	case BlindBroken:
		e.Sealed = nil // it stays in the log
		s.broken = append(s.broken, BrokenBlind{Index: m.Index, BlindBroken: e})
		p := s.participants[e.Participant]
		p.blindBroken = append(p.blindBroken, e.Person)
	case ImpactAssessed:
		b := &s.broken[s.report(e.Report)]
		b.Impact, b.Measure = e.Impact, e.Measure
	case Unblinded:
		o := Opening{Index: m.Index, Participant: e.Participant, At: m.At, By: m.Actor, To: e.To, Reason: e.Reason, Emergency: true}
		if e.To == "" {
			o.To, o.Collected = m.Actor, true
			s.sawArm[m.Actor] = true
		}
		s.openings = append(s.openings, o)
	case DisclosureProposed: // those that nobody approved in time are over
		s.disclosures = slices.DeleteFunc(s.disclosures, func(d disclosure) bool { return !d.Live(m.At) })
		s.disclosures = append(s.disclosures, disclosure{Disclosure{e, proposal.New(m.Actor, m.At)}, m.Index})
	case DisclosureApproved:
		d, _ := s.disclosure(e.Proposal)
		s.disclosures = slices.DeleteFunc(s.disclosures, func(d disclosure) bool { return d.index == e.Proposal })
		s.openings = append(s.openings, Opening{Index: m.Index, Participant: d.Participant, At: m.At, By: m.Actor, To: d.To, Reason: d.Reason})
	case ArmCollected:
		s.openings[s.opening(e.Of)].Collected, s.sawArm[m.Actor] = true, true
	}
}
