package trial

import (
	"fmt"
	"time"
)

// AdverseEventReported enters an adverse event. What a treatment team reports
// is entered by [ServerActor]; [EventTakenIn] says who it was.
type AdverseEventReported struct {
	Number      int // from 1
	Participant ParticipantID
	On          Date
	Category    Code // one of [EventCategories]
	Serious     bool
	Reporter    Code // one of [Reporters]
	Sealed      []byte
}

// EventTakenIn says that a member of a treatment team reported an event. Its
// actor is [ServerActor]: who it was is sealed, since the team tells the arm.
type EventTakenIn struct {
	Number int
	Sealed []byte
}

// AdverseEventAssessed is the investigator's judgement, which knows no arm.
type AdverseEventAssessed struct {
	Number   int
	Related  Code // to procedures of the trial: one of [Relations]
	Expected bool
}

// RelatednessAssessed is the unblinded reviewer's judgement, one of [Relations]
// to the intervention, which is sealed.
type RelatednessAssessed struct {
	Number int
	Sealed []byte
}

// ContactRecorded is a contact of a treatment team. With whom is sealed: the
// actor's team tells the arm.
type ContactRecorded struct{ Sealed []byte }

// A Contact is what a [ContactRecorded] holds.
type Contact struct {
	Participant ParticipantID
	On          Date
	Kind        Code // one of [ContactKinds]
	Minutes     int  // 0 to [MaxMinutes]
}

func (AdverseEventReported) event() {}
func (EventTakenIn) event()         {}
func (AdverseEventAssessed) event() {}
func (RelatednessAssessed) event()  {}
func (ContactRecorded) event()      {}

// MaxMinutes is how long a contact can take: a day.
const MaxMinutes = 24 * 60

// The reporters of adverse events. Who it was in a treatment team, and in
// which, would tell the arm.
const (
	FromSite Code = "site"
	FromTeam Code = "treatment-team"
)

// Reporters are the classes of reporters.
func Reporters() []Code { return []Code{FromSite, FromTeam} }

// EventCategories are the categories of adverse events. None tells an arm.
func EventCategories() []Code {
	return []Code{
		"psychiatric-admission", "relapse", "overdose", "suicide-attempt", "admission", "death", "other-medical", "other-social",
	}
}

// Relations say how an event is related to something.
func Relations() []Code { return []Code{"unrelated", "possible", "related"} }

// ContactKinds are the kinds of contacts.
func ContactKinds() []Code {
	return []Code{"meeting", "phone", "message", "employer", "service", "other"}
}

// An AdverseEvent is an event and what was judged about it.
type AdverseEvent struct {
	AdverseEventReported           // without what is sealed
	Index                int64     // of its entry in conduct
	At                   time.Time // when it was entered
	ToProcedures         Code      // empty until it is assessed
	Expected             bool
}

// AdverseEvents returns the events in the order of their numbers. The caller
// must not change them.
func (s *State) AdverseEvents() []AdverseEvent { return s.events }

// Contacts returns the indexes in delivery of the contacts with all participants.
// The caller must not change them.
func (s *State) Contacts() []int64 { return s.contacts }

func (s *State) checkSafety(m Meta, e Event) error {
	switch e := e.(type) {
	case AdverseEventReported:
		return s.checkReported(m, e)
	case EventTakenIn:
		return first(
			when(e.Number != s.untaken || e.Number < 1, fmt.Errorf("adverse event %d: %w", e.Number, ErrNotFound)),
			when(m.Actor != ServerActor, &Invalid{"reporter", "a treatment team's event is taken in by the server, and no other"}),
			sealedNotEmpty(e.Sealed),
		)
	case AdverseEventAssessed:
		return first(s.eventExists(e.Number), oneOf("related", e.Related, Relations()))
	case RelatednessAssessed:
		return first(s.eventExists(e.Number), sealedNotEmpty(e.Sealed))
	case ContactRecorded:
		return sealedNotEmpty(e.Sealed)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

// checkReported demands a participant who was randomized: before that there is
// no trial treatment to be safe from.
func (s *State) checkReported(m Meta, e AdverseEventReported) error {
	p, err := s.randomized(e.Participant)
	if err != nil {
		return err
	}
	want := len(s.events) + 1
	return first(
		when(s.untaken > 0, fmt.Errorf("trial: nobody took in adverse event %d", s.untaken)),
		when(e.Number != want, fmt.Errorf("trial: adverse event %d, want %d", e.Number, want)),
		s.past(m, "on", e.On),
		s.afterRandomization(p, e.On),
		oneOf("category", e.Category, EventCategories()),
		oneOf("reporter", e.Reporter, Reporters()),
		when((e.Reporter == FromTeam) != (m.Actor == ServerActor), &Invalid{"reporter", "a treatment team's event is entered by the server, and no other"}),
	)
}

func (s *State) eventExists(number int) error {
	return when(number < 1 || number > len(s.events), fmt.Errorf("adverse event %d: %w", number, ErrNotFound))
}

func sealedNotEmpty(sealed []byte) error {
	return when(len(sealed) == 0, &Invalid{"sealed", "is missing"})
}

// CheckContact reports why a contact can't be recorded now. No rule of the log
// can look into what is sealed, so that whoever seals it asks.
func (s *State) CheckContact(m Meta, e Contact) error {
	p, err := s.randomized(e.Participant)
	if err != nil {
		return err
	}
	return first(
		s.past(m, "on", e.On),
		s.afterRandomization(p, e.On),
		oneOf("kind", e.Kind, ContactKinds()),
		when(e.Minutes < 0 || e.Minutes > MaxMinutes, &Invalid{"minutes", fmt.Sprintf("%d, want 0 to %d", e.Minutes, MaxMinutes)}),
	)
}

func (s *State) applySafety(m Meta, e Event) {
	switch e := e.(type) {
	case AdverseEventReported:
		e.Sealed = nil // it stays in the log
		s.events = append(s.events, AdverseEvent{AdverseEventReported: e, Index: m.Index, At: m.At})
		if e.Reporter == FromTeam {
			s.untaken = e.Number
		}
	case EventTakenIn:
		s.untaken = 0
	case AdverseEventAssessed:
		a := &s.events[e.Number-1]
		a.ToProcedures, a.Expected = e.Related, e.Expected
	case RelatednessAssessed:
		// What was judged is sealed.
	case ContactRecorded:
		s.contacts = append(s.contacts, m.Index)
	}
}

// decideReported numbers an event. That of a treatment team has two entries:
// one that everybody may read, and one that says who it was.
func (s *State) decideReported(m Meta, e AdverseEventReported) ([]Event, error) {
	e.Number = len(s.events) + 1
	if e.Reporter == FromTeam {
		m.Actor, m.Role = ServerActor, ""
	}
	if err := s.check(m, e); err != nil {
		return nil, err
	}
	if e.Reporter == FromTeam {
		return []Event{e, EventTakenIn{Number: e.Number}}, nil
	}
	return []Event{e}, nil
}
