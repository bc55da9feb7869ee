package trial

import "fmt"

func (s *State) checkAssessment(m Meta, e Event) error {
	switch e := e.(type) {
	case FormSubmitted:
		return s.checkSubmitted(m, e)
	case FormCorrected:
		return s.checkCorrected(m, e)
	case VisitMissed:
		return s.checkMissed(m, e)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

// place returns the positions of a visit and of a form that role fills in
// there.
func (s *State) place(v VisitID, f FormID, role Role) (visit, form int, err error) {
	visit = s.visitIndex(v)
	if visit < 0 {
		return 0, 0, &Invalid{"visit", fmt.Sprintf("%q is unknown in this trial", v)}
	}
	form = s.protocol.formIndex(f)
	switch {
	case form < 0 || s.protocol.Forms[form].By != role:
		return 0, 0, &Invalid{"form", fmt.Sprintf("%q is no form that a %s fills in", f, role)}
	case !s.protocol.Forms[form].At(v):
		return 0, 0, &Invalid{"form", fmt.Sprintf("%s is not filled in at %s", f, v)}
	}
	return visit, form, nil
}

func (s *State) visitIndex(id VisitID) int {
	for i := range s.protocol.Visits {
		if s.protocol.Visits[i].ID == id {
			return i
		}
	}
	return -1
}

func (s *State) checkSubmitted(m Meta, e FormSubmitted) error {
	visit, form, err := s.place(e.Visit, e.Form, m.Role)
	if err != nil {
		return err
	}
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	if _, done := p.record(visit, form); done {
		return ErrAlreadySubmitted
	}
	if err := first(when(s.blindBroken(m, e.Participant), ErrBlindBroken), checkHeld(e.Held)); err != nil {
		return err
	}
	if err := first(s.past(m, "on", e.On), s.mayAssess(p, visit, e.On)); err != nil {
		return err
	}
	if err := s.checkVersion(form, e.Version); err != nil {
		return err
	}
	def := &s.protocol.Forms[form]
	if def.After == "" {
		return nil
	}
	earlier, before, known := s.protocol.Form(def.After)
	_, done := p.record(visit, before)
	if !known || earlier.At(e.Visit) && !done {
		return fmt.Errorf("form %s: %w", def.After, ErrFormOrder)
	}
	return nil
}

// mayAssess reports why p cannot be assessed at a visit on a day. A day
// outside the window is no reason: missing data are worse than late data.
func (s *State) mayAssess(p *Participant, visit int, on Date) error {
	if p.Excluded != "" {
		return ErrExcluded
	}
	if visit == 0 {
		return when(p.Consent.Version == "", ErrNoConsent)
	}
	if !p.Randomized() {
		return ErrNotRandomized
	}
	if p.endedBefore(on) {
		return ErrFollowUpEnded
	}
	if anchor := s.anchor(p); on.Before(anchor) {
		return &Invalid{"on", fmt.Sprintf("%s is before the follow-up began", on)}
	}
	return nil
}

func (s *State) checkCorrected(m Meta, e FormCorrected) error {
	visit, form, err := s.place(e.Visit, e.Form, m.Role)
	if err != nil {
		return err
	}
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	if _, done := p.record(visit, form); !done {
		return ErrNotSubmitted
	}
	return first(when(s.blindBroken(m, e.Participant), ErrBlindBroken), checkHeld(e.Held), s.checkVersion(form, e.Version))
}

func (s *State) checkVersion(form, version int) error {
	if def := &s.protocol.Forms[form]; version != def.Version {
		return &Invalid{"form", fmt.Sprintf("version %d of %s, want %d", version, def.ID, def.Version)}
	}
	return nil
}

func (s *State) checkMissed(m Meta, e VisitMissed) error {
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	visit := s.visitIndex(e.Visit)
	if visit < 1 {
		return &Invalid{"visit", fmt.Sprintf("%q is no follow-up visit of this trial", e.Visit)}
	}
	if err := first(oneOf("reason", e.Reason, MissedReasons()), when(!p.Randomized(), ErrNotRandomized)); err != nil {
		return err
	}
	opens := s.window(p, visit).Opens
	return first(
		when(s.blindBroken(m, e.Participant), ErrBlindBroken),
		when(p.missedVisit(visit), ErrExists),
		when(s.complete(p, visit), ErrAlreadySubmitted),
		when(s.Today(m.At).Before(opens), ErrNotInWindow),
		when(p.endedBefore(opens), ErrFollowUpEnded), // such a visit was never due
	)
}

// complete reports whether every form of a visit is submitted. A visit without
// forms is never complete: nothing says that it took place.
func (s *State) complete(p *Participant, visit int) bool {
	forms := 0
	for i, f := range s.protocol.Forms {
		if !f.At(s.protocol.Visits[visit].ID) {
			continue
		}
		if _, done := p.record(visit, i); !done {
			return false
		}
		forms++
	}
	return forms > 0
}

func (s *State) checkConduct(m Meta, e Event) error {
	switch e := e.(type) {
	case Withdrawn:
		return s.checkWithdrawn(m, e)
	case Erased:
		return s.checkErased(m, e)
	case Died:
		p, err := s.randomized(e.Participant)
		if err != nil {
			return err
		}
		return first(when(!p.Died.IsZero(), ErrExists), s.past(m, "on", e.On), s.afterRandomization(p, e.On))
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

func (s *State) checkWithdrawn(m Meta, e Withdrawn) error {
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	if err := first(
		oneOf("scope", Code(e.Scope), []Code{Code(FromIntervention), Code(FromFollowUp), Code(FromData)}),
		oneOf("reason", e.Reason, WithdrawalReasons()),
		s.past(m, "on", e.On),
	); err != nil {
		return err
	}
	if !p.Randomized() {
		// Before randomization there is nothing to withdraw from but the data.
		return when(e.Scope != FromData, ErrNotRandomized)
	}
	if err := s.afterRandomization(p, e.On); err != nil {
		return err
	}
	switch e.Scope {
	case FromIntervention:
		return when(!p.Stopped.IsZero(), ErrExists)
	case FromFollowUp:
		return when(!p.Withdrew.IsZero(), ErrExists)
	default: // from the data: participant has refused those who have done so
		return nil
	}
}

// checkErased demands that somebody else has recorded the withdrawal: what
// cannot be undone takes two people.
func (s *State) checkErased(m Meta, e Erased) error {
	p, ok := s.participants[e.Participant]
	if !ok {
		return fmt.Errorf("participant %s: %w", e.Participant, ErrNotFound)
	}
	return first(
		when(p.WithdrewData.IsZero(), ErrNotWithdrawn),
		when(p.Erased(), ErrErased),
		when(p.withdrewDataBy == m.Actor, ErrSamePerson),
	)
}

func (s *State) afterRandomization(p *Participant, on Date) error {
	if anchor := s.anchor(p); on.Before(anchor) {
		return &Invalid{"on", fmt.Sprintf("%s is earlier than the randomization on %s", on, anchor)}
	}
	return nil
}

func (s *State) randomized(id ParticipantID) (*Participant, error) {
	p, err := s.participant(id)
	if err != nil {
		return nil, err
	}
	return p, when(!p.Randomized(), ErrNotRandomized)
}
