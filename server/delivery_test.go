package server_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Each team sees its own participants and nobody else's, and each reading is
// an entry.
func TestListTeam(t *testing.T) {
	w := newTrial(t, nil)
	for _, p := range []string{"S-1", "S-2", "S-3", "S-4"} {
		w.randomize(p, "OSL")
	}
	w.randomize("S-5", "BGO")
	_, err := w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-2", Scope: "intervention", Reason: "burden",
	})
	w.must(err)
	seen := map[string]string{}
	for user, arm := range map[string]string{"es-north": "northern", "es-south": "southern"} {
		got, err := w.delivery().ListTeam(w.as(user), &loddv1.ListTeamRequest{TrialId: "T1"})
		w.must(err)
		for _, p := range got.GetParticipants() {
			if p.GetArm().GetId() != arm || p.GetSite() != "OSL" || seen[p.GetParticipant()] != "" || p.GetInterventionStopped() != (p.GetParticipant() == "S-2") {
				t.Errorf("%s sees %v", user, p)
			}
			seen[p.GetParticipant()] = arm
		}
	}
	if len(seen) != 4 {
		t.Errorf("the teams see %v, want four of Oslo", seen)
	}
	if n := w.count("T1/delivery", "arms_viewed"); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
	for _, p := range cast {
		if p.role != "treatment-team" {
			_, err := w.delivery().ListTeam(w.as(p.user), &loddv1.ListTeamRequest{TrialId: "T1"})
			refused(t, err, codes.PermissionDenied, "")
		}
	}
	_, err = w.delivery().ListTeam(w.as("admin"), &loddv1.ListTeamRequest{TrialId: "T1"})
	refused(t, err, codes.PermissionDenied, "")
}
