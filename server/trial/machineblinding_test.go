package trial_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/trial"
)

// known are participants of a random history, of whom some are randomized.
var known = []trial.ParticipantID{"P1", "P2", "P3"}

// lately draws the index of one of the last entries of a compartment, or of none.
func lately(rt *rapid.T, s *trial.State, c trial.Compartment) int64 {
	return s.Len(c) - int64(rapid.IntRange(0, 4).Draw(rt, "entries ago"))
}

// learns draws a command by which somebody gets to know an arm, or says so.
func learns(rt *rapid.T, s *trial.State, now time.Time) trial.Event {
	p := rapid.SampledFrom(known).Draw(rt, "participant")
	to := rapid.SampledFrom([]string{"", "per", "kari", "inspector", "inspector"}).Draw(rt, "to")
	at := lately(rt, s, trial.Allocation)
	proposal, opening := at, at
	for index := range s.Disclosures(now) {
		proposal = index
	}
	for _, o := range s.Openings() {
		opening = o.Index
	}
	return rapid.SampledFrom([]trial.Event{
		trial.BlindBroken{Participant: p, Person: to, On: s.Today(now), How: "seen", Timing: "after-assessment"},
		trial.ImpactAssessed{Report: lately(rt, s, trial.Outcome), Impact: "none", Measure: "training"},
		trial.Unblinded{Participant: p, Reason: "regulator", To: to, Sealed: []byte{1}},
		trial.DisclosureProposed{Participant: p, To: to, Reason: "complaint"},
		trial.DisclosureApproved{Proposal: at},
		trial.DisclosureApproved{Proposal: proposal},
		trial.DisclosureApproved{Proposal: proposal},
		trial.ArmCollected{Of: at},
		trial.ArmCollected{Of: opening},
		trial.ArmCollected{Of: opening},
	}).Draw(rt, "learns")
}

// judges draws a command about a form, an adverse event or a contact.
func judges(rt *rapid.T, s *trial.State, now time.Time) trial.Event {
	p := rapid.SampledFrom(known).Draw(rt, "participant")
	held := rapid.SampledFrom([][]trial.Code{nil, {"remarks"}, {"remarks", "work"}, {"work", "work"}}).Draw(rt, "held")
	number := rapid.IntRange(0, 3).Draw(rt, "number")
	sign, event := signed(p, "baseline", "audit", lately(rt, s, trial.Outcome)), adverse(0, rapid.SampledFrom(trial.Reporters()).Draw(rt, "reporter"))
	if r, err := s.FormRecord(p, "baseline", "audit"); err == nil && rapid.Bool().Draw(rt, "the last") {
		sign.At = append(r.Corrections, r.At)[max(0, len(r.Corrections)-1)]
	}
	sign.Meaning = rapid.SampledFrom(trial.Meanings()).Draw(rt, "meaning")
	event.Participant, event.On = p, s.Today(now)
	texts := append(s.HeldTexts(p), trial.HeldText{Visit: "baseline", Form: "audit", Item: "remarks"})
	text := rapid.SampledFrom(texts).Draw(rt, "text")
	return rapid.SampledFrom([]trial.Event{
		changed(p, "baseline", "audit", held...), sign, sign,
		trial.TextJudged{Participant: p, Visit: text.Visit, Form: text.Form, At: text.At, Item: text.Item},
		event,
		trial.EventTakenIn{Number: number, Sealed: []byte{1}},
		trial.AdverseEventAssessed{Number: number, Related: "possible"},
		trial.RelatednessAssessed{Number: number, Sealed: []byte{1}},
		trial.ContactRecorded{Sealed: make([]byte, number)},
	}).Draw(rt, "judges")
}

// checkLearned checks what must hold after somebody signed a form, or got to
// know an arm.
func checkLearned(rt *rapid.T, h *story, e trial.Event) {
	switch e := e.(type) {
	case trial.FormSigned:
		all := h.Signatures(e.Participant, e.Visit, e.Form)
		if last := all[len(all)-1]; last.Void || last.Of != e.At {
			rt.Fatalf("%+v is void, or under another entry: %+v", e, last)
		}
	case trial.FormCorrected:
		for _, g := range h.Signatures(e.Participant, e.Visit, e.Form) {
			if !g.Void {
				rt.Fatalf("a correction left the signature %+v", g)
			}
		}
	case trial.ContingencyUsed:
		if p, _ := h.Participant(e.Participant); h.NextEnvelope(p.Stratum) == e.Envelope {
			rt.Fatalf("envelope %d of %s is used, and the next one", e.Envelope, p.Stratum)
		}
	case trial.EnvelopeSpoiled:
		if h.NextEnvelope(e.Stratum) == e.Envelope {
			rt.Fatalf("envelope %d of %s is spoiled, and the next one", e.Envelope, e.Stratum)
		}
	}
	for _, o := range h.Openings() {
		if o.By == o.To && !o.Collected || o.Collected && !h.SawArm(o.To) || !o.Emergency && o.By == o.To {
			rt.Fatalf("%+v, seen: %t", o, h.SawArm(o.To))
		}
	}
}
