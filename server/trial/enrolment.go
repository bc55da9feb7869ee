package trial

import (
	"fmt"
	"slices"
	"strings"
)

func (s *State) checkEnrolment(m Meta, e Event) error {
	switch e := e.(type) {
	case Screened:
		return s.checkScreened(m, e)
	case Consented:
		p, err := s.screening(e.Participant)
		if err != nil {
			return err
		}
		return first(when(p.Consent.Version != "", ErrExists), s.checkConsent(m, e.Consent))
	case EligibilityAssessed:
		p, err := s.screening(e.Participant)
		if err != nil {
			return err
		}
		return when(p.Assessed, ErrExists)
	case Excluded:
		return s.checkExcluded(e)
	case Prepared:
		return s.checkPrepared(m, e)
	case Randomized:
		return s.checkRandomized(m, e)
	case Allocated:
		return s.checkAllocated(e)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

// screening returns a participant who is neither excluded nor randomized.
func (s *State) screening(id ParticipantID) (*Participant, error) {
	p, err := s.participant(id)
	if err != nil {
		return nil, err
	}
	return p, first(when(p.Excluded != "", ErrExcluded), when(p.Randomized(), ErrAlreadyRandomized))
}

func (s *State) checkScreened(m Meta, e Screened) error {
	if _, ok := s.participants[e.Participant]; ok {
		return fmt.Errorf("screening number %s: %w", e.Participant, ErrExists)
	}
	if err := first(when(!s.open, ErrEnrolmentClosed), s.checkSite(e.Site), s.past(m, "on", e.On)); err != nil {
		return err
	}
	if err := s.checkLevels(e.Levels); err != nil {
		return err
	}
	if e.Consent == (ConsentGiven{}) {
		return nil
	}
	return s.checkConsent(m, e.Consent)
}

// checkLevels demands one level of each factor.
func (s *State) checkLevels(given []Code) error {
	if len(given) != len(s.protocol.Factors) {
		return &Invalid{"levels", fmt.Sprintf("want one level for each of %d factors", len(s.protocol.Factors))}
	}
	for i, f := range s.protocol.Factors {
		var levels []Code
		for _, l := range f.Levels {
			levels = append(levels, l.ID)
		}
		if err := oneOf("levels."+string(f.ID), given[i], levels); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) checkSite(id SiteID) error {
	var known []string
	for _, site := range s.protocol.Sites {
		known = append(known, string(site.ID))
	}
	if slices.Contains(known, string(id)) {
		return nil
	}
	return &Invalid{"site", fmt.Sprintf("%q is unknown, want %s", id, strings.Join(known, ", "))}
}

// checkConsent demands an approved version, signed after its approval and not
// in the future.
func (s *State) checkConsent(m Meta, c ConsentGiven) error {
	var known []string
	for _, v := range s.protocol.Consents {
		if v.Version != c.Version {
			known = append(known, v.Version)
			continue
		}
		if err := s.past(m, "consent.on", c.On); err != nil {
			return err
		}
		if c.On.Before(v.Approved) {
			return &Invalid{"consent.on", fmt.Sprintf("%s is earlier than the approval of version %s on %s", c.On, v.Version, v.Approved)}
		}
		return nil
	}
	return &Invalid{"consent.version", fmt.Sprintf("%q is not approved, want %s", c.Version, strings.Join(known, ", "))}
}

func (s *State) checkExcluded(e Excluded) error {
	if err := oneOf("reason", e.Reason, ExclusionReasons()); err != nil {
		return err
	}
	if _, ok := s.participants[e.Participant]; !ok {
		return first(when(!s.open, ErrEnrolmentClosed), s.checkSite(e.Site))
	}
	p, err := s.screening(e.Participant)
	if err != nil {
		return err
	}
	if e.Site != "" && e.Site != p.Site {
		return &Invalid{"site", fmt.Sprintf("participant %s is screened at %s", p.ID, p.Site)}
	}
	return nil
}

// ready reports what stands between a participant and randomization.
//
// Source: ICH E6(R3) (2025), 4.3.4; CONSORT 2025, item 18: consent and
// eligibility come before the allocation.
func (s *State) ready(id ParticipantID) error {
	p, err := s.screening(id)
	if err != nil {
		return err
	}
	return first(when(s.fenced(), ErrFenced), when(!s.open, ErrEnrolmentClosed), s.prepared(p))
}

// prepared reports what of the participant's own stands in the way.
func (s *State) prepared(p *Participant) error {
	baseline := func() bool {
		for i, f := range s.protocol.Forms {
			if _, done := p.record(0, i); f.At(s.protocol.Baseline()) && !done {
				return false
			}
		}
		return true
	}
	return first(
		when(p.Consent.Version == "", ErrNoConsent),
		when(!p.Assessed || !p.Eligible, ErrNotEligible),
		when(!baseline(), ErrNoBaseline),
	)
}

func (s *State) checkPrepared(m Meta, e Prepared) error {
	if m.Request == (RequestID{}) {
		return &Invalid{"request_id", "a randomization needs a request id"}
	}
	if _, _, taken := s.Intent(m.Request); taken {
		return ErrExists
	}
	return s.ready(e.Participant)
}

func (s *State) checkRandomized(m Meta, e Randomized) error {
	intent, ok := s.intents[e.Intent]
	if !ok {
		return fmt.Errorf("intent %s: %w", e.Intent, ErrNotFound)
	}
	if s.unallocated != "" {
		return fmt.Errorf("trial: participant %s has no allocation", s.unallocated)
	}
	return first(
		when(intent.participant != e.Participant, ErrNotConfirmed),
		s.ready(e.Participant),
		when(intent.stale, ErrIntentExpired),
		when(m.At.Sub(intent.at) > IntentLife, ErrIntentExpired),
	)
}

func (s *State) checkAllocated(e Allocated) error {
	p, ok := s.participants[e.Participant]
	if !ok || s.unallocated != e.Participant {
		return fmt.Errorf("trial: allocation of %s without a randomization", e.Participant)
	}
	if e.Contingency != (p.Envelope > 0) {
		return fmt.Errorf("trial: allocation of %s out of the wrong sequence", e.Participant)
	}
	if e.Stratum != p.Stratum || e.Slot != p.Slot {
		return fmt.Errorf("trial: allocation of %s at %s/%d, want %s/%d", e.Participant, e.Stratum, e.Slot, p.Stratum, p.Slot)
	}
	if len(e.Sealed) == 0 {
		return fmt.Errorf("trial: allocation of %s has no sealed arm", e.Participant)
	}
	return nil
}
