package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// tell lives through a trial: three participants, of whom one stops, one
// leaves and one is there to the end.
func (w *world) tell() {
	w.Helper()
	for _, p := range []trial.ParticipantID{"P1", "P2", "P3"} {
		w.randomize(p)
	}
	w.must(w.trial().Screen(w.Context(), w.as(trial.Coordinator), screened("X1"), ledger.Answers{"adult": false, "in-work": false}))
	w.do(trial.Coordinator, trial.Excluded{Participant: "X2", Site: "BERGEN", Reason: "declined"})
	w.on("2020-09-02")
	w.submit("P1", "month-6", "audit", numbers(4, 2))
	if _, _, err := w.trial().Correct(w.Context(), w.as(trial.Assessor), ledger.Place{Participant: "P1", Visit: "month-6", Form: "audit"},
		ledger.Patch{Set: numbers(5), Drop: []string{"n1"}}, "misread"); err != nil {
		w.Fatal(err)
	}
	w.do(trial.Assessor, trial.VisitMissed{Participant: "P2", Visit: "month-6", Reason: "moved"})
	w.do(trial.Coordinator, trial.Withdrawn{Participant: "P2", Scope: trial.FromFollowUp, Reason: "moved", On: date("2020-09-02")})
	w.do(trial.Coordinator, trial.Withdrawn{Participant: "P3", Scope: trial.FromIntervention, Reason: "burden", On: date("2020-09-02")})
	w.do(trial.Monitor, trial.Locked{})
	w.do(trial.Monitor, trial.Exported{Lock: 1, View: "pooled"})
}

// The whole way of a trial; after a restart everything is as it was.
func TestTrialIsTheSameAfterARestart(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.tell()
	type all struct {
		Flow     trial.Flow
		Lock     trial.Lock
		Answered ledger.Answered
		Members  []ledger.Member
		Protocol trial.Protocol
	}
	look := func(w *world) (a all) {
		a.Flow = view(w, (*trial.State).Flow)
		a.Lock = view(w, func(s *trial.State) trial.Lock { return s.Locks()[0] })
		a.Protocol = view(w, func(s *trial.State) trial.Protocol { return *s.Protocol() })
		var err error
		if a.Answered, err = w.trial().ReadForm(t.Context(), ledger.Place{Participant: "P1", Visit: "month-6", Form: "audit"}, ""); err != nil {
			t.Fatal(err)
		}
		if a.Members, err = w.trial().Members(t.Context(), w.as(trial.TreatmentTeam), []ledger.Team{{Site: "OSLO", Arm: "ips"}, {Site: "OSLO", Arm: "tau"}}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := look(w)
	want := trial.Flow{Screened: 5, NotEligible: 1, Declined: 1, Randomized: 3, Visits: []trial.VisitFlow{
		{Visit: "month-6", Observed: 1, Lost: 1, Awaited: 1}, {Visit: "month-12", Withdrew: 1, Awaited: 2},
	}}
	if diff := cmp.Diff(want, before.Flow); diff != "" {
		t.Error(diff)
	}
	wantChanges := []instrument.Change{{Item: "n0", Old: instrument.Number(4), New: instrument.Number(5)}, {Item: "n1", Old: instrument.Number(2)}}
	c := before.Answered.Corrections[0]
	if diff := cmp.Diff(wantChanges, c.Changes); diff != "" || c.Reason != "misread" || c.By != "assessor" {
		t.Errorf("correction %+v\n%s", c, diff)
	}
	if diff := cmp.Diff(numbers(5), before.Answered.Values); diff != "" {
		t.Error(diff)
	}
	if len(before.Members) != 3 {
		t.Errorf("members: %+v", before.Members)
	}
	if diff := cmp.Diff(before, look(w.reopen())); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
}

// Who reads the arms of a team is in the log before anything is shown, and sees
// that team alone.
func TestMembersAreOfTheTeamAndTheReadingIsRecorded(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.tell()
	seen := map[trial.ParticipantID]trial.ArmID{}
	for i, arm := range []trial.ArmID{"ips", "tau"} {
		members, err := w.trial().Members(t.Context(), w.as(trial.TreatmentTeam), []ledger.Team{{Site: "OSLO", Arm: arm}})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if m.Arm.ID != arm || seen[m.Participant] != "" || m.Stopped != (m.Participant == "P3") {
				t.Errorf("member %+v of team %s", m, arm)
			}
			seen[m.Participant] = arm
		}
		viewed := of[trial.ArmsViewed](w)
		if len(viewed) != i+1 || viewed[i].Event != (trial.ArmsViewed{Site: "OSLO", Team: arm}) || viewed[i].In != trial.Delivery || viewed[i].Actor != "treatment-team" {
			t.Errorf("readings: %+v", viewed)
		}
	}
	for p, arm := range arms(w) {
		if seen[p] != arm {
			t.Errorf("the team of %s saw %s, whose sealed arm is %s", seen[p], p, arm)
		}
	}
	if members, err := w.trial().Members(t.Context(), w.as(trial.TreatmentTeam), []ledger.Team{{Site: "BERGEN", Arm: "ips"}}); err != nil || members != nil {
		t.Errorf("another site's team saw %v, %v", members, err)
	}
}
