package trial

import (
	"fmt"
	"slices"
)

// checkMistake guards what is recorded about a randomization afterwards. None
// of it touches a sequence.
func (s *State) checkMistake(m Meta, e Event) error {
	switch e := e.(type) {
	case ErrorRecorded:
		return s.checkErrorRecorded(e)
	case LevelsCorrected:
		return s.checkLevelsCorrected(e)
	case Replaced:
		return s.checkReplaced(e)
	case ContingencyUsed:
		return s.checkContingencyUsed(m, e)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

func (s *State) checkErrorRecorded(e ErrorRecorded) error {
	p, err := s.randomized(e.Participant)
	if err != nil {
		return err
	}
	if err := first(when(p.Error != "", ErrExists), oneOf("kind", e.Kind, ErrorKinds())); err != nil || e.Of == "" {
		return err
	}
	if _, ok := s.participants[e.Of]; !ok {
		return fmt.Errorf("participant %s: %w", e.Of, ErrNotFound)
	}
	return first(
		when(e.Kind != "duplicate", &Invalid{"of", "belongs to a duplicate"}),
		when(e.Of == e.Participant, &Invalid{"of", "is the participant itself"}),
	)
}

func (s *State) checkLevelsCorrected(e LevelsCorrected) error {
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	return first(
		when(p.Excluded != "", ErrExcluded),
		s.checkLevels(e.Levels),
		oneOf("reason", e.Reason, LevelReasons()),
		when(slices.Equal(p.TrueLevels(), e.Levels), ErrNothingChanged),
	)
}

// checkReplaced demands two randomized participants, of whom neither has a part
// in another replacement on the same side, and the later one replaces.
func (s *State) checkReplaced(e Replaced) error {
	p, err := s.randomized(e.Participant)
	if err != nil {
		return err
	}
	by, err := s.randomized(e.By)
	if err != nil {
		return err
	}
	return first(
		when(p.ReplacedBy != "" || by.Replaces != "", ErrExists),
		when(by.Receipt <= p.Receipt, &Invalid{"by", fmt.Sprintf("%s was randomized no later than %s", by.ID, p.ID)}),
	)
}

// checkContingencyUsed demands of an envelope what a randomization demands, save
// that enrolment may have been closed since.
func (s *State) checkContingencyUsed(m Meta, e ContingencyUsed) error {
	p, err := s.screening(e.Participant)
	if err != nil {
		return err
	}
	return first(
		s.bound(),
		when(s.fenced(), ErrFenced), // the participant may have been randomized in what was lost
		when(!s.opened, ErrEnrolmentClosed),
		when(s.unsealed(), ErrUnsealed),
		s.prepared(p),
		s.envelopeExists(e.Envelope),
		when(s.envelopeSpoiled(p.stratum(s.protocol.Factors), e.Envelope),
			&Invalid{"envelope", fmt.Sprintf("%d of the participant's stratum is spoiled; take the next one", e.Envelope)}),
		when(s.envelopeUsed(p.stratum(s.protocol.Factors), e.Envelope),
			&Invalid{"envelope", fmt.Sprintf("%d of the participant's stratum is used by somebody else; read the number on the envelope again", e.Envelope)}),
		s.past(m, "on", e.On),
		when(e.On.Before(p.Consent.On), &Invalid{"on", fmt.Sprintf("%s is earlier than the consent of %s", e.On, p.Consent.On)}),
		when(!s.closedOn.IsZero() && s.closedOn.Before(e.On), &Invalid{"on", fmt.Sprintf("%s is later than the end of enrolment on %s", e.On, s.closedOn)}),
		when(e.Witness == "" || e.Witness == m.Actor, &Invalid{"witness", "is missing or yourself; two people open an envelope"}),
		oneOf("reason", e.Reason, ContingencyReasons()),
		when(s.unallocated != "", fmt.Errorf("trial: participant %s has no allocation", s.unallocated)),
	)
}

func (s *State) envelopeUsed(stratum Stratum, envelope int) bool {
	return slices.Contains(s.usedEnvelopes[stratum], envelope)
}

// decideContingency returns nothing if the participant has this envelope
// already.
func (s *State) decideContingency(m Meta, e ContingencyUsed) ([]Event, error) {
	if p, ok := s.participants[e.Participant]; ok && e.Envelope > 0 && p.Envelope == e.Envelope {
		return nil, nil
	}
	if err := s.check(m, e); err != nil {
		return nil, err
	}
	stratum := s.participants[e.Participant].stratum(s.protocol.Factors)
	return []Event{e, Allocated{Participant: e.Participant, Stratum: stratum, Slot: e.Envelope - 1, Contingency: true}}, nil
}

func (s *State) applyMistake(m Meta, e Event) {
	switch e := e.(type) {
	case ErrorRecorded:
		p := s.participants[e.Participant]
		p.Error, p.DuplicateOf = e.Kind, e.Of
	case LevelsCorrected:
		s.correctLevels(s.participants[e.Participant], e.Levels)
	case Replaced:
		s.participants[e.Participant].ReplacedBy, s.participants[e.By].Replaces = e.By, e.Participant
	case ContingencyUsed:
		p := s.participants[e.Participant]
		p.RandomizedAt, p.Receipt, p.Stratum = m.At, m.Index, p.stratum(s.protocol.Factors)
		p.Envelope, p.OpenedOn, p.Slot = e.Envelope, e.On, e.Envelope-1
		s.usedEnvelopes[p.Stratum] = append(s.usedEnvelopes[p.Stratum], e.Envelope)
		s.unallocated = p.ID
		s.proposal = Proposal{} // who proposed to unseal knew of one participant less
	}
}

// correctLevels keeps both values of somebody who is randomized. Of anybody
// else, what was prepared showed the wrong ones and is to be prepared again.
func (s *State) correctLevels(p *Participant, levels []Code) {
	if p.Randomized() {
		p.CorrectedLevels = nil
		if !slices.Equal(levels, p.Levels) {
			p.CorrectedLevels = slices.Clone(levels)
		}
		return
	}
	p.Levels = slices.Clone(levels)
	for id, i := range s.intents {
		if i.participant == p.ID {
			i.stale = true
			s.intents[id] = i
		}
	}
}
