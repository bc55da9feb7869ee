package trial_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// A story tells a trial event by event. Its clock stands still until the story
// moves it.
type story struct {
	testing.TB
	*trial.State
	now time.Time
	log []logged
}

type logged struct {
	meta  trial.Meta
	event trial.Event
}

// A day in a story sets the clock to 10 o'clock UTC of a day.
type day string

// tell returns the story of events and days, in which nothing is refused.
func tell(t testing.TB, steps ...any) *story {
	t.Helper()
	h := &story{TB: t, State: &trial.State{}}
	h.on("2020-03-01")
	for _, step := range steps {
		switch step := step.(type) {
		case day:
			h.on(step)
		case time.Time:
			h.now = step
		case trial.Event:
			if err := h.do(step); err != nil {
				t.Fatalf("%T is refused: %v", step, err)
			}
		default:
			t.Fatalf("a story has no %T", step)
		}
	}
	return h
}

func (h *story) on(d day) {
	h.Helper()
	at, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		h.Fatal(err)
	}
	h.now = at.Add(10 * time.Hour)
}

// meta returns what an entry of e says about itself: the role is that of whoever
// does such a thing, the request of a preparation is named after the participant.
func (h *story) meta(e trial.Event) trial.Meta {
	m := trial.Meta{At: h.now, Actor: "kari", Role: trial.Coordinator}
	switch e := e.(type) {
	case trial.FormSubmitted:
		m.Role = filledInBy(e.Form)
	case trial.FormCorrected:
		m.Role = filledInBy(e.Form)
	case trial.Prepared:
		m.Request = intentOf(e.Participant)
	case trial.Erased, trial.Unsealed:
		m.Actor, m.Role = "per", trial.Investigator // kari did the first step
	case trial.EntropyContributed:
		m.Actor, m.Role = "stine", trial.Statistician
	default:
		m.Actor, m.Role = whoever(m, e)
	}
	return m
}

// whoever returns who does what is about blinding, signatures and safety.
func whoever(m trial.Meta, e trial.Event) (string, trial.Role) {
	switch e := e.(type) {
	case trial.FormSigned:
		if e.Meaning == "approval" {
			return "per", trial.Investigator
		}
		return m.Actor, filledInBy(e.Form)
	case trial.TextJudged, trial.RelatednessAssessed:
		return "rita", trial.Reviewer
	case trial.BlindBroken:
		return "kari", trial.Assessor
	case trial.Unblinded, trial.DisclosureApproved, trial.AdverseEventAssessed, trial.ImpactAssessed:
		return "per", trial.Investigator
	case trial.ArmCollected:
		return "inspector", trial.Auditor
	case trial.AdverseEventReported:
		if e.Reporter == trial.FromTeam {
			return trial.ServerActor, ""
		}
	case trial.EventTakenIn:
		return trial.ServerActor, ""
	case trial.ContactRecorded:
		return "ina", trial.TreatmentTeam
	}
	return m.Actor, m.Role
}

// do decides e and applies what follows. What the server seals is a byte.
func (h *story) do(e trial.Event) error {
	events, err := h.Decide(h.meta(e), e)
	if err != nil {
		return err
	}
	for _, e := range events {
		if a, ok := e.(trial.Allocated); ok {
			a.Sealed = []byte{1}
			e = a
		}
		if taken, ok := e.(trial.EventTakenIn); ok {
			taken.Sealed = []byte{1}
			e = taken
		}
		m := h.meta(e)
		m.Index = h.Len(h.Compartment(e))
		if err := h.Apply(m, e); err != nil {
			return errors.Join(errors.New("decided, but not applied"), err)
		}
		h.log = append(h.log, logged{m, e})
	}
	return nil
}

func intentOf(p trial.ParticipantID) trial.IntentID {
	var id trial.IntentID
	copy(id[:], p)
	return id
}

func filledInBy(f trial.FormID) trial.Role {
	if f == "history" {
		return trial.Coordinator
	}
	return trial.Assessor
}

func both(s string) trial.Text { return trial.Text{NB: s + " (nb)", EN: s} }

// forms are those of the trial of the stories: one that the coordinator fills
// in, one of the assessor at every visit, and two of which one comes first.
func forms() []trial.Event {
	all := []trial.VisitID{"baseline", "month-6", "month-12"}
	var events []trial.Event
	for _, f := range []trial.Form{
		{ID: "history", By: trial.Coordinator, Visits: all[:1]},
		{ID: "audit", By: trial.Assessor, Visits: all},
		{ID: "guess", By: trial.Assessor, Visits: all[1:]},
		{ID: "jobs", By: trial.Assessor, Visits: all[1:], After: "guess"},
	} {
		f.Version, f.Title, f.Definition = 1, both(string(f.ID)), []byte("{}")
		events = append(events, trial.FormDefined{Form: f})
	}
	return events
}

func protocol() trial.Protocol {
	return trial.Protocol{
		ID: "IPS", Title: both("IPS"), TimeZone: "Europe/Oslo",
		Arms:    []trial.Arm{{ID: "ips", Label: both("IPS"), Ratio: 1}, {ID: "tau", Label: both("TAU"), Ratio: 1}},
		Factors: []trial.Factor{{ID: "drug", Label: both("drug"), Levels: []trial.Option{{ID: "alcohol"}, {ID: "other"}}}},
		Sites:   []trial.Site{{ID: "OSLO", Name: "Oslo"}, {ID: "BERGEN", Name: "Bergen"}},
		Visits: []trial.Visit{
			{ID: "baseline"},
			{ID: "month-6", Months: 6, Before: 14, After: 28},
			{ID: "month-12", Months: 12, Before: 14, After: 28},
		},
		Criteria: []trial.Criterion{{ID: "adult", Want: true}, {ID: "in-work", Want: false}},
		Consents: []trial.Consent{{Version: "1.0", Approved: date("2020-01-15")}},
	}
}

func date(s string) trial.Date {
	d, err := trial.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// Short histories, from which others are made with then.
var (
	created = then([]any{trial.Created{Protocol: protocol(), Forms: len(forms())}}, events(forms())...)
	sealed  = then(created, trial.DesignSealed{Commitment: [32]byte{1}}, trial.DesignKept{Sealed: []byte{1}})
	opened  = then(sealed, trial.EnrolmentOpened{})
	closed  = then(opened, trial.EnrolmentClosed{})
)

func then(history []any, more ...any) []any {
	return append(append([]any{}, history...), more...)
}

func events(list []trial.Event) []any {
	var out []any
	for _, e := range list {
		out = append(out, e)
	}
	return out
}

// screened is a participant who consented and is eligible, on the first day of
// a story.
func screened(p trial.ParticipantID) trial.Screened {
	return trial.Screened{
		Participant: p, Site: "OSLO", Levels: []trial.Code{"alcohol"}, On: date("2020-03-01"),
		Consent:  trial.ConsentGiven{Version: "1.0", On: date("2020-03-01")},
		Assessed: true, Eligible: true, Sealed: []byte{1},
	}
}

func bare(p trial.ParticipantID) trial.Screened {
	return trial.Screened{Participant: p, Site: "OSLO", Levels: []trial.Code{"other"}, On: date("2020-03-01")}
}

func submitted(p trial.ParticipantID, v trial.VisitID, f trial.FormID, on string) trial.FormSubmitted {
	return trial.FormSubmitted{Participant: p, Visit: v, Form: f, Version: 1, On: date(on), Sealed: []byte{1}}
}

// readied takes a participant to where only the randomization is missing.
func readied(p trial.ParticipantID) []any {
	return []any{screened(p), submitted(p, "baseline", "history", "2020-03-01"), submitted(p, "baseline", "audit", "2020-03-01")}
}

func randomized(p trial.ParticipantID) []any {
	return then(readied(p), trial.Prepared{Participant: p}, commit(p))
}

func commit(p trial.ParticipantID) trial.Randomized {
	return trial.Randomized{Participant: p, Intent: intentOf(p)}
}

func withdrawn(p trial.ParticipantID, scope trial.Scope, on string) trial.Withdrawn {
	return trial.Withdrawn{Participant: p, Scope: scope, Reason: "burden", On: date(on)}
}

// signed is a signature of the coordinator's or assessor's under the form as it
// stood after an entry.
func signed(p trial.ParticipantID, v trial.VisitID, f trial.FormID, at int64) trial.FormSigned {
	return trial.FormSigned{Participant: p, Visit: v, Form: f, At: at, Digest: [32]byte{1}, Meaning: "authorship", Name: "Kari Nordmann"}
}

// changed corrects a form after its submission.
func changed(p trial.ParticipantID, v trial.VisitID, f trial.FormID, held ...trial.Code) trial.FormCorrected {
	return trial.FormCorrected{Participant: p, Visit: v, Form: f, Version: 1, Sealed: []byte{1}, Held: held}
}

// observed are the forms of a follow-up visit.
func observed(p trial.ParticipantID, v trial.VisitID, on string) []any {
	return []any{submitted(p, v, "audit", on), submitted(p, v, "guess", on), submitted(p, v, "jobs", on)}
}
