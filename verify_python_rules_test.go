package main

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// At seven moments of a trial, each of a hundred things is written next, whether
// the rules allow it or not, and signed: both verifiers take and refuse the
// same.
func TestBothVerifiersKnowTheSameRules(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	taken, refused := map[string]int{}, map[string]int{}
	tellTrial(t, func(now *teller) {
		for i, e := range nextEvents(now) {
			if testing.Short() && i%5 != int(now.state.Len(trial.Conduct))%5 {
				continue // each moment takes others
			}
			m := trial.Meta{At: now.now, Actor: "kari", Role: trial.Coordinator, Request: trial.RequestID{0xFF}}
			m = asTeam(m, e)
			switch e.(type) {
			case trial.FormSubmitted, trial.FormCorrected, trial.FormSigned, trial.VisitMissed:
				m.Role = trial.Assessor
			case trial.ArmCollected:
				m.Actor = "inspector"
			case trial.Erased, trial.Unsealed:
				m.Actor = []string{"kari", "per"}[i%2]
			case trial.Prepared:
				m.Request = []trial.RequestID{{}, now.intent, {0xFF}}[i%3]
			}
			v, err := s.compare(key, archived(t, now.with(m, e), everything))
			if err != nil {
				t.Fatalf("%s: %+v: %v", now.now, e, err)
			}
			if v.OK {
				taken[fmt.Sprintf("%T", e)]++
			} else {
				refused[fmt.Sprintf("%T", e)]++
			}
		}
	})
	if testing.Short() {
		return
	}
	if len(taken) != 39 || len(refused) != 48 {
		t.Errorf("of %d kinds one was taken, want 39, and of %d kinds one was refused, want 48: the test has no power\n%v\n%v",
			len(taken), len(refused), taken, refused)
	}
}

// A randomization needs a fresh preparation of the same participant and is
// followed by one allocation, of the next slot of the stratum.
func TestBothVerifiersKnowTheSameRandomizations(t *testing.T) {
	_, key := toldKeys(t)
	s, now := newSecond(t, key), newTeller(t)
	now.randomize("P1", "male")
	intent := now.prepare("P2", "male")
	randomized := trial.Randomized{Participant: "P2", Intent: intent}
	allocated := trial.Allocated{Participant: "P2", Stratum: "OSL/sex=male", Slot: 1, Sealed: []byte("arm")}
	at := now.state.Len(trial.Conduct)
	refusedAt := func(list string, index int64) verdict { return verdict{List: list, Index: index} }
	for _, tt := range []struct {
		name   string
		later  time.Duration
		change func(*trial.Allocated)
		events []trial.Event
		want   verdict
	}{
		{"at once", 0, nil, nil, verdict{OK: true, Index: -1, Replayed: true}},
		{"at the last moment", trial.IntentLife, nil, nil, verdict{OK: true, Index: -1, Replayed: true}},
		{"too late", trial.IntentLife + time.Millisecond, nil, nil, refusedAt("IPS/conduct", at)},
		{"a used slot", 0, func(a *trial.Allocated) { a.Slot = 0 }, nil, refusedAt("IPS/allocation", 3)},
		{"a slot further on", 0, func(a *trial.Allocated) { a.Slot = 2 }, nil, refusedAt("IPS/allocation", 3)},
		{"another stratum", 0, func(a *trial.Allocated) { a.Stratum, a.Slot = "OSL/sex=female", 0 }, nil, refusedAt("IPS/allocation", 3)},
		{"another participant", 0, func(a *trial.Allocated) { a.Participant = "P1" }, nil, refusedAt("IPS/allocation", 3)},
		{"no arm", 0, func(a *trial.Allocated) { a.Sealed = nil }, nil, refusedAt("IPS/allocation", 3)},
		{"allocated twice", 0, nil, []trial.Event{allocated}, refusedAt("IPS/allocation", 4)},
		{"randomized twice", 0, nil, []trial.Event{randomized}, refusedAt("IPS/conduct", at+1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := allocated
			if tt.change != nil {
				tt.change(&a)
			}
			m := trial.Meta{At: now.now.Add(tt.later), Actor: "kari", Role: trial.Coordinator, Request: trial.RequestID{0xFF}}
			log := now.with(m, append([]trial.Event{randomized, a}, tt.events...)...)
			if got := s.mustAgree(t, key, archived(t, log, everything)); got.place() != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// Behind the fence nobody is randomized and enrolment isn't opened, until the
// reconciliation.
func TestBothVerifiersKnowTheFence(t *testing.T) {
	_, key := toldKeys(t)
	s, now := newSecond(t, key), newTeller(t)
	randomized := trial.Randomized{Participant: "P1", Intent: now.prepare("P1", "male")}
	allocated := trial.Allocated{Participant: "P1", Stratum: "OSL/sex=male", Sealed: []byte("arm")}
	lost := trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 1}}}
	thousands := func(slots int) []trial.Event {
		many := trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: slots}}}
		return []trial.Event{trial.Restored{Allocation: 1500}, many}
	}
	restored, closed, opened := trial.Restored{}, trial.EnrolmentClosed{}, trial.EnrolmentOpened{}
	next := allocated
	next.Slot = 1
	at := now.state.Len(trial.Conduct)
	ok := verdict{OK: true, Index: -1, Replayed: true}
	for _, tt := range []struct {
		name   string
		events []trial.Event
		want   verdict
	}{
		{"no restore", []trial.Event{randomized, allocated}, ok},
		{"randomized behind it", []trial.Event{restored, randomized, allocated}, verdict{List: "IPS/conduct", Index: at + 1}},
		{"prepared behind it", []trial.Event{restored, trial.Prepared{Participant: "P1"}}, verdict{List: "IPS/conduct", Index: at + 1}},
		{"closed and opened", []trial.Event{closed, opened, randomized, allocated}, ok},
		{"opened behind it", []trial.Event{restored, closed, opened}, verdict{List: "IPS/conduct", Index: at + 2}},
		{"opened after it", []trial.Event{restored, closed, lost, opened}, ok},
		{"the next slot", []trial.Event{restored, lost, randomized, next}, ok},
		{"as many as were lost, all of one stratum", thousands(1500), ok},
		{"more than the many that were lost", thousands(1501), verdict{List: "IPS/conduct", Index: at + 1}},
		{"a lost slot", []trial.Event{restored, lost, randomized, allocated}, verdict{List: "IPS/allocation", Index: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := trial.Meta{At: now.now, Actor: "kari", Role: trial.Coordinator, Request: trial.RequestID{0xFF}}
			if got := s.mustAgree(t, key, archived(t, now.with(m, tt.events...), everything)); got.place() != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// The place of an entry outside conduct is the number of entries of conduct
// before it, neither more nor less.
func TestBothVerifiersKnowTheSameOrder(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	log := tellTrial(t, func(*teller) {}).log
	refused := 0
	for _, list := range []string{"IPS/allocation", "IPS/delivery", "IPS/outcome"} {
		for i, stored := range log[list] {
			for _, by := range []int64{-1000, -1, 1, 1000} {
				changed := log.clone()
				changed[list][i] = rewritten(t, stored, func(e *logv1.Entry) { e.ConductSize += by })
				if v := s.mustAgree(t, key, archived(t, changed, everything)); !v.OK {
					refused++
				}
			}
		}
	}
	if refused < 40 {
		t.Errorf("%d changes were refused: the test has no power", refused)
	}
}

// A new kind of entry must come to the second verifier, too: the story of these
// tests has every kind.
func TestToldTrialHasEveryKind(t *testing.T) {
	kinds := (&logv1.Entry{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	told := map[protoreflect.Name]bool{}
	for list, entries := range tellTrial(t, func(*teller) {}).log {
		for i, e := range entries {
			kind, _, err := entry.Describe(e)
			if err != nil {
				t.Fatalf("entry %d of %s: %v", i, list, err)
			}
			told[protoreflect.Name(kind)] = true
		}
	}
	for i := range kinds.Len() {
		if name := kinds.Get(i).Name(); !told[name] {
			t.Errorf("the story has no %s: add it there and to docs/verify", name)
		}
	}
}

// nextEvents returns what may or may not be the next entry of a story.
func nextEvents(s *teller) []trial.Event {
	today := s.today()
	events := []trial.Event{
		trial.Prepared{Participant: "P3"},
		trial.Prepared{Participant: "P3"},
		trial.Prepared{Participant: "P3"},
		trial.Created{Protocol: toldProtocol()},
		trial.FormDefined{Form: trial.Form{ID: "new", Version: 1}},
		trial.DesignSealed{},
		trial.DesignKept{Sealed: []byte{1}},
		trial.EnrolmentOpened{},
		trial.EnrolmentClosed{},
		trial.Locked{Number: 1, Conduct: s.state.Len(trial.Conduct), Outcome: s.state.Len(trial.Outcome)},
		trial.Locked{Number: 2, Conduct: s.state.Len(trial.Conduct), Outcome: s.state.Len(trial.Outcome)},
		trial.Exported{Lock: 1},
		trial.Exported{},
		trial.ArmsViewed{},
		trial.ClockSteppedBack{},
		trial.Restored{Allocation: 5},
		trial.Restored{Delivery: -1},
		trial.Reconciled{},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 1}}},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 1}, {Stratum: "BGO/sex=female", Slots: 1}}},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 2}, {Stratum: "OSL/sex=male", Slots: 1}}},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=other", Slots: 2}}},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 1000}}},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 1001}}},
		trial.Screened{Participant: "P99", Site: "OSL", Levels: []trial.Code{"male"}, On: today, Eligible: true},
		trial.Screened{Participant: "P99", Site: "OSL", Levels: []trial.Code{"male"}, On: today.AddDays(1)},
		trial.Screened{Participant: "P99", Site: "OSL", Levels: []trial.Code{"other"}, On: today},
		trial.Screened{Participant: "P99", Site: "OSL", On: today},
		trial.Screened{Participant: "P99", Site: "TRD", Levels: []trial.Code{"male"}, On: today},
		trial.Screened{Participant: "P4", Site: "OSL", Levels: []trial.Code{"male"}, On: today},
		trial.Screened{Participant: "P99", Site: "OSL", Levels: []trial.Code{"male"}},
		trial.Screened{Participant: "P99", Site: "OSL", Levels: []trial.Code{"male"}, On: today, Consent: trial.ConsentGiven{Version: "2", On: today}},
		trial.Screened{Participant: "P99", Site: "OSL", Levels: []trial.Code{"male"}, On: today, Consent: trial.ConsentGiven{On: today}},
		trial.Excluded{Participant: "P98", Site: "BGO", Reason: "other"},
		trial.Excluded{Participant: "P98", Reason: "other"},
		trial.Excluded{Participant: "P98", Site: "BGO", Reason: "bored"},
		trial.Excluded{Participant: "P4", Site: "BGO", Reason: "other"},
	}
	events = append(events, sealingEvents()...)
	events = append(events, learningEvents(s)...)
	for _, p := range []trial.ParticipantID{"P1", "P2", "P4", "P7", "P9"} {
		if _, known := s.state.Participant(p); known {
			events = append(events, eventsOf(p, today)...)
		}
	}
	if s.state.Phase() == "closed" {
		events = append(events, eventsOf("P97", today)...) // who is in no log
	}
	return events
}

func eventsOf(p trial.ParticipantID, today trial.Date) []trial.Event {
	submit := func(v trial.VisitID, f trial.FormID, on trial.Date) trial.Event {
		return trial.FormSubmitted{Participant: p, Visit: v, Form: f, Version: 1, On: on, Sealed: []byte{1}}
	}
	withdraw := func(scope trial.Scope, on trial.Date) trial.Event {
		return trial.Withdrawn{Participant: p, Scope: scope, Reason: "moved", On: on}
	}
	return []trial.Event{
		trial.Consented{Participant: p, Consent: trial.ConsentGiven{Version: "1", On: today}},
		trial.Consented{Participant: p, Consent: trial.ConsentGiven{Version: "1", On: trial.Date{Year: 2024, Month: 1, Day: 1}}},
		trial.EligibilityAssessed{Participant: p, Eligible: true},
		trial.Excluded{Participant: p, Reason: "declined"},
		trial.Prepared{Participant: p},
		trial.Prepared{Participant: p},
		trial.Prepared{Participant: p},
		trial.Randomized{Participant: p, Intent: trial.IntentID{0xFF}},
		trial.Allocated{Participant: p, Stratum: "OSL/sex=male", Slot: 1, Sealed: []byte{1}},
		submit("month-6", "audit", today), submit("month-6", "jobs", today), submit("month-12", "jobs", today), submit("baseline", "audit", today),
		submit("month-6", "guess", today.AddDays(1)), submit("month-6", "guess", trial.Date{Year: 2025, Month: 8, Day: 30}),
		submit("month-6", "history", today), submit("month-9", "guess", today), submit("month-6", "none", today),
		trial.FormSubmitted{Participant: p, Visit: "month-6", Form: "guess", Version: 2, On: today},
		trial.FormCorrected{Participant: p, Visit: "baseline", Form: "audit", Version: 1},
		trial.FormCorrected{Participant: p, Visit: "month-6", Form: "guess", Version: 1},
		trial.VisitMissed{Participant: p, Visit: "month-6", Reason: "other"},
		trial.VisitMissed{Participant: p, Visit: "baseline", Reason: "other"},
		trial.VisitMissed{Participant: p, Visit: "month-6", Reason: "bored"},
		withdraw(trial.FromData, today), withdraw(trial.FromIntervention, today), withdraw(trial.FromFollowUp, today), withdraw("all", today),
		withdraw(trial.FromFollowUp, today.AddDays(1)), withdraw(trial.FromIntervention, trial.Date{Year: 2025, Month: 8, Day: 30}),
		trial.Died{Participant: p, On: today},
		trial.Died{Participant: p, On: trial.Date{Year: 2025, Month: 8, Day: 30}},
		trial.ErrorRecorded{Participant: p, Kind: "duplicate"},
		trial.ErrorRecorded{Participant: p, Kind: "bored"},
		trial.Erased{Participant: p},
		trial.Erased{Participant: p},
		trial.ErrorRecorded{Participant: p, Kind: "duplicate", Of: "P1"},
		trial.ErrorRecorded{Participant: p, Kind: "not-eligible", Of: "P1"},
		trial.ErrorRecorded{Participant: p, Kind: "duplicate", Of: "P99"},
		trial.LevelsCorrected{Participant: p, Levels: []trial.Code{"male"}, Reason: "other"},
		trial.LevelsCorrected{Participant: p, Levels: []trial.Code{"female"}, Reason: "changed-source"},
		trial.LevelsCorrected{Participant: p, Levels: []trial.Code{"female"}, Reason: "bored"},
		trial.LevelsCorrected{Participant: p, Reason: "other"},
		trial.Replaced{Participant: p, By: "P7"},
		trial.Replaced{Participant: p, By: "P8"},
		trial.Replaced{Participant: "P1", By: p},
		trial.ContingencyUsed{Participant: p, Envelope: 1, On: today, Witness: "tove", Reason: "server-down"},
	}
}

// sealingEvents are about the design as a whole.
func sealingEvents() []trial.Event {
	two := [2][32]byte{{1}, {2}}
	return []trial.Event{
		trial.DesignSealed{AwaitsEntropy: true},
		trial.EntropyContributed{Entropy: []byte{1}},
		trial.SealingAbandoned{Reason: "other"},
		trial.ContingencyPrinted{Envelopes: 1, Recipients: two},
		trial.ContingencyPrinted{Envelopes: 2, Recipients: two},
		trial.ContingencyPrinted{Envelopes: 1000, Recipients: two},
		trial.ContingencyPrinted{Envelopes: 1001, Recipients: two},
		trial.ContingencyPrinted{Envelopes: 2},
		trial.PlanFrozen{Digest: [32]byte{1}, Version: "2.0-b"},
		trial.PlanFrozen{Digest: [32]byte{1}, Version: "2.0 b"},
		trial.PlanFrozen{Digest: [32]byte{1}},
		trial.PlanFrozen{Version: "2.0"},
		trial.UnsealingProposed{},
		trial.Unsealed{},
		trial.Unsealed{}, // by one and by another person
		trial.Revealed{},
	}
}

// Before anybody is enrolled the design is sealed by two parties, and both
// verifiers take and refuse the same on the way.
func TestBothVerifiersKnowTheSameSealing(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	sealed, kept := trial.DesignSealed{Commitment: [32]byte{1}}, trial.DesignKept{Sealed: []byte{1}}
	awaiting := trial.DesignSealed{Commitment: [32]byte{1}, AwaitsEntropy: true}
	dice, opened, abandoned := trial.EntropyContributed{Entropy: []byte{1}}, trial.EnrolmentOpened{}, trial.SealingAbandoned{Reason: "other"}
	printed := trial.ContingencyPrinted{Envelopes: 2, Recipients: [2][32]byte{{1}, {2}}}
	for name, tt := range map[string]struct {
		events []trial.Event
		ok     bool
	}{
		"alone":                        {[]trial.Event{sealed, kept, opened}, true},
		"not awaited":                  {[]trial.Event{sealed, kept, dice}, false},
		"by two":                       {[]trial.Event{awaiting, kept, dice, opened}, true},
		"still awaited":                {[]trial.Event{awaiting, kept, opened}, false},
		"before it is kept":            {[]trial.Event{awaiting, dice}, false},
		"twice":                        {[]trial.Event{awaiting, kept, dice, dice}, false},
		"empty":                        {[]trial.Event{awaiting, kept, trial.EntropyContributed{}}, false},
		"1,024 bytes":                  {[]trial.Event{awaiting, kept, trial.EntropyContributed{Entropy: make([]byte, 1024)}}, true},
		"1,025 bytes":                  {[]trial.Event{awaiting, kept, trial.EntropyContributed{Entropy: make([]byte, 1025)}}, false},
		"by the one who sealed":        {[]trial.Event{awaiting, kept, trial.EntropyContributed{Entropy: []byte("same")}}, false},
		"abandoned":                    {[]trial.Event{awaiting, kept, abandoned, sealed, kept, opened}, true},
		"abandoned and opened":         {[]trial.Event{sealed, kept, abandoned, opened}, false},
		"abandoned after opening":      {[]trial.Event{sealed, kept, opened, trial.EnrolmentClosed{}, abandoned}, false},
		"abandoned for another reason": {[]trial.Event{sealed, kept, trial.SealingAbandoned{Reason: "bored"}}, false},
		"printed":                      {[]trial.Event{sealed, kept, printed, printed}, true},
		"printed while it is awaited":  {[]trial.Event{awaiting, kept, printed}, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := blankTeller(t)
			for _, e := range tt.events {
				m := trial.Meta{At: now.now, Actor: "lise"}
				if c, ok := e.(trial.EntropyContributed); ok && string(c.Entropy) != "same" {
					m.Actor = "stine"
				}
				now.write1(m, e)
			}
			if got := s.mustAgree(t, key, archived(t, now.log, everything)); got.OK != tt.ok {
				t.Errorf("%+v, want ok: %t", got, tt.ok)
			}
		})
	}
}

// An envelope is used once in its stratum, and its allocation says that it was
// one.
func TestBothVerifiersKnowTheSameEnvelopes(t *testing.T) {
	_, key := toldKeys(t)
	s, now := newSecond(t, key), newTeller(t)
	now.prepare("P1", "male")
	now.prepare("P2", "male")
	use := func(p trial.ParticipantID, envelope int) trial.Event {
		return trial.ContingencyUsed{Participant: p, Envelope: envelope, On: now.today(), Witness: "tove", Reason: "server-down"}
	}
	get := func(p trial.ParticipantID, slot int, contingency bool) trial.Event {
		return trial.Allocated{Participant: p, Stratum: "OSL/sex=male", Slot: slot, Sealed: []byte("arm"), Contingency: contingency}
	}
	ready := trial.Randomized{Participant: "P2", Intent: now.intent}
	for name, tt := range map[string]struct {
		events []trial.Event
		ok     bool
	}{
		"one each":                {[]trial.Event{use("P1", 2), get("P1", 1, true), use("P2", 1), get("P2", 0, true)}, true},
		"the same one":            {[]trial.Event{use("P1", 2), get("P1", 1, true), use("P2", 2), get("P2", 1, true)}, false},
		"one that isn't there":    {[]trial.Event{use("P1", 3), get("P1", 2, true)}, false},
		"another slot":            {[]trial.Event{use("P1", 2), get("P1", 0, true)}, false},
		"out of the sequence":     {[]trial.Event{use("P1", 1), get("P1", 0, false)}, false},
		"no slot of the sequence": {[]trial.Event{use("P1", 1), get("P1", 0, true), ready, get("P2", 0, false)}, true},
		"the sequence as one":     {[]trial.Event{ready, get("P2", 0, true)}, false},
		"without an allocation":   {[]trial.Event{use("P1", 1)}, false},
		"levels corrected first":  {[]trial.Event{trial.LevelsCorrected{Participant: "P2", Levels: []trial.Code{"female"}, Reason: "misread"}, ready}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := trial.Meta{At: now.now, Actor: "kari", Role: trial.Coordinator, Request: trial.RequestID{0xFF}}
			if got := s.mustAgree(t, key, archived(t, now.with(m, tt.events...), everything)); got.OK != tt.ok {
				t.Errorf("%+v, want ok: %t", got, tt.ok)
			}
		})
	}
}
