package main

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// At six moments of a trial, each of a hundred things is written next, whether
// the rules allow it or not, and signed: both verifiers take and refuse the
// same.
func TestBothVerifiersKnowTheSameRules(t *testing.T) {
	s := newSecond(t)
	_, key := toldKeys(t)
	var archives [][]byte
	var names []string
	tellTrial(t, func(now *teller) {
		for i, e := range nextEvents(now) {
			m := trial.Meta{At: now.now, Actor: "kari", Role: trial.Coordinator, Request: trial.RequestID{0xFF}}
			switch e := e.(type) {
			case trial.FormSubmitted, trial.FormCorrected, trial.VisitMissed:
				m.Role = trial.Assessor
			case trial.Erased:
				m.Actor = []string{"kari", "per"}[i%2]
			case trial.Prepared:
				m.Request = trial.RequestID{[]byte{0, 1, 0xFF}[i%3]}
			case trial.Allocated:
				e.Sealed = e.Sealed[:len(e.Sealed)-i%2]
			}
			archives = append(archives, archived(t, now.with(m, e), everything))
			names = append(names, fmt.Sprintf("%T", e))
		}
	})
	taken, refused := map[string]int{}, map[string]int{}
	for i, v := range s.mustAgree(t, key, archives...) {
		if v.OK {
			taken[names[i]]++
		} else {
			refused[names[i]]++
		}
	}
	for _, e := range []trial.Event{
		trial.Created{}, trial.FormDefined{}, trial.DesignSealed{}, trial.DesignKept{}, trial.EnrolmentOpened{}, trial.EnrolmentClosed{},
		trial.Screened{}, trial.Consented{}, trial.EligibilityAssessed{}, trial.Excluded{}, trial.Prepared{}, trial.Randomized{}, trial.Allocated{},
		trial.FormSubmitted{}, trial.FormCorrected{}, trial.VisitMissed{}, trial.Withdrawn{}, trial.Erased{}, trial.Died{}, trial.ErrorRecorded{},
		trial.Locked{}, trial.Exported{}, trial.Reconciled{}, trial.Restored{},
	} {
		if name := fmt.Sprintf("%T", e); refused[name] == 0 {
			t.Errorf("no %s was refused: the test has no power", name)
		}
	}
	for _, e := range []trial.Event{
		trial.EnrolmentOpened{}, trial.EnrolmentClosed{}, trial.Screened{}, trial.Consented{}, trial.EligibilityAssessed{}, trial.Excluded{},
		trial.FormSubmitted{}, trial.FormCorrected{}, trial.VisitMissed{}, trial.Withdrawn{}, trial.Erased{}, trial.Died{}, trial.ErrorRecorded{},
		trial.Locked{}, trial.Exported{}, trial.Reconciled{}, trial.Restored{}, trial.ArmsViewed{}, trial.ClockSteppedBack{},
	} {
		if name := fmt.Sprintf("%T", e); taken[name] == 0 {
			t.Errorf("no %s was taken: the test has no power", name)
		}
	}
}

// nextEvents returns what may or may not be the next entry of a story.
func nextEvents(s *teller) []trial.Event {
	today := s.today()
	events := []trial.Event{
		trial.Created{Protocol: toldProtocol()}, trial.FormDefined{Form: trial.Form{ID: "new", Version: 1}},
		trial.DesignSealed{}, trial.DesignKept{Sealed: []byte{1}}, trial.EnrolmentOpened{}, trial.EnrolmentClosed{},
		trial.Locked{Number: 1, Conduct: s.state.Len(trial.Conduct), Outcome: s.state.Len(trial.Outcome)},
		trial.Locked{Number: 2, Conduct: s.state.Len(trial.Conduct), Outcome: s.state.Len(trial.Outcome)},
		trial.Exported{Lock: 1}, trial.Exported{}, trial.ArmsViewed{}, trial.ClockSteppedBack{},
		trial.Restored{Allocation: 5}, trial.Restored{Delivery: -1},
		trial.Reconciled{}, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 1}, {Stratum: "BGO/sex=female", Slots: 1}}},
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
		trial.Excluded{Participant: "P98", Site: "BGO", Reason: "other"}, trial.Excluded{Participant: "P98", Reason: "other"},
		trial.Excluded{Participant: "P98", Site: "BGO", Reason: "bored"}, trial.Excluded{Participant: "P4", Site: "BGO", Reason: "other"},
	}
	for _, p := range []trial.ParticipantID{"P1", "P2", "P3", "P4", "P5", "P7", "P9", "P97"} {
		events = append(events, eventsOf(p, today)...)
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
		trial.EligibilityAssessed{Participant: p, Eligible: true}, trial.Excluded{Participant: p, Reason: "declined"},
		trial.Prepared{Participant: p}, trial.Prepared{Participant: p}, trial.Prepared{Participant: p},
		trial.Randomized{Participant: p, Intent: trial.IntentID{19}},
		trial.Allocated{Participant: p, Stratum: "OSL/sex=male", Slot: 1, Sealed: []byte{1}},
		submit("month-6", "audit", today), submit("month-6", "jobs", today), submit("month-12", "jobs", today), submit("baseline", "audit", today),
		submit("month-6", "guess", today.AddDays(1)), submit("month-6", "guess", trial.Date{Year: 2025, Month: 8, Day: 30}),
		submit("month-6", "history", today), submit("month-9", "guess", today), submit("month-6", "none", today),
		trial.FormSubmitted{Participant: p, Visit: "month-6", Form: "guess", Version: 2, On: today},
		trial.FormCorrected{Participant: p, Visit: "baseline", Form: "audit", Version: 1},
		trial.FormCorrected{Participant: p, Visit: "month-6", Form: "guess", Version: 1},
		trial.VisitMissed{Participant: p, Visit: "month-6", Reason: "other"}, trial.VisitMissed{Participant: p, Visit: "baseline", Reason: "other"},
		trial.VisitMissed{Participant: p, Visit: "month-6", Reason: "bored"},
		withdraw(trial.FromData, today), withdraw(trial.FromIntervention, today), withdraw(trial.FromFollowUp, today), withdraw("all", today),
		withdraw(trial.FromFollowUp, today.AddDays(1)), withdraw(trial.FromIntervention, trial.Date{Year: 2025, Month: 8, Day: 30}),
		trial.Died{Participant: p, On: today}, trial.Died{Participant: p, On: trial.Date{Year: 2025, Month: 8, Day: 30}},
		trial.ErrorRecorded{Participant: p, Kind: "duplicate"}, trial.ErrorRecorded{Participant: p, Kind: "bored"},
		trial.Erased{Participant: p}, trial.Erased{Participant: p},
	}
}

// Whatever is changed in a signed log, in whatever way, both verifiers find the
// same first fault or none.
func TestBothVerifiersAgreeOnRandomLogs(t *testing.T) {
	s := newSecond(t)
	_, key := toldKeys(t)
	good := tellTrial(t, func(*teller) {}).log
	ok, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		var archives [][]byte
		for range 4 {
			log := good.clone()
			for range rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(rt, "changes") {
				change(rt, log)
			}
			archives = append(archives, archived(t, log, everything))
		}
		verdicts, err := s.disagreement(t.Context(), key, archives)
		if err != nil {
			rt.Fatal(err)
		}
		for _, v := range verdicts {
			if v.OK {
				ok++
			} else {
				refused++
			}
		}
	})
	if ok == 0 || refused == 0 {
		t.Errorf("%d archives were in order and %d were not: the test has no power", ok, refused)
	}
}

// change changes one thing in a log.
func change(rt *rapid.T, log toldLog) {
	list := rapid.SampledFrom([]string{"IPS/conduct", "IPS/conduct", "IPS/conduct", "IPS/outcome", "IPS/allocation", "IPS/delivery", "system"}).Draw(rt, "list")
	if len(log[list]) == 0 {
		return
	}
	i := rapid.IntRange(0, len(log[list])-1).Draw(rt, "index")
	other := rapid.SampledFrom([]string{list, "IPS/conduct", "IPS/outcome"}).Draw(rt, "other list")
	to := rapid.IntRange(0, len(log[other])).Draw(rt, "to")
	e := log[list][i]
	switch rapid.SampledFrom([]string{"field", "field", "field", "field", "bytes", "drop", "repeat", "move"}).Draw(rt, "change") {
	case "field":
		log[list][i] = changeField(rt, e)
	case "bytes":
		log[list][i] = flipped(e, rapid.IntRange(0, len(e)-1).Draw(rt, "byte"))
	case "drop":
		log[list] = without(log[list], i)
	case "repeat":
		log[other] = insert(log[other], to, e)
	case "move":
		log[list] = without(log[list], i)
		log[other] = insert(log[other], min(to, len(log[other])), e)
	}
}

func without(entries [][]byte, i int) [][]byte {
	return append(append([][]byte{}, entries[:i]...), entries[i+1:]...)
}

func insert(entries [][]byte, i int, e []byte) [][]byte {
	return append(append(append([][]byte{}, entries[:i]...), e), entries[i:]...)
}

// changeField changes a field of an entry, or of the messages in it.
func changeField(rt *rapid.T, stored []byte) []byte {
	pb := &logv1.Entry{}
	if err := proto.Unmarshal(stored[:max(0, len(stored)-entry.MACOverhead)], pb); err != nil {
		return stored
	}
	m := pb.ProtoReflect()
	for kind := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); kind != nil && rapid.IntRange(0, 3).Draw(rt, "deeper") > 0; {
		m, kind = m.Mutable(kind).Message(), nil
		fields := messagesIn(m)
		if len(fields) > 0 && rapid.Bool().Draw(rt, "inside") {
			kind = rapid.SampledFrom(fields).Draw(rt, "message")
			if kind.IsList() {
				l := m.Mutable(kind).List()
				m, kind = l.Get(rapid.IntRange(0, l.Len()-1).Draw(rt, "element")).Message(), nil
			}
		}
	}
	if m.Descriptor().Fields().Len() == 0 {
		return stored
	}
	fields := m.Descriptor().Fields()
	setField(rt, m, fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(rt, "field")))
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
	if err != nil {
		rt.Fatal(err)
	}
	return coded(body)
}

// messagesIn returns the fields of m in which there are messages.
func messagesIn(m protoreflect.Message) (fields []protoreflect.FieldDescriptor) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() != nil && (!f.IsList() || v.List().Len() > 0) {
			fields = append(fields, f)
		}
		return true
	})
	return fields
}

func setField(rt *rapid.T, m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if f.IsList() {
		l := m.Mutable(f).List()
		if n := l.Len(); n > 0 && rapid.Bool().Draw(rt, "shorter") {
			l.Truncate(n - 1)
		} else if n > 0 {
			l.Append(l.Get(rapid.IntRange(0, n-1).Draw(rt, "again")))
		}
		return
	}
	texts := []string{
		"", "P1", "P2", "P4", "P6", "P7", "P10", "P99", "OSL", "BGO", "male", "female", "OSL/sex=male", "OSL/sex=female", "IPS", "1", "2",
		"2025-08-31", "2025-09-01", "2026-02-13", "2026-02-28", "1899-12-31", "2025-02-29", "25-01-01", "baseline", "month-6", "month-12",
		"audit", "guess", "jobs", "history", "coordinator", "assessor", "kari", "per", "data", "follow-up", "intervention", "moved", "other",
		"declined", "not-eligible", "wrong-stratum", "Europe/Oslo", "Asia/Tokyo", "Mars/Olympus", "Local", "UTC", "æ\x7f\u2028",
	}
	switch f.Kind() {
	case protoreflect.StringKind:
		m.Set(f, protoreflect.ValueOfString(rapid.SampledFrom(texts).Draw(rt, "text")))
	case protoreflect.BytesKind:
		m.Set(f, protoreflect.ValueOfBytes(changeBytes(rt, m.Get(f).Bytes())))
	case protoreflect.BoolKind:
		m.Set(f, protoreflect.ValueOfBool(!m.Get(f).Bool()))
	case protoreflect.Int32Kind:
		m.Set(f, protoreflect.ValueOfInt32(int32(changeNumber(rt, m.Get(f).Int()))))
	case protoreflect.Int64Kind:
		m.Set(f, protoreflect.ValueOfInt64(changeNumber(rt, m.Get(f).Int())))
	case protoreflect.Uint32Kind:
		m.Set(f, protoreflect.ValueOfUint32(uint32(changeNumber(rt, int64(m.Get(f).Uint())))))
	default: // a message: away with it, and with whatever else is in its place
		m.Clear(f)
	}
}

func changeBytes(rt *rapid.T, b []byte) []byte {
	if len(b) == 0 || rapid.Bool().Draw(rt, "other length") {
		return make([]byte, rapid.SampledFrom([]int{0, 1, 16, 32}).Draw(rt, "length"))
	}
	return flipped(b, 0)
}

func changeNumber(rt *rapid.T, n int64) int64 {
	day := (24 * time.Hour).Milliseconds()
	by := []int64{1, -1, 2, -2, 60_000, -60_000, 15 * 60_000, 15*60_000 + 1, day, -day, 200 * day, 1 << 31, 1 << 40, 1 << 50, -1 << 50, 1<<62 + 1<<61}
	if rapid.IntRange(0, 5).Draw(rt, "zero") == 0 {
		return rapid.SampledFrom([]int64{0, -1, 1, 255, 256, 1<<63 - 1, -1 << 63, -62135596800001, 253402300800000}).Draw(rt, "number")
	}
	return n + rapid.SampledFrom(by).Draw(rt, "by")
}
