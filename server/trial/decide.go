package trial

import (
	"fmt"
	"slices"
	"strings"
)

// Decide checks the event that a command proposes and returns it with what
// follows from it, in the order in which they are to be appended. It changes
// nothing.
//
// A participant who is randomized already needs no event: Decide returns none
// for another [Randomized], and the answer is that of the first one. The same
// goes for [Erased], and for [ContingencyUsed] with the same envelope.
//
// Its errors wrap an error of this package or are an [Invalid].
func (s *State) Decide(m Meta, proposal Event) ([]Event, error) {
	if r, ok := proposal.(Randomized); ok {
		return s.decideRandomized(m, r)
	}
	if l, ok := proposal.(Locked); ok {
		l.Number, l.Conduct, l.Outcome = len(s.locks)+1, s.lens.conduct, s.lens.outcome
		proposal = l
	}
	if e, ok := proposal.(AdverseEventReported); ok {
		return s.decideReported(m, e)
	}
	if e, ok := proposal.(ContingencyUsed); ok {
		return s.decideContingency(m, e)
	}
	if e, ok := proposal.(Erased); ok && s.erased(e.Participant) {
		return nil, nil
	}
	if err := s.check(m, proposal); err != nil {
		return nil, err
	}
	if e, ok := proposal.(Created); ok { // not in check: older logs hold such names
		if err := CheckTimeZone(e.Protocol.TimeZone); err != nil {
			return nil, &Invalid{"time_zone", err.Error()}
		}
	}
	return []Event{proposal}, nil
}

func (s *State) decideRandomized(m Meta, r Randomized) ([]Event, error) {
	intent, ok := s.intents[r.Intent]
	if !ok {
		return nil, fmt.Errorf("intent %s: %w", r.Intent, ErrNotFound)
	}
	if intent.participant != r.Participant {
		return nil, ErrNotConfirmed
	}
	if p := s.participants[r.Participant]; p.Randomized() {
		return nil, nil
	}
	if err := s.check(m, r); err != nil {
		return nil, err
	}
	p := s.participants[r.Participant]
	stratum := p.stratum(s.protocol.Factors)
	return []Event{r, Allocated{Participant: r.Participant, Stratum: stratum, Slot: s.slots[stratum]}}, nil
}

// check reports why e may not be the next entry. It guards both Decide and
// Apply.
func (s *State) check(m Meta, e Event) error {
	if _, ok := e.(Created); !ok && s.protocol.ID == "" {
		return fmt.Errorf("trial: %T before the trial was created", e)
	}
	switch e := e.(type) {
	case Created:
		return s.checkCreated(e)
	case FormDefined:
		return s.checkFormDefined(e)
	case DesignSealed, DesignKept, EntropyContributed, SealingAbandoned, ContingencyPrinted, EnvelopeSpoiled:
		return s.checkSealing(m, e)
	case PlanFrozen, UnsealingProposed, Unsealed, Revealed:
		return s.checkUnsealing(m, e)
	case EnrolmentOpened:
		return first(s.bound(), when(s.open, ErrExists), when(s.fenced(), ErrFenced), when(s.unsealed(), ErrUnsealed))
	case EnrolmentClosed:
		return when(!s.open, ErrEnrolmentClosed)
	case Screened, Consented, EligibilityAssessed, Excluded, Prepared, Randomized, Allocated:
		return s.checkEnrolment(m, e)
	case FormSubmitted, FormCorrected, VisitMissed:
		return s.checkAssessment(m, e)
	case Withdrawn, Erased, Died:
		return s.checkConduct(m, e)
	case FormSigned, TextJudged:
		return s.checkRecord(m, e)
	case BlindBroken, ImpactAssessed, Unblinded, DisclosureProposed, DisclosureApproved, ArmCollected:
		return s.checkBlinding(m, e)
	case AdverseEventReported, EventTakenIn, AdverseEventAssessed, RelatednessAssessed, ContactRecorded:
		return s.checkSafety(m, e)
	case ErrorRecorded, LevelsCorrected, Replaced, ContingencyUsed:
		return s.checkMistake(m, e)
	case Locked:
		want := Locked{len(s.locks) + 1, s.lens.conduct, s.lens.outcome}
		if e != want {
			return fmt.Errorf("trial: lock %+v, want %+v", e, want)
		}
		return nil
	case Exported:
		_, err := s.Lock(e.Lock)
		return err
	case Restored, Reconciled:
		return s.checkFence(e)
	case ArmsViewed, ClockSteppedBack:
		return nil
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

func (s *State) erased(id ParticipantID) bool {
	p, ok := s.participants[id]
	return ok && p.Erased()
}

func (s *State) checkCreated(e Created) error {
	if s.protocol.ID != "" {
		return ErrExists
	}
	if len(e.Protocol.Arms) < 2 || len(e.Protocol.Sites) == 0 || len(e.Protocol.Visits) == 0 {
		return &Invalid{"protocol", "needs at least two arms, a site and a visit"}
	}
	if len(e.Protocol.Visits) > 255 || e.Forms < 0 || e.Forms > 255 || len(e.Protocol.Forms) > 0 {
		return &Invalid{"protocol", "has more than 255 visits or forms"}
	}
	_, err := e.Protocol.Location()
	return err
}

func (s *State) checkFormDefined(e FormDefined) error {
	if _, _, twice := s.protocol.Form(e.Form.ID); twice || s.formsToCome == 0 {
		return ErrExists
	}
	for _, v := range e.Form.Visits {
		if _, ok := s.protocol.Visit(v); !ok {
			return &Invalid{"form", fmt.Sprintf("%s is filled in at visit %s, which the protocol does not have", e.Form.ID, v)}
		}
	}
	return nil
}

// participant returns p if it can still take part in anything.
func (s *State) participant(id ParticipantID) (*Participant, error) {
	p, ok := s.participants[id]
	switch {
	case !ok:
		return nil, fmt.Errorf("participant %s: %w", id, ErrNotFound)
	case !p.WithdrewData.IsZero():
		return nil, ErrErased
	}
	return p, nil
}

// past reports an error if d, a field of a request, is no date or later than
// today.
func (s *State) past(m Meta, field string, d Date) error {
	switch today := s.Today(m.At); {
	case d.IsZero():
		return &Invalid{field, "a date is missing, want YYYY-MM-DD"}
	case today.Before(d):
		return &Invalid{field, fmt.Sprintf("%s is later than today, %s", d, today)}
	}
	return nil
}

func oneOf(field string, c Code, of []Code) error {
	if slices.Contains(of, c) {
		return nil
	}
	names := make([]string, len(of))
	for i, o := range of {
		names[i] = string(o)
	}
	return &Invalid{field, fmt.Sprintf("%q is unknown, want %s", c, strings.Join(names, ", "))}
}

func when(refuse bool, err error) error {
	if refuse {
		return err
	}
	return nil
}

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
