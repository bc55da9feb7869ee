package trial_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/trial"
)

func adverse(number int, reporter trial.Code) trial.AdverseEventReported {
	return trial.AdverseEventReported{
		Number: number, Participant: "P1", On: date("2020-03-01"), Category: "relapse", Serious: true, Reporter: reporter, Sealed: []byte{1},
	}
}

// taken is the taking in of an event that a treatment team reported.
func taken(number int) trial.EventTakenIn {
	return trial.EventTakenIn{Number: number, Sealed: []byte{1}}
}

// related is a reviewer's judgement of an event.
func related(number int) trial.RelatednessAssessed {
	return trial.RelatednessAssessed{Number: number, Sealed: []byte{1}}
}

func TestAdverseEventsRefuse(t *testing.T) {
	report := func(change func(*trial.AdverseEventReported)) trial.AdverseEventReported {
		e := adverse(1, trial.FromSite)
		change(&e)
		return e
	}
	reported := then(one, adverse(1, trial.FromSite))
	checkRefusals(t, []refusal{
		{"of nobody", one, report(func(e *trial.AdverseEventReported) { e.Participant = "P9" }), trial.ErrNotFound},
		{"before the randomization", then(opened, readied("P1")...), adverse(1, trial.FromSite), trial.ErrNotRandomized},
		{"of somebody who withdrew from the data", then(one, withdrawn("P1", trial.FromData, "2020-03-01")), adverse(1, trial.FromSite), trial.ErrErased},
		{"no date", one, report(func(e *trial.AdverseEventReported) { e.On = trial.Date{} }), invalid("on")},
		{"tomorrow", one, report(func(e *trial.AdverseEventReported) { e.On = date("2020-03-02") }), invalid("on")},
		{"on a day before the randomization", one, report(func(e *trial.AdverseEventReported) { e.On = date("2020-02-29") }), invalid("on")},
		{"an unknown category", one, report(func(e *trial.AdverseEventReported) { e.Category = "ips" }), invalid("category")},
		{"a reporter who tells the arm", one, report(func(e *trial.AdverseEventReported) { e.Reporter = "nav" }), invalid("reporter")},
		{"a judgement of nothing", one, trial.AdverseEventAssessed{Number: 1, Related: "possible"}, trial.ErrNotFound},
		{"a judgement of event 0", reported, trial.AdverseEventAssessed{Number: 0, Related: "possible"}, trial.ErrNotFound},
		{"a judgement of the next event", reported, trial.AdverseEventAssessed{Number: 2, Related: "possible"}, trial.ErrNotFound},
		{"an unknown judgement", reported, trial.AdverseEventAssessed{Number: 1, Related: "maybe"}, invalid("related")},
		{"a review of nothing", one, related(1), trial.ErrNotFound},
		{"a review of event 0", reported, related(0), trial.ErrNotFound},
		{"a review that says nothing", reported, trial.RelatednessAssessed{Number: 1}, invalid("sealed")},
		{"taking in nothing", one, taken(0), trial.ErrNotFound},
		{"taking in what a site reported", reported, taken(1), trial.ErrNotFound},
		{"taking in twice", then(one, adverse(1, trial.FromTeam)), taken(1), trial.ErrNotFound},
	})
}

// Decide numbers events; an entry with another number is none.
func TestAdverseEventsAreNumbered(t *testing.T) {
	h := tell(t, then(one, adverse(0, trial.FromSite), adverse(7, trial.FromTeam))...)
	for i, e := range h.AdverseEvents() {
		if e.Number != i+1 || e.Sealed != nil || e.At != h.now {
			t.Errorf("event %d is %+v", i+1, e)
		}
	}
	for _, number := range []int{0, 2, 4, -1} {
		e := adverse(number, trial.FromSite)
		m := h.meta(e)
		m.Index = h.Len(trial.Conduct)
		if err := h.Apply(m, e); err == nil {
			t.Errorf("event 3 was applied as number %d", number)
		}
	}
	for _, e := range []trial.Event{
		trial.AdverseEventAssessed{Number: 2, Related: "possible", Expected: true},
		related(2),
		trial.AdverseEventAssessed{Number: 2, Related: "unrelated"}, // a judgement can change
	} {
		if err := h.do(e); err != nil {
			t.Fatal(err)
		}
	}
	if e := h.AdverseEvents()[1]; e.ToProcedures != "unrelated" || e.Expected {
		t.Errorf("%+v", e)
	}
}

// What a treatment team reports names nobody where everybody reads: whose team
// it was would tell the arm. Who it was is sealed where the server takes it in.
func TestL20TeamsReportWithoutAName(t *testing.T) {
	h := tell(t, one...)
	byTeam := trial.Meta{At: h.now, Actor: "ina", Role: trial.TreatmentTeam, Request: trial.RequestID{1}}
	got, err := h.Decide(byTeam, adverse(0, trial.FromTeam))
	if diff := cmp.Diff([]trial.Event{adverse(1, trial.FromTeam), trial.EventTakenIn{Number: 1}}, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	for name, tt := range map[string]struct {
		actor string
		event trial.AdverseEventReported
		ok    bool
	}{
		"a team's, by the server": {trial.ServerActor, adverse(1, trial.FromTeam), true},
		"a team's, by its member": {"ina", adverse(1, trial.FromTeam), false},
		"a site's, by its member": {"kari", adverse(1, trial.FromSite), true},
		"a site's, by the server": {trial.ServerActor, adverse(1, trial.FromSite), false},
	} {
		h := tell(t, one...)
		err := h.Apply(trial.Meta{At: h.now, Actor: tt.actor, Index: h.Len(trial.Conduct)}, tt.event)
		if (err == nil) != tt.ok || err != nil && !is(err, invalid("reporter")) {
			t.Errorf("%s: %v, want ok: %t", name, err, tt.ok)
		}
	}
	m := trial.Meta{At: h.now, Actor: trial.ServerActor, Index: h.Len(trial.Conduct)}
	if err := h.Apply(m, adverse(1, trial.FromTeam)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Decide(h.meta(adverse(0, trial.FromSite)), adverse(0, trial.FromSite)); err == nil {
		t.Error("the next event came before somebody took in the first")
	}
	m.Index = 0
	byTeam.Index = 0
	if err := h.Apply(byTeam, taken(1)); !is(err, invalid("reporter")) {
		t.Errorf("taken in by a member of the team: %v", err)
	}
	if err := h.Apply(m, trial.EventTakenIn{Number: 1}); !is(err, invalid("sealed")) {
		t.Errorf("taken in from nobody: %v", err)
	}
	if err := h.Apply(m, taken(1)); err != nil {
		t.Error(err)
	}
}

// What is sealed no rule of the log can look into, so that whoever seals it asks.
func TestContactsRefuse(t *testing.T) {
	contact := func(change func(*trial.Contact)) trial.Contact {
		c := trial.Contact{Participant: "P1", On: date("2020-03-01"), Kind: "meeting", Minutes: 45}
		change(&c)
		return c
	}
	same := contact(func(*trial.Contact) {})
	for _, tt := range []struct {
		name    string
		history []any
		contact trial.Contact
		want    error
	}{
		{"as it should be", one, same, nil},
		{"no time at all", one, contact(func(c *trial.Contact) { c.Minutes = 0 }), nil},
		{"a whole day", one, contact(func(c *trial.Contact) { c.Minutes = trial.MaxMinutes }), nil},
		{"with nobody", one, contact(func(c *trial.Contact) { c.Participant = "P9" }), trial.ErrNotFound},
		{"before the randomization", then(opened, readied("P1")...), same, trial.ErrNotRandomized},
		{"with somebody who withdrew from the data", then(one, withdrawn("P1", trial.FromData, "2020-03-01")), same, trial.ErrErased},
		{"tomorrow", one, contact(func(c *trial.Contact) { c.On = date("2020-03-02") }), invalid("on")},
		{"on a day before the randomization", one, contact(func(c *trial.Contact) { c.On = date("2020-02-29") }), invalid("on")},
		{"an unknown kind", one, contact(func(c *trial.Contact) { c.Kind = "dance" }), invalid("kind")},
		{"shorter than nothing", one, contact(func(c *trial.Contact) { c.Minutes = -1 }), invalid("minutes")},
		{"longer than a day", one, contact(func(c *trial.Contact) { c.Minutes = trial.MaxMinutes + 1 }), invalid("minutes")},
	} {
		h := tell(t, tt.history...)
		if err := h.CheckContact(h.meta(trial.ContactRecorded{}), tt.contact); !is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Contacts are known by their places alone.
func TestContactsAreKnownByTheirPlaces(t *testing.T) {
	checkRefusals(t, []refusal{{"with nothing sealed", one, trial.ContactRecorded{}, invalid("sealed")}})
	sealed := trial.ContactRecorded{Sealed: []byte{1}}
	h := tell(t, then(one, sealed, trial.ArmsViewed{}, sealed)...)
	if got := h.Contacts(); !cmp.Equal(got, []int64{0, 2}) {
		t.Errorf("contacts at %v", got)
	}
}
