package trial_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/trial"
)

// one is a trial with one randomized participant, on 1 March; the allocation is
// entry 1 of its compartment.
var one = then(opened, randomized("P1")...)

func blindBroken(p trial.ParticipantID, person string) trial.BlindBroken {
	return trial.BlindBroken{Participant: p, Person: person, On: date("2020-03-01"), How: "participant", Timing: "before-assessment", Sealed: []byte{1}}
}

func TestReportsOfBrokenBlindsRefuse(t *testing.T) {
	report := func(change func(*trial.BlindBroken)) trial.BlindBroken {
		e := blindBroken("P1", "ola")
		change(&e)
		return e
	}
	checkRefusals(t, []refusal{
		{"nobody", one, blindBroken("P9", "ola"), trial.ErrNotFound},
		{"somebody who has no arm", then(opened, readied("P1")...), blindBroken("P1", "ola"), trial.ErrNotRandomized},
		{"somebody who withdrew from the data", then(one, withdrawn("P1", trial.FromData, "2020-03-01")), blindBroken("P1", "ola"), trial.ErrErased},
		{"the blind of no person", one, blindBroken("P1", ""), invalid("person")},
		{"an unknown visit", one, report(func(e *trial.BlindBroken) { e.Visit = "month-9" }), invalid("visit")},
		{"no date", one, report(func(e *trial.BlindBroken) { e.On = trial.Date{} }), invalid("on")},
		{"tomorrow", one, report(func(e *trial.BlindBroken) { e.On = date("2020-03-02") }), invalid("on")},
		{"before the randomization", one, report(func(e *trial.BlindBroken) { e.On = date("2020-02-29") }), invalid("on")},
		{"a way that tells the arm", one, report(func(e *trial.BlindBroken) { e.How = "ips" }), invalid("how")},
		{"an unknown timing", one, report(func(e *trial.BlindBroken) { e.Timing = "never" }), invalid("timing")},
		{"twice", then(one, blindBroken("P1", "ola")), report(func(e *trial.BlindBroken) { e.How = "seen" }), trial.ErrExists},
	})
}

func TestImpactRefuses(t *testing.T) {
	reported := then(one, blindBroken("P1", "ola")) // entry 1 of outcome
	assess := func(at int64, impact, measure trial.Code) trial.ImpactAssessed {
		return trial.ImpactAssessed{Report: at, Impact: impact, Measure: measure}
	}
	checkRefusals(t, []refusal{
		{"of no report", one, assess(0, "none", "none"), trial.ErrNotFound},
		{"of an entry that is no report", reported, assess(0, "none", "none"), trial.ErrNotFound},
		{"of an entry behind the last", reported, assess(2, "none", "none"), trial.ErrNotFound},
		{"of an entry before the first", reported, assess(-1, "none", "none"), trial.ErrNotFound},
		{"an unknown impact", reported, assess(1, "huge", "none"), invalid("impact")},
		{"an unknown measure", reported, assess(1, "none", "fired"), invalid("measure")},
		{"twice", then(reported, assess(1, "none", "none")), assess(1, "serious", "none"), trial.ErrExists},
	})
	h := tell(t, then(reported, blindBroken("P1", "eva"), assess(2, "possible", "training"))...)
	want := []trial.BrokenBlind{
		{Index: 1, BlindBroken: withoutWords(blindBroken("P1", "ola"))},
		{Index: 2, BlindBroken: withoutWords(blindBroken("P1", "eva")), Impact: "possible", Measure: "training"},
	}
	if diff := cmp.Diff(want, h.BrokenBlinds()); diff != "" {
		t.Error(diff)
	}
}

func withoutWords(e trial.BlindBroken) trial.BlindBroken {
	e.Sealed = nil
	return e
}

// An assessor whose blind is broken for a participant writes and signs nothing
// more about that one; others do, and that one about others.
func TestOA06WhoeverIsUnblindedAssessesNoMore(t *testing.T) {
	history := then(then(one, randomized("P2")...), blindBroken("P1", "ola"), day("2020-09-01"))
	for _, tt := range []struct {
		who     string
		whom    trial.ParticipantID
		refused bool
	}{{"ola", "P1", true}, {"eva", "P1", false}, {"ola", "P2", false}} {
		h := tell(t, history...)
		if h.BlindBrokenFor(tt.who, tt.whom) != tt.refused {
			t.Errorf("%s is blind for %s: %t", tt.who, tt.whom, tt.refused)
		}
		m := trial.Meta{At: h.now, Actor: tt.who, Role: trial.Assessor}
		at := int64(0)
		if tt.whom == "P2" {
			at = 1
		}
		for _, e := range []trial.Event{
			submitted(tt.whom, "month-6", "audit", "2020-09-01"), trial.VisitMissed{Participant: tt.whom, Visit: "month-6", Reason: "moved"}, changed(tt.whom, "baseline", "audit"), signed(tt.whom, "baseline", "audit", at),
		} {
			_, err := h.Decide(m, e)
			if refused := is(err, trial.ErrBlindBroken); refused != tt.refused || !refused && err != nil {
				t.Errorf("%T of %s by %s: %v, want refused: %t", e, tt.whom, tt.who, err, tt.refused)
			}
		}
	}
	h := tell(t, then(history, changed("P1", "baseline", "history"))...)
	if _, err := h.Decide(trial.Meta{At: h.now, Actor: "ola", Role: trial.Coordinator}, changed("P1", "baseline", "history")); err != nil {
		t.Errorf("the form of another role: %v", err)
	}
	if h.BlindBrokenFor("ola", "P9") {
		t.Error("a blind is broken for nobody")
	}
}

func unblinded(to string) trial.Unblinded {
	return trial.Unblinded{Participant: "P1", Reason: "medical-emergency", To: to, Sealed: []byte{1}}
}

func disclosed(p trial.ParticipantID) trial.DisclosureProposed {
	return trial.DisclosureProposed{Participant: p, To: "inspector", Reason: "inspection"}
}

// The arm of a participant is opened for one person, by one in an emergency, and
// by two for a third.
func TestOpeningsRefuse(t *testing.T) {
	bad, mute, nobody := unblinded(""), unblinded(""), unblinded("")
	bad.Reason, mute.Sealed, nobody.Participant = "curiosity", nil, "P9"
	odd, alone, self := disclosed("P1"), disclosed("P1"), disclosed("P1")
	odd.Reason, alone.To, self.To = "curiosity", "", "kari"
	approver := disclosed("P1")
	approver.To = "per"
	proposed := then(one, disclosed("P1")) // entry 2 of allocation
	approved := then(proposed, trial.DisclosureApproved{Proposal: 2})
	start := time.Date(2020, 3, 1, 10, 0, 0, 0, time.UTC)
	over := start.Add(proposal.Life + time.Millisecond)
	checkRefusals(t, []refusal{
		{"an emergency of nobody", one, nobody, trial.ErrNotFound},
		{"an emergency of somebody without an arm", then(opened, readied("P1")...), unblinded(""), trial.ErrNotRandomized},
		{"an emergency for no reason", one, bad, invalid("reason")},
		{"an emergency without words", one, mute, invalid("text")},
		{"an emergency for oneself by name", one, unblinded("per"), invalid("clinician")},
		{"a disclosure of nobody", one, disclosed("P9"), trial.ErrNotFound},
		{"a disclosure of somebody without an arm", then(opened, readied("P1")...), disclosed("P1"), trial.ErrNotRandomized},
		{"a disclosure for no reason", one, odd, invalid("reason")},
		{"a disclosure to nobody", one, alone, invalid("to")},
		{"a disclosure to oneself", one, self, invalid("to")},
		{"a disclosure twice", proposed, disclosed("P1"), trial.ErrExists},
		{"a disclosure twice, at its last moment", then(proposed, start.Add(proposal.Life)), disclosed("P1"), trial.ErrExists},
		{"an approval of nothing", one, trial.DisclosureApproved{Proposal: 2}, proposal.ErrNone},
		{"an approval of another entry", proposed, trial.DisclosureApproved{Proposal: 1}, proposal.ErrNone},
		{"an approval of what was approved", approved, trial.DisclosureApproved{Proposal: 2}, proposal.ErrNone},
		{"an approval that comes too late", then(proposed, over), trial.DisclosureApproved{Proposal: 2}, proposal.ErrNone},
		{"an approval by whom it is for", then(one, approver), trial.DisclosureApproved{Proposal: 2}, invalid("to")},
		{"a collection of nothing", one, trial.ArmCollected{Of: 2}, trial.ErrNotForYou},
		{"a collection of what isn't approved", proposed, trial.ArmCollected{Of: 2}, trial.ErrNotForYou},
		{"a collection of the proposal", approved, trial.ArmCollected{Of: 2}, trial.ErrNotForYou},
		{"a collection of another's arm", then(one, unblinded("legen")), trial.ArmCollected{Of: 2}, trial.ErrNotForYou},
		{"a collection of what the caller saw at once", then(one, unblinded("")), trial.ArmCollected{Of: 2}, trial.ErrNotForYou},
		{"a second collection", then(approved, trial.ArmCollected{Of: 3}), trial.ArmCollected{Of: 3}, trial.ErrExists},
	})
	t.Run("an approval by the proposer", func(t *testing.T) {
		h := tell(t, proposed...)
		if _, err := h.Decide(trial.Meta{At: h.now, Actor: "kari"}, trial.DisclosureApproved{Proposal: 2}); !is(err, trial.ErrSamePerson) {
			t.Error(err)
		}
	})
	tell(t, then(proposed, start.Add(proposal.Life), trial.DisclosureApproved{Proposal: 2})...)
	again := tell(t, then(proposed, over, disclosed("P1"))...)
	var waiting []int64
	for at, d := range again.Disclosures(again.now) {
		if waiting = append(waiting, at); d.DisclosureProposed != disclosed("P1") || d.By != "kari" || !d.Expires.Equal(over.Add(proposal.Life)) {
			t.Errorf("%+v", d)
		}
	}
	if !cmp.Equal(waiting, []int64{3}) {
		t.Errorf("%v wait, want 3 alone", waiting)
	}
	for range again.Disclosures(again.now.Add(proposal.Life + 1)) {
		t.Error("a disclosure outlives its proposal")
	}
}

// Whoever read an arm saw it, and nobody else: not who opened it for another, and
// not that other before the collection. What was withdrawn may still be opened.
func TestPI01ArmsAreSeenOnce(t *testing.T) {
	h := tell(t, then(one, withdrawn("P1", trial.FromData, "2020-03-01"),
		unblinded(""), unblinded("inspector"), disclosed("P1"), trial.DisclosureApproved{Proposal: 4})...)
	saw := func() (who []string) {
		for _, user := range []string{"kari", "per", "inspector", ""} {
			if h.SawArm(user) {
				who = append(who, user)
			}
		}
		return who
	}
	if got := saw(); !cmp.Equal(got, []string{"per"}) {
		t.Errorf("%v saw an arm", got)
	}
	if err := h.do(trial.ArmCollected{Of: 3}); err != nil {
		t.Fatal(err)
	}
	if got := saw(); !cmp.Equal(got, []string{"per", "inspector"}) {
		t.Errorf("%v saw an arm", got)
	}
	at := h.now
	want := []trial.Opening{
		{Index: 2, Participant: "P1", At: at, By: "per", To: "per", Reason: "medical-emergency", Emergency: true, Collected: true},
		{Index: 3, Participant: "P1", At: at, By: "per", To: "inspector", Reason: "medical-emergency", Emergency: true, Collected: true},
		{Index: 5, Participant: "P1", At: at, By: "per", To: "inspector", Reason: "inspection"},
	}
	if diff := cmp.Diff(want, h.Openings()); diff != "" {
		t.Error(diff)
	}
}
