package trial_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// invalid is an error that any [trial.Invalid] of the field is.
type invalid string

func (i invalid) Error() string { return "invalid " + string(i) }

func is(err, want error) bool {
	if field, ok := errors.AsType[invalid](want); ok {
		got, ok := errors.AsType[*trial.Invalid](err)
		return ok && got.Field == string(field) && got.Problem != ""
	}
	return errors.Is(err, want)
}

// A refusal is a history and what comes next in it.
type refusal struct {
	name    string
	history []any
	next    trial.Event
	want    error
}

// What Decide refuses Apply refuses too, for the same reason.
func checkRefusals(t *testing.T, rows []refusal) {
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, tt.history...)
			m := h.meta(tt.next)
			if _, err := h.Decide(m, tt.next); !is(err, tt.want) {
				t.Errorf("Decide: %v, want %v", err, tt.want)
			}
			m.Index = h.Len(h.Compartment(tt.next))
			if err := h.Apply(m, tt.next); !is(err, tt.want) {
				t.Errorf("Apply: %v, want %v", err, tt.want)
			}
		})
	}
}

func with(change func(*trial.Protocol)) trial.Created {
	p := protocol()
	change(&p)
	return trial.Created{Protocol: p}
}

func TestSetUpRefuses(t *testing.T) {
	extra := trial.FormDefined{Form: trial.Form{ID: "extra", Visits: []trial.VisitID{"month-3"}}}
	one := []any{trial.Created{Protocol: protocol(), Forms: 2}}
	checkRefusals(t, []refusal{
		{"a second creation", created, trial.Created{Protocol: protocol()}, trial.ErrExists},
		{"one arm", nil, with(func(p *trial.Protocol) { p.Arms = p.Arms[:1] }), invalid("protocol")},
		{"no site", nil, with(func(p *trial.Protocol) { p.Sites = nil }), invalid("protocol")},
		{"no visit", nil, with(func(p *trial.Protocol) { p.Visits = nil }), invalid("protocol")},
		{"256 visits", nil, with(func(p *trial.Protocol) { p.Visits = make([]trial.Visit, 256) }), invalid("protocol")},
		{"forms in the protocol itself", nil, with(func(p *trial.Protocol) { p.Forms = make([]trial.Form, 1) }), invalid("protocol")},
		{"256 forms", nil, trial.Created{Protocol: protocol(), Forms: 256}, invalid("protocol")},
		{"fewer forms than none", nil, trial.Created{Protocol: protocol(), Forms: -1}, invalid("protocol")},
		{"an unknown time zone", nil, with(func(p *trial.Protocol) { p.TimeZone = "Europe/Olso" }), invalid("time_zone")},
		{"the time zone of the machine", nil, with(func(p *trial.Protocol) { p.TimeZone = "Local" }), invalid("time_zone")},
		{"no time zone", nil, with(func(p *trial.Protocol) { p.TimeZone = "" }), invalid("time_zone")},
		{"more forms than announced", created, extra, trial.ErrExists},
		{"a form twice", then(one, forms()[0]), forms()[0], trial.ErrExists},
		{"a form at an unknown visit", one, extra, invalid("form")},
		{"sealing twice", sealed, trial.DesignSealed{}, trial.ErrAlreadySealed},
		{"a design that was not committed to", created, trial.DesignKept{Sealed: []byte{1}}, trial.ErrAlreadySealed},
		{"a second design", sealed, trial.DesignKept{Sealed: []byte{1}}, trial.ErrAlreadySealed},
		{"an empty design", then(created, trial.DesignSealed{}), trial.DesignKept{}, trial.ErrAlreadySealed},
		{"opening before sealing", created, trial.EnrolmentOpened{}, trial.ErrNotSealed},
		{"opening without a design", then(created, trial.DesignSealed{}), trial.EnrolmentOpened{}, trial.ErrNotSealed},
		{"opening twice", opened, trial.EnrolmentOpened{}, trial.ErrExists},
		{"closing before opening", sealed, trial.EnrolmentClosed{}, trial.ErrEnrolmentClosed},
		{"closing twice", closed, trial.EnrolmentClosed{}, trial.ErrEnrolmentClosed},
		{"an export of no lock", opened, trial.Exported{Lock: 1}, trial.ErrNotFound},
		{"an export of lock 0", then(opened, trial.Locked{}), trial.Exported{Lock: 0}, trial.ErrNotFound},
	})
}

func screenedWith(change func(*trial.Screened)) trial.Screened {
	e := screened("P1")
	change(&e)
	return e
}

func TestScreeningRefuses(t *testing.T) {
	ineligible := screened("P1")
	ineligible.Eligible = false
	excluded := then(opened, trial.Excluded{Participant: "P1", Site: "OSLO", Reason: "declined"})
	erased := then(opened, bare("P1"), withdrawn("P1", trial.FromData, "2020-03-01"))
	consent := func(version, on string) trial.Consented {
		return trial.Consented{Participant: "P1", Consent: trial.ConsentGiven{Version: version, On: date(on)}}
	}
	checkRefusals(t, []refusal{
		{"before opening", sealed, screened("P1"), trial.ErrEnrolmentClosed},
		{"after closing", closed, screened("P1"), trial.ErrEnrolmentClosed},
		{"a number twice", then(opened, bare("P1")), screened("P1"), trial.ErrExists},
		{"the number of an excluded person", excluded, screened("P1"), trial.ErrExists},
		{"an unknown site", opened, screenedWith(func(e *trial.Screened) { e.Site = "NARVIK" }), invalid("site")},
		{"tomorrow", opened, screenedWith(func(e *trial.Screened) { e.On = date("2020-03-02") }), invalid("on")},
		{"no date", opened, screenedWith(func(e *trial.Screened) { e.On = trial.Date{} }), invalid("on")},
		{"no level", opened, screenedWith(func(e *trial.Screened) { e.Levels = nil }), invalid("levels")},
		{"an unknown level", opened, screenedWith(func(e *trial.Screened) { e.Levels = []trial.Code{"ips"} }), invalid("levels.drug")},
		{"an unknown consent", opened, screenedWith(func(e *trial.Screened) { e.Consent.Version = "2.0" }), invalid("consent.version")},
		{"a consent without a version", opened, screenedWith(func(e *trial.Screened) { e.Consent.Version = "" }), invalid("consent.version")},
		{"a consent of tomorrow", then(opened, bare("P1")), consent("1.0", "2020-03-02"), invalid("consent.on")},
		{"a consent before its approval", then(opened, bare("P1")), consent("1.0", "2020-01-14"), invalid("consent.on")},
		{"a second consent", then(opened, screened("P1")), consent("1.0", "2020-03-01"), trial.ErrExists},
		{"a consent of nobody", opened, consent("1.0", "2020-03-01"), trial.ErrNotFound},
		{"a consent after exclusion", then(opened, ineligible), consent("1.0", "2020-03-01"), trial.ErrExcluded},
		{"a consent after randomization", then(opened, randomized("P1")...), consent("1.0", "2020-03-01"), trial.ErrAlreadyRandomized},
		{"a consent after erasure", erased, consent("1.0", "2020-03-01"), trial.ErrErased},
		{"answers twice", then(opened, screened("P1")), trial.EligibilityAssessed{Participant: "P1"}, trial.ErrExists},
		{"answers of nobody", opened, trial.EligibilityAssessed{Participant: "P1"}, trial.ErrNotFound},
		{"answers after exclusion", excluded, trial.EligibilityAssessed{Participant: "P1"}, trial.ErrExcluded},
		{"an exclusion for no reason", opened, trial.Excluded{Participant: "P1", Site: "OSLO", Reason: "tau"}, invalid("reason")},
		{"an exclusion at an unknown site", opened, trial.Excluded{Participant: "P1", Site: "NARVIK", Reason: "other"}, invalid("site")},
		{"an exclusion at another site", then(opened, bare("P1")), trial.Excluded{Participant: "P1", Site: "BERGEN", Reason: "other"}, invalid("site")},
		{"an exclusion twice", excluded, trial.Excluded{Participant: "P1", Reason: "other"}, trial.ErrExcluded},
		{"an exclusion after closing", closed, trial.Excluded{Participant: "P1", Site: "OSLO", Reason: "other"}, trial.ErrEnrolmentClosed},
		{"an exclusion after randomization", then(opened, randomized("P1")...), trial.Excluded{Participant: "P1", Reason: "other"}, trial.ErrAlreadyRandomized},
	})
}

// Consent, eligibility and the baseline come before the allocation (RND-05).
func TestRND05RandomizationRefuses(t *testing.T) {
	start := time.Date(2020, 3, 1, 10, 0, 0, 0, time.UTC)
	prepared := then(opened, then(readied("P1"), trial.Prepared{Participant: "P1"})...)
	noConsent := screenedWith(func(e *trial.Screened) { e.Consent = trial.ConsentGiven{} })
	notAssessed := screenedWith(func(e *trial.Screened) { e.Assessed, e.Eligible, e.Sealed = false, false, nil })
	notEligible := screenedWith(func(e *trial.Screened) { e.Eligible = false })
	prepare := trial.Prepared{Participant: "P1"}
	checkRefusals(t, []refusal{
		{"nobody", opened, prepare, trial.ErrNotFound},
		{"without consent", then(opened, noConsent), prepare, trial.ErrNoConsent},
		{"without answers", then(opened, notAssessed), prepare, trial.ErrNotEligible},
		{"not eligible", then(opened, notEligible), prepare, trial.ErrExcluded},
		{"without baseline", then(opened, screened("P1")), prepare, trial.ErrNoBaseline},
		{"with half a baseline", then(opened, readied("P1")[:2]...), prepare, trial.ErrNoBaseline},
		{"after closing", then(opened, then(readied("P1"), trial.EnrolmentClosed{})...), prepare, trial.ErrEnrolmentClosed},
		{"after randomization", then(opened, randomized("P1")...), trial.Prepared{Participant: "P1"}, trial.ErrExists},
		{"after erasure", then(opened, then(readied("P1"), withdrawn("P1", trial.FromData, "2020-03-01"))...), prepare, trial.ErrErased},
		{"an intent twice", prepared, prepare, trial.ErrExists},
		{"no intent", then(opened, readied("P1")...), commit("P1"), trial.ErrNotFound},
		{"another's intent", prepared, trial.Randomized{Participant: "P2", Intent: intentOf("P1")}, trial.ErrNotConfirmed},
		{"an intent too old", then(prepared, start.Add(trial.IntentLife+1)), commit("P1"), trial.ErrIntentExpired},
		{"prepared, then closed", then(prepared, trial.EnrolmentClosed{}), commit("P1"), trial.ErrEnrolmentClosed},
		{"prepared, then excluded", then(prepared, trial.Excluded{Participant: "P1", Reason: "declined"}), commit("P1"), trial.ErrExcluded},
		{"prepared, then erased", then(prepared, withdrawn("P1", trial.FromData, "2020-03-01")), commit("P1"), trial.ErrErased},
	})
	t.Run("an intent at its end", func(t *testing.T) {
		h := tell(t, then(prepared, start.Add(trial.IntentLife))...)
		if err := h.do(commit("P1")); err != nil {
			t.Error(err)
		}
	})
	t.Run("no request id", func(t *testing.T) {
		h := tell(t, then(opened, readied("P1")...)...)
		if _, err := h.Decide(trial.Meta{At: h.now}, prepare); !is(err, invalid("request_id")) {
			t.Error(err)
		}
	})
	t.Run("randomized already, by another request", func(t *testing.T) {
		h := tell(t, then(opened, randomized("P1")...)...)
		m := trial.Meta{At: h.now, Request: trial.RequestID{9}}
		if _, err := h.Decide(m, prepare); !errors.Is(err, trial.ErrAlreadyRandomized) {
			t.Error(err)
		}
	})
}

// An allocation is the entry that follows its randomization, at the slot that
// is next.
func TestAllocationRefuses(t *testing.T) {
	right := trial.Allocated{Participant: "P1", Stratum: "OSLO/drug=alcohol", Slot: 0, Sealed: []byte{1}}
	for _, tt := range []struct {
		name   string
		change func(*trial.Allocated)
	}{
		{"no arm", func(e *trial.Allocated) { e.Sealed = nil }},
		{"another participant", func(e *trial.Allocated) { e.Participant = "P2" }},
		{"another stratum", func(e *trial.Allocated) { e.Stratum = "OSLO/drug=other" }},
		{"another slot", func(e *trial.Allocated) { e.Slot = 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, then(opened, then(readied("P1"), then(readied("P2"), trial.Prepared{Participant: "P1"}, trial.Prepared{Participant: "P2"})...)...)...)
			m := h.meta(commit("P1"))
			m.Index = h.Len(trial.Conduct)
			if err := h.Apply(m, commit("P1")); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Decide(h.meta(commit("P2")), commit("P2")); err == nil {
				t.Error("the next randomization came before the allocation")
			}
			e := right
			tt.change(&e)
			m.Index = h.Len(trial.Allocation)
			if err := h.Apply(m, e); err == nil {
				t.Errorf("applied %+v", e)
			}
			if err := h.Apply(m, right); err != nil {
				t.Errorf("then the right one: %v", err)
			}
			m.Index = h.Len(trial.Allocation)
			if err := h.Apply(m, right); err == nil {
				t.Error("applied twice")
			}
		})
	}
}
