package main

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
)

// asTeam returns m with the one who enters e, the server, when a treatment team
// reports an adverse event.
func asTeam(m trial.Meta, e trial.Event) trial.Meta {
	switch e := e.(type) {
	case trial.AdverseEventReported:
		if e.Reporter == trial.FromTeam {
			m.Actor, m.Role = trial.ServerActor, ""
		}
	case trial.EventTakenIn:
		m.Actor, m.Role = trial.ServerActor, ""
	}
	return m
}

// sign returns a signature under a form as it stands.
func (s *teller) sign(p trial.ParticipantID, v trial.VisitID, f trial.FormID, meaning trial.Code) trial.FormSigned {
	s.Helper()
	r, err := s.state.FormRecord(p, v, f)
	if err != nil {
		s.Fatal(err)
	}
	var leaves []byte
	last := r.At
	for _, at := range append([]int64{r.At}, r.Corrections...) {
		leaf := audit.Leaf(s.log["IPS/"+string(r.In)][at])
		leaves, last = append(leaves, leaf[:]...), at
	}
	return trial.FormSigned{Participant: p, Visit: v, Form: f, At: last, Digest: sha256.Sum256(leaves), Meaning: meaning, Name: "Ola Nordmann"}
}

// after returns the story after one more entry of an assessor.
func (s *teller) after(e trial.Event) *teller {
	s.Helper()
	s.write1(trial.Meta{At: s.now, Actor: "ola", Role: trial.Assessor}, e)
	return s
}

func (s *teller) adverse(number int, reporter trial.Code) trial.AdverseEventReported {
	return trial.AdverseEventReported{
		Number: number, Participant: "P1", On: s.today(), Category: "relapse", Serious: true, Reporter: reporter, Sealed: []byte("words"),
	}
}

// learn tells who got to know an arm, what was signed and held, and what
// happened to participants.
func (s *teller) learn() {
	s.Helper()
	held := trial.FormSubmitted{Participant: "P1", Visit: "month-6", Form: "audit", Version: 1, On: s.today(), Sealed: []byte("answers"), Held: []trial.Code{"remarks", "work"}}
	s.do("ola", trial.Assessor, held)
	at := s.state.Len(trial.Outcome) - 1
	s.do("rita", trial.Reviewer, trial.TextJudged{Participant: "P1", Visit: "month-6", Form: "audit", At: at, Item: "remarks", Released: true})
	s.do("ola", trial.Assessor, s.sign("P1", "month-6", "jobs", "authorship")) // was corrected
	s.do("per", trial.Investigator, s.sign("P1", "baseline", "history", "approval"))
	s.now = s.now.Add(time.Second)
	s.do("per", trial.Investigator, trial.Unblinded{Participant: "P9", Reason: "regulator", Sealed: []byte("words")}) // who withdrew from the data
	s.do("per", trial.Investigator, trial.Unblinded{Participant: "P2", Reason: "medical-emergency", To: "legen", Sealed: []byte("words")})
	s.now = s.now.Add(time.Second)
	s.do("ola", trial.Assessor, trial.FormCorrected{Participant: "P1", Visit: "month-6", Form: "audit", Version: 1, Sealed: []byte("changes"), Held: []trial.Code{"work"}})
	s.do("ola", trial.Assessor, s.sign("P1", "month-6", "audit", "review"))
	s.now = s.now.Add(time.Second)
	s.do("legen", trial.Clinician, trial.ArmCollected{Of: s.state.Len(trial.Allocation) - 1})
	s.do("lise", trial.Custodian, trial.DisclosureProposed{Participant: "P1", To: "inspector", Reason: "inspection"})
	s.do("per", trial.Investigator, trial.DisclosureApproved{Proposal: s.state.Len(trial.Allocation) - 1})
	s.do("lise", trial.Custodian, trial.DisclosureProposed{Participant: "P7", To: "inspector", Reason: "complaint"})
	s.do("ola", trial.Assessor, trial.BlindBroken{Participant: "P1", Person: "ola", Visit: "month-6", On: s.today(), How: "participant", Timing: "during-assessment", Sealed: []byte("words")})
	s.do("eva", trial.Assessor, trial.BlindBroken{Participant: "P1", Person: "eva", On: s.today(), How: "seen", Timing: "after-assessment"})
	s.do("per", trial.Investigator, trial.ImpactAssessed{Report: s.state.Len(trial.Outcome) - 2, Impact: "possible", Measure: "reassigned"})
	s.do("ina", trial.TreatmentTeam, trial.ContactRecorded{Sealed: []byte("with whom")})
	s.coordinator(s.adverse(0, trial.FromSite))
	s.do("ina", trial.TreatmentTeam, s.adverse(0, trial.FromTeam))
	s.do("per", trial.Investigator, trial.AdverseEventAssessed{Number: 2, Related: "possible", Expected: true})
	s.do("rita", trial.Reviewer, trial.RelatednessAssessed{Number: 1, Sealed: []byte("unrelated")})
	s.coordinator(trial.EnvelopeSpoiled{Stratum: "BGO/sex=female", Envelope: 1, Reason: "opened-by-mistake"})
}

// learningEvents are about what learn tells, with the rules and against them.
func learningEvents(s *teller) []trial.Event {
	if _, known := s.state.Participant("P1"); !known {
		return []trial.Event{trial.ImpactAssessed{Impact: "none", Measure: "none"}, trial.ArmCollected{}, trial.EventTakenIn{}}
	}
	today, outcome, allocation := s.today(), s.state.Len(trial.Outcome), s.state.Len(trial.Allocation)
	right := s.sign("P1", "baseline", "audit", "authorship")
	sign := func(change func(*trial.FormSigned)) trial.Event {
		e := right
		change(&e)
		return e
	}
	broken := trial.BlindBroken{Participant: "P7", Person: "ola", On: today, How: "staff", Timing: "before-assessment"}
	breaks := func(change func(*trial.BlindBroken)) trial.Event {
		e := broken
		change(&e)
		return e
	}
	events := []trial.Event{
		right,
		sign(func(e *trial.FormSigned) { e.Digest[0] ^= 1 }), sign(func(e *trial.FormSigned) { e.At-- }), sign(func(e *trial.FormSigned) { e.At++ }),
		sign(func(e *trial.FormSigned) { e.Name = "" }), sign(func(e *trial.FormSigned) { e.Meaning = "joy" }),
		sign(func(e *trial.FormSigned) { e.Meaning = "approval" }), sign(func(e *trial.FormSigned) { e.Form = "history" }),
		broken, breaks(func(e *trial.BlindBroken) { e.Participant, e.Person = "P1", "eva" }), breaks(func(e *trial.BlindBroken) { e.Person = "" }),
		breaks(func(e *trial.BlindBroken) { e.Visit = "month-9" }), breaks(func(e *trial.BlindBroken) { e.On = today.AddDays(1) }),
		breaks(func(e *trial.BlindBroken) { e.How = "ips" }), breaks(func(e *trial.BlindBroken) { e.Timing = "now" }),
		trial.ContactRecorded{},
		trial.ContactRecorded{Sealed: []byte("with whom")},
		s.adverse(1, trial.FromSite), s.adverse(3, trial.FromSite), s.adverse(3, trial.FromTeam),
		trial.EventTakenIn{Number: 2, Sealed: []byte("who")},
		trial.EventTakenIn{Number: 2},
		trial.AdverseEventAssessed{Number: 2, Related: "related"},
		trial.AdverseEventAssessed{Number: 3, Related: "related"},
		trial.AdverseEventAssessed{Number: 1},
		trial.RelatednessAssessed{Number: 2, Sealed: []byte("related")},
		trial.RelatednessAssessed{Number: 2},
		trial.RelatednessAssessed{Sealed: []byte("related")},
		trial.Unblinded{Participant: "P9", Reason: "regulator", Sealed: []byte{1}},
		trial.Unblinded{Participant: "P1", Reason: "regulator"},
		trial.Unblinded{Participant: "P1", Reason: "regulator", To: "kari", Sealed: []byte{1}},
		trial.Unblinded{Participant: "P4", Reason: "other", Sealed: []byte{1}},
		trial.DisclosureProposed{Participant: "P7", To: "inspector", Reason: "other"},
		trial.DisclosureProposed{Participant: "P1", To: "inspector", Reason: "other"},
		trial.DisclosureProposed{Participant: "P1", To: "kari", Reason: "other"},
		trial.DisclosureProposed{Participant: "P1", Reason: "other"},
		trial.EnvelopeSpoiled{Stratum: "BGO/sex=female", Envelope: 1, Reason: "lost"},
		trial.EnvelopeSpoiled{Stratum: "BGO/sex=female", Envelope: 2, Reason: "lost"},
		trial.EnvelopeSpoiled{Stratum: "BGO/sex=female", Envelope: 3, Reason: "lost"},
		trial.EnvelopeSpoiled{Stratum: "BGO", Envelope: 1, Reason: "lost"},
	}
	for at := max(0, allocation-8); at <= allocation; at++ {
		events = append(events, trial.DisclosureApproved{Proposal: at}, trial.ArmCollected{Of: at})
	}
	for at := max(0, outcome-8); at <= outcome; at++ {
		events = append(events, trial.ImpactAssessed{Report: at, Impact: "none", Measure: "training"},
			trial.TextJudged{Participant: "P1", Visit: "month-6", Form: "audit", At: at, Item: "work"})
	}
	return events
}

// What follows on what in the new kinds, told in short: who may do the second
// step, what a signature is under, and what a broken blind ends.
func TestBothVerifiersKnowWhoLearnedAnArm(t *testing.T) {
	_, key := toldKeys(t)
	s, now := newSecond(t, key), newTeller(t)
	now.randomize("P1", "male")
	forms, allocated := now.state.Len(trial.Outcome), now.state.Len(trial.Allocation)
	ask := trial.DisclosureProposed{Participant: "P1", To: "inspector", Reason: "inspection"}
	approve, collect := trial.DisclosureApproved{Proposal: allocated}, trial.ArmCollected{Of: allocated + 1}
	opened := trial.Unblinded{Participant: "P1", Reason: "regulator", Sealed: []byte("words")}
	broken := trial.BlindBroken{Participant: "P1", Person: "ola", On: now.today(), How: "seen", Timing: "after-assessment"}
	correct := trial.FormCorrected{Participant: "P1", Visit: "baseline", Form: "audit", Version: 1, Sealed: []byte("changes")}
	holding, twice := correct, correct
	holding.Held, twice.Held = []trial.Code{"work"}, []trial.Code{"work", "work"}
	missed := trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "moved"}
	judge := trial.TextJudged{Participant: "P1", Visit: "baseline", Form: "audit", At: forms, Item: "work"}
	signed := now.sign("P1", "baseline", "audit", "authorship")
	asBefore := signed
	asBefore.At = forms // the correction
	past := now.after(correct).sign("P1", "baseline", "audit", "authorship")
	past.At = signed.At
	team, site := now.adverse(1, trial.FromTeam), now.adverse(1, trial.FromSite)
	taken := trial.EventTakenIn{Number: 1, Sealed: []byte("who")}
	next := now.adverse(2, trial.FromSite)
	type act struct {
		by    string
		role  trial.Role
		after time.Duration
		event trial.Event
	}
	ola, eva := act{by: "ola", role: trial.Assessor}, act{by: "eva", role: trial.Assessor}
	does := func(who act, e trial.Event) act { who.event = e; return who }
	week := 7 * 24 * time.Hour
	for name, tt := range map[string]struct {
		acts []act
		ok   bool
	}{
		"shown by two to a third":          {[]act{{"lise", "", 0, ask}, {"per", "", week, approve}, {"inspector", "", 0, collect}}, true},
		"approved too late":                {[]act{{"lise", "", 0, ask}, {"per", "", week + time.Millisecond, approve}}, false},
		"approved by one":                  {[]act{{"lise", "", 0, ask}, {"lise", "", 0, approve}}, false},
		"approved by the third":            {[]act{{"lise", "", 0, ask}, {"inspector", "", 0, approve}}, false},
		"approved twice":                   {[]act{{"lise", "", 0, ask}, {"per", "", 0, approve}, {"per", "", 0, approve}}, false},
		"proposed twice":                   {[]act{{"lise", "", 0, ask}, {"per", "", week, ask}}, false},
		"proposed again when it was over":  {[]act{{"lise", "", 0, ask}, {"per", "", week + time.Millisecond, ask}, {"lise", "", 0, trial.DisclosureApproved{Proposal: allocated + 1}}}, true},
		"proposed by nobody":               {[]act{{"", "", 0, ask}, {"lise", "", 0, ask}}, true},
		"collected twice":                  {[]act{{"lise", "", 0, ask}, {"per", "", 0, approve}, {"inspector", "", 0, collect}, {"inspector", "", 0, collect}}, false},
		"collected by another":             {[]act{{"lise", "", 0, ask}, {"per", "", 0, approve}, {"per", "", 0, collect}}, false},
		"collected before it was approved": {[]act{{"lise", "", 0, ask}, {"inspector", "", 0, collect}, {"per", "", 0, approve}}, false},
		"opened for whoever did it":        {[]act{{"per", "", 0, opened}}, true},
		"opened for nobody by nobody":      {[]act{{"", "", 0, opened}}, false},
		"after a form, by time alone":      {[]act{does(ola, correct), {"lise", "", time.Hour, ask}, {"ola", trial.Assessor, time.Hour, correct}, {"per", "", time.Hour, approve}}, true},

		"a form after a broken blind":         {[]act{{"lise", "", 0, broken}, does(ola, correct)}, false},
		"another's form after a broken blind": {[]act{{"lise", "", 0, broken}, does(eva, correct)}, true},
		"a signature after a broken blind":    {[]act{{"lise", "", 0, broken}, does(ola, signed)}, false},
		"another's signature after it":        {[]act{{"lise", "", 0, broken}, does(eva, signed)}, true},
		"a missed visit after a broken blind": {[]act{{"lise", "", 0, broken}, {"ola", trial.Assessor, 30 * week, missed}}, false},
		"another's missed visit after it":     {[]act{{"lise", "", 0, broken}, {"eva", trial.Assessor, 30 * week, missed}}, true},

		"signed by two":                             {[]act{does(ola, signed), does(eva, signed)}, true},
		"signed twice":                              {[]act{does(ola, signed), does(ola, signed)}, false},
		"signed, and then corrected":                {[]act{does(ola, signed), does(ola, correct)}, true},
		"corrected, and then signed":                {[]act{does(ola, correct), does(ola, signed)}, false},
		"corrected, and signed as before":           {[]act{does(ola, correct), does(ola, asBefore)}, false},
		"corrected, and the past signed":            {[]act{does(ola, correct), does(ola, past)}, false},
		"signed by another role":                    {[]act{{"kari", trial.Coordinator, 0, signed}}, false},
		"held and judged":                           {[]act{does(ola, holding), {"rita", "", 0, judge}}, true},
		"held and judged twice":                     {[]act{does(ola, holding), {"rita", "", 0, judge}, {"rita", "", 0, judge}}, false},
		"held twice":                                {[]act{does(ola, twice)}, false},
		"judged, and not held":                      {[]act{does(ola, correct), {"rita", "", 0, judge}}, false},
		"reported by a team":                        {[]act{{trial.ServerActor, "", 0, team}, {trial.ServerActor, "", 0, taken}, {"kari", "", 0, next}}, true},
		"taken in by nobody":                        {[]act{{trial.ServerActor, "", 0, team}}, false},
		"another before it is taken in":             {[]act{{trial.ServerActor, "", 0, team}, {"kari", "", 0, next}}, false},
		"taken in twice":                            {[]act{{trial.ServerActor, "", 0, team}, {trial.ServerActor, "", 0, taken}, {trial.ServerActor, "", 0, taken}}, false},
		"taken in by its reporter":                  {[]act{{trial.ServerActor, "", 0, team}, {"ina", trial.TreatmentTeam, 0, taken}}, false},
		"taken in from nobody":                      {[]act{{trial.ServerActor, "", 0, team}, {trial.ServerActor, "", 0, trial.EventTakenIn{Number: 1}}}, false},
		"reported by a team by name":                {[]act{{"ina", "", 0, team}, {trial.ServerActor, "", 0, taken}}, false},
		"reported by a site":                        {[]act{{"kari", "", 0, site}, {"kari", "", 0, next}}, true},
		"reported by a site, entered by the server": {[]act{{trial.ServerActor, "", 0, site}}, false},
		"reported by a site, taken in":              {[]act{{"kari", "", 0, site}, {trial.ServerActor, "", 0, taken}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			told := newTeller(t)
			told.randomize("P1", "male")
			for _, a := range tt.acts {
				told.now = told.now.Add(a.after)
				told.write1(trial.Meta{At: told.now, Actor: a.by, Role: a.role}, a.event)
			}
			if got := s.mustAgree(t, key, archived(t, told.log, everything)); got.OK != tt.ok {
				t.Errorf("%+v, want ok: %t", got, tt.ok)
			}
		})
	}
}
