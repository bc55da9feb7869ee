package trial_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/trial"
)

// Each row is one randomized participant a year later and the class at month 6.
func TestFlowPutsEachInOneClass(t *testing.T) {
	base := then(opened, then(randomized("P1"), day("2021-03-01"))...)
	seen := then(base, observed("P1", "month-6", "2020-09-01")...)
	missed := trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "moved"}
	w2 := withdrawn("P1", trial.FromFollowUp, "2020-06-01")
	w3 := withdrawn("P1", trial.FromData, "2020-06-01")
	died := func(on string) trial.Died { return trial.Died{Participant: "P1", On: date(on)} }
	inError := trial.ErrorRecorded{Participant: "P1", Kind: "duplicate"}
	for _, tt := range []struct {
		name    string
		history []any
		want    trial.Code
	}{
		{"awaited", base, "awaited"},
		{"one form of three", then(base, submitted("P1", "month-6", "audit", "2020-09-01")), "awaited"},
		{"observed", seen, "observed"},
		{"missed", then(base, missed), "lost"},
		{"missed, then observed", then(then(base, missed), observed("P1", "month-6", "2020-10-20")...), "observed"},
		{"stopped the intervention", then(base, withdrawn("P1", trial.FromIntervention, "2020-06-01")), "awaited"},
		{"left the follow-up", then(base, w2), "withdrew"},
		{"missed, then left", then(base, missed, withdrawn("P1", trial.FromFollowUp, "2021-03-01")), "lost"},
		{"observed, then left", then(seen, withdrawn("P1", trial.FromFollowUp, "2020-10-01")), "observed"},
		{"died", then(base, died("2020-06-01")), "died"},
		{"observed early, then died before the target", then(then(base, observed("P1", "month-6", "2020-08-20")...), died("2020-08-31")), "died"},
		{"observed, then died at the target", then(seen, died("2020-09-01")), "observed"},
		{"left, then died", then(base, w2, died("2020-07-01")), "died"},
		{"in error", then(seen, inError), "in-error"},
		{"in error, then died", then(base, inError, died("2020-06-01")), "in-error"},
		{"erased", then(seen, inError, died("2020-09-01"), w3), "erased"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, tt.history...)
			p, _ := h.Participant("P1")
			if got := h.FollowUps(p)[0].Status; got != tt.want {
				t.Errorf("class %s, want %s", got, tt.want)
			}
			checkFlow(t, h.State)
		})
	}
}

// Nothing says that a visit without forms took place.
func TestVisitWithoutFormsIsNeverObserved(t *testing.T) {
	h := tell(t, trial.Created{Protocol: protocol()}, trial.DesignSealed{}, trial.DesignKept{Sealed: []byte{1}}, trial.EnrolmentOpened{},
		screened("P1"), trial.Prepared{Participant: "P1"}, commit("P1"))
	if f := h.Flow().Visits[0]; f.Awaited != 1 || f.Observed != 0 {
		t.Errorf("%+v", f)
	}
}

// The sums of the worked story: 30 screened are 24 randomized and 6 excluded.
func TestFlowOfTheWorkedStory(t *testing.T) {
	history := opened
	for i, reason := range []trial.Code{"not-eligible", "not-eligible", "not-eligible", "declined", "declined", "other"} {
		history = then(history, trial.Excluded{Participant: trial.ParticipantID("X" + string(rune('A'+i))), Site: "OSLO", Reason: reason})
	}
	for i := range 24 {
		history = then(history, randomized(trial.ParticipantID("P"+string(rune('A'+i))))...)
	}
	history = then(history, screened("Y1"), day("2021-04-01"),
		withdrawn("PA", trial.FromIntervention, "2020-06-01"), withdrawn("PB", trial.FromFollowUp, "2020-06-01"),
		withdrawn("PC", trial.FromData, "2020-06-01"), trial.Died{Participant: "PD", On: date("2020-06-01")},
		trial.ErrorRecorded{Participant: "PE", Kind: "not-eligible"},
		trial.VisitMissed{Participant: "PF", Visit: "month-6", Reason: "declined"})
	history = then(history, observed("PA", "month-6", "2020-09-01")...)
	want := trial.Flow{Screened: 31, NotEligible: 3, Declined: 2, Other: 1, Pending: 1, Randomized: 24, Visits: []trial.VisitFlow{
		{Visit: "month-6", Observed: 1, Lost: 1, Withdrew: 1, Erased: 1, InError: 1, Died: 1, Awaited: 18},
		{Visit: "month-12", Withdrew: 1, Erased: 1, InError: 1, Died: 1, Awaited: 20},
	}}
	if diff := cmp.Diff(want, tell(t, history...).Flow()); diff != "" {
		t.Error(diff)
	}
}

// checkFlow reports sums that don't close.
func checkFlow(t errorer, s *trial.State) {
	f := s.Flow()
	if f.Screened != f.NotEligible+f.Declined+f.Other+f.Pending+f.Randomized {
		t.Errorf("screened %d is not the sum of %+v", f.Screened, f)
	}
	for _, v := range f.Visits {
		sum := 0
		for _, n := range v.Counts() {
			sum += n
		}
		if sum != f.Randomized {
			t.Errorf("the classes of %s add up to %d of %d: %+v", v.Visit, sum, f.Randomized, v)
		}
	}
}

type errorer interface{ Errorf(string, ...any) }
