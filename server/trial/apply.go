package trial

import (
	"fmt"
	"slices"
)

// Apply moves the state past e, which is entry m.Index of its compartment. An
// error means that the log holds an entry that no correct server wrote; the
// state is then unusable.
func (s *State) Apply(m Meta, e Event) error {
	c := s.Compartment(e)
	n := s.lens.of(c)
	if m.Index != *n {
		return fmt.Errorf("trial: entry %d of %s, want %d", m.Index, c, *n)
	}
	if m.At.Before(s.last) {
		return fmt.Errorf("trial: entry %d of %s is earlier than the one before it", m.Index, c)
	}
	if err := s.check(m, e); err != nil {
		return fmt.Errorf("trial: entry %d of %s: apply %T: %w", m.Index, c, e, err)
	}
	if s.participants == nil {
		s.begin()
	}
	s.apply(m, e)
	*n++
	s.last = m.At
	return nil
}

func (s *State) begin() {
	s.participants = map[ParticipantID]*Participant{}
	s.slots = map[Stratum]int{}
	s.usedEnvelopes, s.spoiledEnvelopes = map[Stratum][]int{}, map[Stratum][]int{}
	s.sawArm = map[string]bool{}
	s.intents = map[IntentID]intent{}
}

// apply changes the state by a checked event.
func (s *State) apply(m Meta, e Event) {
	switch e := e.(type) {
	case Created:
		s.protocol, s.formsToCome = e.Protocol, e.Forms
		s.loc, _ = e.Protocol.Location() // checked
	case FormDefined:
		s.protocol.Forms = append(s.protocol.Forms, e.Form)
		s.formsToCome--
	case DesignSealed, DesignKept, EntropyContributed, SealingAbandoned, ContingencyPrinted, EnvelopeSpoiled:
		s.applySealing(m, e)
	case PlanFrozen, UnsealingProposed, Unsealed:
		s.applyUnsealing(m, e)
	case EnrolmentOpened:
		s.open, s.opened, s.closedOn, s.proposal = true, true, Date{}, Proposal{}
	case EnrolmentClosed:
		s.open, s.closedOn = false, s.Today(m.At)
	case Locked:
		s.locks = append(s.locks, Lock{e.Number, m.At, m.Actor, e.Conduct, e.Outcome})
	case Restored:
		s.raiseFence(e)
	case Reconciled:
		s.liftFence(e)
	case BlindBroken, ImpactAssessed, Unblinded, DisclosureProposed, DisclosureApproved, ArmCollected:
		s.applyBlinding(m, e)
	case AdverseEventReported, EventTakenIn, AdverseEventAssessed, RelatednessAssessed, ContactRecorded:
		s.applySafety(m, e)
	case Exported, ArmsViewed, ClockSteppedBack, Revealed:
		// They are facts for the auditor and change nothing.
	default:
		s.applyParticipant(m, e)
	}
}

func (s *State) applyParticipant(m Meta, e Event) {
	switch e := e.(type) {
	case Screened:
		s.enter(&Participant{
			ID: e.Participant, Site: e.Site, Levels: slices.Clone(e.Levels), ScreenedOn: e.On,
			Consent: e.Consent, Assessed: e.Assessed, Eligible: e.Eligible, Excluded: ruledOut(e.Assessed, e.Eligible),
		})
	case Consented:
		s.participants[e.Participant].Consent = e.Consent
	case EligibilityAssessed:
		p := s.participants[e.Participant]
		p.Assessed, p.Eligible, p.Excluded = true, e.Eligible, ruledOut(true, e.Eligible)
	case Excluded:
		if _, ok := s.participants[e.Participant]; !ok {
			s.enter(&Participant{ID: e.Participant, Site: e.Site, ScreenedOn: s.Today(m.At)})
		}
		s.participants[e.Participant].Excluded = e.Reason
	case Prepared:
		s.intents[m.Request] = intent{participant: e.Participant, at: m.At}
	case Randomized:
		p := s.participants[e.Participant]
		p.RandomizedAt, p.Receipt, p.Stratum = m.At, m.Index, p.stratum(s.protocol.Factors)
		p.Slot = s.slots[p.Stratum]
		s.slots[p.Stratum]++
		s.unallocated = p.ID
	case Allocated:
		s.unallocated = ""
	case FormSubmitted:
		p := s.participants[e.Participant]
		p.forms = append(p.forms, s.formRecord(e.Visit, e.Form, formRecord{at: m.Index, on: e.On.unixDay()}))
		p.hold(m, e.Visit, e.Form, e.Held)
	case FormCorrected:
		p := s.participants[e.Participant]
		p.forms = append(p.forms, s.formRecord(e.Visit, e.Form, formRecord{at: m.Index, correction: true}))
		p.hold(m, e.Visit, e.Form, e.Held)
	case FormSigned, TextJudged:
		s.applyRecord(m, e)
	case VisitMissed:
		p := s.participants[e.Participant]
		p.missed = append(p.missed, uint8(s.visitIndex(e.Visit)))
	case Withdrawn:
		s.participants[e.Participant].withdraw(m, e)
	case Erased:
		s.participants[e.Participant].Erasure = m.Index
	case Died:
		s.participants[e.Participant].Died = e.On
	case ErrorRecorded, LevelsCorrected, Replaced, ContingencyUsed:
		s.applyMistake(m, e)
	}
}

func (s *State) enter(p *Participant) {
	s.participants[p.ID] = p
	s.order = append(s.order, p)
}

// formRecord returns r with the positions of its visit and form.
func (s *State) formRecord(v VisitID, f FormID, r formRecord) formRecord {
	r.visit, r.form = uint8(s.visitIndex(v)), uint8(s.protocol.formIndex(f))
	return r
}

func (p *Participant) withdraw(m Meta, e Withdrawn) {
	switch e.Scope {
	case FromIntervention:
		p.Stopped = e.On
	case FromFollowUp:
		p.Withdrew = e.On
	case FromData:
		p.WithdrewData, p.withdrewDataBy = e.On, m.Actor
	}
}

func ruledOut(assessed, eligible bool) Code {
	if assessed && !eligible {
		return "not-eligible"
	}
	return ""
}
