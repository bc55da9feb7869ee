package trial_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/trial"
)

// A trial that gets random commands keeps its rules: Decide changes nothing,
// what it returns always applies, what it refuses never does, the sums of the
// flow close at every moment, a randomized participant never gets another
// slot, no slot is used twice or after a restore lost it, no envelope twice, none
// that is spoiled, and none moves a slot, nobody signs a form as it was before,
// an arm is opened by two or in an emergency and collected by one, and the log
// gives the same state again.
func TestRandomHistoriesKeepTheRules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := tell(t, then(opened, then(readied("P1"), then(readied("P2"), randomized("P3")...)...)...)...)
		slots := &slots{at: map[trial.ParticipantID]string{}, next: map[trial.Stratum]int{}, opened: map[string]string{}}
		n := rapid.IntRange(10, 120).Draw(rt, "commands")
		for range n {
			h.now = h.now.Add(rapid.SampledFrom([]time.Duration{0, 0, 0, time.Minute, 10 * time.Minute, 24 * time.Hour, 60 * 24 * time.Hour}).Draw(rt, "later"))
			if rapid.IntRange(0, 5).Draw(rt, "whole enrolment") > 0 {
				draw := rapid.SampledFrom([]func(*rapid.T, *trial.State, time.Time) trial.Event{command, command, learns, judges}).Draw(rt, "about")
				step(rt, h, draw(rt, h.State, h.now), slots)
				continue
			}
			for _, e := range randomized(rapid.SampledFrom([]trial.ParticipantID{"P1", "P2", "P6", "P7", "P8"}).Draw(rt, "enrolled")) {
				step(rt, h, e.(trial.Event), slots)
			}
		}
		again := &trial.State{}
		for _, l := range h.log {
			if err := again.Apply(l.meta, l.event); err != nil {
				rt.Fatalf("replay: %v", err)
			}
			checkFlow(rt, again)
		}
		if !reflect.DeepEqual(again, h.State) {
			rt.Errorf("replay gives another state")
		}
		if !reflect.DeepEqual(again.Flow(), h.Flow()) {
			rt.Errorf("replay gives flow %+v, want %+v", again.Flow(), h.Flow())
		}
	})
}

// slots are what a test knows of allocations by itself.
type slots struct {
	at     map[trial.ParticipantID]string // everything that must not change
	next   map[trial.Stratum]int          // the first slot that was neither used nor lost
	opened map[string]string              // envelopes, by whom
	fenced bool
}

// step decides one command and checks what must hold around it.
func step(rt *rapid.T, h *story, e trial.Event, slots *slots) {
	before, m := dump(h.State), h.meta(e)
	decided, err := h.Decide(m, e)
	if after := dump(h.State); after != before {
		rt.Fatalf("Decide changed the state for %+v:\n%s\n%s", e, before, after)
	}
	if err != nil {
		m.Index = h.Len(h.Compartment(e))
		if l, ok := e.(trial.Locked); ok {
			rt.Fatalf("a lock is refused: %+v: %v", l, err)
		}
		if a, ok := e.(trial.AdverseEventReported); ok { // Decide counts them
			a.Number = len(h.AdverseEvents()) + 1
			e = a
		}
		if err := h.Apply(m, e); err == nil {
			rt.Fatalf("Decide refused %+v, and Apply took it", e)
		}
		if after := dump(h.State); after != before {
			rt.Fatalf("Apply refused %+v and changed the state", e)
		}
		return
	}
	if r, ok := e.(trial.Randomized); ok && len(decided) > 0 && (slots.at[r.Participant] != "" || slots.fenced) {
		rt.Fatalf("%s is randomized twice, or while the trial is fenced", r.Participant)
	}
	if err := h.do(e); err != nil {
		rt.Fatalf("Decide took %+v, Apply refused it: %v", e, err)
	}
	slots.check(rt, h.State, e)
	checkFlow(rt, h.State)
	checkLearned(rt, h, e)
}

// check follows what an event that was taken has done to the slots. A restore
// fences, a reconciliation gives up slots, and whoever is randomized gets the
// next one that is left.
func (l *slots) check(rt *rapid.T, s *trial.State, e trial.Event) {
	switch e := e.(type) {
	case trial.Restored:
		l.fenced = true
	case trial.Reconciled:
		l.fenced = false
		for _, lost := range e.Lost {
			l.next[lost.Stratum] += lost.Slots
		}
	}
	if _, fenced := s.Fence(); fenced != l.fenced || fenced != (s.Phase() == "fenced") {
		rt.Fatalf("fenced: %v, phase %s; want %v", fenced, s.Phase(), l.fenced)
	}
	for p := range s.Participants() {
		if !p.Randomized() {
			continue
		}
		at := fmt.Sprint(p.Stratum, p.Slot, p.Receipt, p.RandomizedAt, p.Envelope)
		if p.Envelope > 0 && l.at[p.ID] == "" {
			envelope := fmt.Sprint(p.Stratum, p.Envelope)
			if l.opened[envelope] != "" {
				rt.Fatalf("%s and %s have one envelope", p.ID, l.opened[envelope])
			}
			l.opened[envelope], l.at[p.ID] = string(p.ID), at
		}
		switch was, ok := l.at[p.ID]; {
		case ok && was != at:
			rt.Fatalf("the allocation of %s moved from %s to %s", p.ID, was, at)
		case !ok && p.Slot != l.next[p.Stratum]:
			rt.Fatalf("%s has slot %d of %s, want %d", p.ID, p.Slot, p.Stratum, l.next[p.Stratum])
		case !ok:
			l.at[p.ID] = at
			l.next[p.Stratum]++
		}
	}
}

// dump returns all of a state, with what its pointers point to.
func dump(s *trial.State) string {
	var b strings.Builder
	for p := range s.Participants() {
		fmt.Fprintf(&b, "%+v\n", *p)
	}
	fmt.Fprintf(&b, "%+v", reflect.ValueOf(*s))
	return b.String()
}

// command draws a command that may or may not be allowed.
func command(rt *rapid.T, s *trial.State, now time.Time) trial.Event {
	p := rapid.SampledFrom([]trial.ParticipantID{"P1", "P2", "P3", "P4", "P5"}).Draw(rt, "participant")
	v := rapid.SampledFrom([]trial.VisitID{"baseline", "month-6", "month-12"}).Draw(rt, "visit")
	f := rapid.SampledFrom([]trial.FormID{"history", "audit", "guess", "jobs"}).Draw(rt, "form")
	on := s.Today(now).AddDays(-rapid.SampledFrom([]int{0, 0, 0, 1, 30, 200, -1}).Draw(rt, "days ago"))
	screen := screened(p)
	screen.On, screen.Consent.On = on, on
	screen.Levels = []trial.Code{rapid.SampledFrom([]trial.Code{"alcohol", "other"}).Draw(rt, "level")}
	none := bare(p)
	none.On = on
	return rapid.SampledFrom([]trial.Event{
		screen, screen, none,
		trial.Consented{Participant: p, Consent: trial.ConsentGiven{Version: "1.0", On: on}},
		trial.EligibilityAssessed{Participant: p, Eligible: rapid.Bool().Draw(rt, "eligible"), Sealed: []byte{1}},
		trial.Excluded{Participant: p, Site: "OSLO", Reason: rapid.SampledFrom(trial.ExclusionReasons()).Draw(rt, "exclusion")},
		submitted(p, "baseline", "history", on.String()), submitted(p, "baseline", "audit", on.String()),
		submitted(p, v, f, on.String()), submitted(p, v, f, on.String()),
		trial.FormCorrected{Participant: p, Visit: v, Form: f, Version: 1, Sealed: []byte{1}},
		trial.Prepared{Participant: p},
		commit(p), commit(p), commit(p),
		trial.VisitMissed{Participant: p, Visit: v, Reason: "moved"},
		trial.Withdrawn{Participant: p, Reason: "burden", On: on, Scope: rapid.SampledFrom([]trial.Scope{trial.FromIntervention, trial.FromFollowUp, trial.FromData}).Draw(rt, "scope")},
		trial.Erased{Participant: p},
		trial.Died{Participant: p, On: on},
		trial.ErrorRecorded{Participant: p, Kind: "duplicate"},
		trial.Restored{Conduct: 2, Allocation: int64(rapid.IntRange(-1, 3).Draw(rt, "lost"))},
		reconciled(rt), reconciled(rt),
		trial.Locked{},
		trial.Exported{Lock: rapid.IntRange(0, 3).Draw(rt, "lock")},
		trial.ArmsViewed{Site: "OSLO", Team: "ips"},
		trial.ClockSteppedBack{By: time.Second},
		trial.EnrolmentOpened{},
		trial.EnrolmentOpened{},
		trial.EnrolmentClosed{},
		around(rt, p, on), around(rt, p, on), around(rt, p, on),
	}).Draw(rt, "command")
}

// around draws a command around the sealed design or a mistake.
func around(rt *rapid.T, p trial.ParticipantID, on trial.Date) trial.Event {
	other := rapid.SampledFrom([]trial.ParticipantID{"P1", "P2", "P3"}).Draw(rt, "other")
	level := rapid.SampledFrom([]trial.Code{"alcohol", "other"}).Draw(rt, "right level")
	return rapid.SampledFrom([]trial.Event{
		trial.DesignSealed{AwaitsEntropy: true},
		trial.DesignKept{Sealed: []byte{1}},
		trial.EntropyContributed{Entropy: []byte{1}},
		trial.SealingAbandoned{Reason: "other"},
		trial.ContingencyPrinted{Envelopes: rapid.IntRange(0, 4).Draw(rt, "envelopes"), Recipients: [2][32]byte{{1}, {2}}},
		spoiled(rapid.SampledFrom([]trial.Stratum{"OSLO/drug=alcohol", "OSLO/drug=other", "OSLO"}).Draw(rt, "stratum"), 1),
		opensEnvelope(p, rapid.IntRange(0, 3).Draw(rt, "envelope"), on), opensEnvelope(other, 1, on), opensEnvelope(p, 2, on),
		trial.LevelsCorrected{Participant: p, Levels: []trial.Code{level}, Reason: "misread"},
		trial.Replaced{Participant: p, By: other},
		trial.PlanFrozen{Digest: [32]byte{1}, Version: "1.0"},
		trial.UnsealingProposed{},
		trial.Unsealed{},
		trial.Revealed{},
	}).Draw(rt, "around")
}

func opensEnvelope(p trial.ParticipantID, number int, on trial.Date) trial.ContingencyUsed {
	return trial.ContingencyUsed{Participant: p, Envelope: number, On: on, Witness: "tove", Reason: "server-down"}
}

// reconciled draws lost slots of strata of which some don't exist.
func reconciled(rt *rapid.T) trial.Reconciled {
	strata := []trial.Stratum{"OSLO/drug=alcohol", "OSLO/drug=other", "BERGEN/drug=other", "OSLO"}
	return trial.Reconciled{Lost: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) trial.LostSlots {
		return trial.LostSlots{Stratum: rapid.SampledFrom(strata).Draw(rt, "stratum"), Slots: rapid.IntRange(0, 4).Draw(rt, "slots")}
	}), 0, 2).Draw(rt, "lost slots")}
}

// A repeated randomization needs no entry, whatever happened since.
func TestRND07RandomizationIsIdempotent(t *testing.T) {
	base := then(opened, randomized("P1")...)
	for _, tt := range []struct {
		name  string
		since []any
	}{
		{"at once", nil},
		{"long after the intent's end", []any{day("2021-01-01")}},
		{"after closing", []any{trial.EnrolmentClosed{}}},
		{"after death", []any{trial.Died{Participant: "P1", On: date("2020-03-01")}}},
		{"after an error", []any{trial.ErrorRecorded{Participant: "P1", Kind: "wrong-stratum"}}},
		{"after erasure", []any{withdrawn("P1", trial.FromData, "2020-03-01")}},
		{"after others", randomized("P2")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, then(base, tt.since...)...)
			got, err := h.Decide(h.meta(commit("P1")), commit("P1"))
			if err != nil || got != nil {
				t.Errorf("Decide = %v, %v; want no event", got, err)
			}
			m := h.meta(commit("P1"))
			m.Index = h.Len(trial.Conduct)
			if err := h.Apply(m, commit("P1")); err == nil {
				t.Error("a second randomization was applied")
			}
		})
	}
}

// An entry out of its place or of an earlier time is refused.
func TestApplyRefusesEntriesOutOfOrder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*trial.Meta)
	}{
		{"a gap", func(m *trial.Meta) { m.Index++ }},
		{"a repetition", func(m *trial.Meta) { m.Index-- }},
		{"an earlier time", func(m *trial.Meta) { m.At = m.At.Add(-time.Millisecond) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, opened...)
			m := h.meta(bare("P1"))
			m.Index = h.Len(trial.Conduct)
			tt.change(&m)
			if err := h.Apply(m, bare("P1")); err == nil {
				t.Error("applied")
			}
		})
	}
}
