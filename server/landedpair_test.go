package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
)

// landed gives a role as logs have it from before rules about granting that came
// later.
func (w *world) landed(user, role, site string) {
	w.t.Helper()
	_, err := w.ledger.People().Do(w.t.Context(), ledger.Caller{Actor: "cus"}, func(*people.State, time.Time) ([]people.Event, error) {
		return []people.Event{people.Granted{Grant: people.Grant{User: user, Trial: "T1", Role: role, Site: site}}}, nil
	})
	w.must(err)
}

// Logs hold people who were made assessors beside auditor or statistician before
// that was refused. They check no list by which they could tell arms, read none, and
// aren't told of whom an arm is to be opened, also when they assess no more.
func TestAssessorsOfOlderLogsLearnNoMore(t *testing.T) {
	w := newUnblinding(t)
	for _, user := range []string{"au", "ts"} {
		w.landed(user, "assessor", "")
	}
	w.restart() // which reads such a log
	for _, user := range []string{"au", "ts"} {
		got, err := w.audit().ListCompartments(w.as(user), &loddv1.ListCompartmentsRequest{TrialId: "T1"})
		w.must(err)
		if slices.Contains(got.GetLists(), "T1/delivery") || slices.Contains(got.GetLists(), "T1/allocation") || len(got.GetLists()) == 0 {
			t.Errorf("%s checks %q", user, got.GetLists())
		}
	}
	entries, err := w.entries("au", &loddv1.ListEntriesRequest{})
	w.must(err)
	if slices.ContainsFunc(entries, func(e *loddv1.ListEntriesResponse) bool {
		return strings.HasSuffix(e.GetList(), "/delivery") || strings.HasSuffix(e.GetList(), "/allocation")
	}) || len(entries) == 0 {
		t.Errorf("an auditor who assesses reads %v", entries)
	}

	_, err = w.proposeDisclosure("cus", "S-1", "cl")
	w.must(err)
	err = w.approveDisclosure("ts", "S-1", "cl")
	refused(t, err, codes.PermissionDenied, "")
	_, err = w.proposeDisclosure("ts", "S-2", "cl")
	refused(t, err, codes.PermissionDenied, "")
	waiting := func(user string) int {
		resp, err := w.people().ListProposals(w.as(user), &loddv1.ListProposalsRequest{})
		w.must(err)
		return len(resp.GetProposals())
	}
	if n := waiting("pi"); n != 1 {
		t.Errorf("an investigator sees %d proposals", n)
	}
	for range 2 {
		if n := waiting("ts"); n != 0 {
			t.Errorf("a statistician who assesses, or did, sees %d proposals", n)
		}
		_, err = w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "ts", Role: "assessor", Reason: "moved"})
		w.must(err)
	}
}

// A hand-over gives nobody what a grant would be refused for.
func TestHandOverMakesNoAssessorOfAnAuditor(t *testing.T) {
	w := newTrial(t, nil)
	for _, pair := range [][2]string{{"oa-osl", "au"}, {"oa-osl", "ts"}, {"au", "oa-osl"}, {"ts", "oa-osl"}} {
		before := w.count("system", "grant_refused "+pair[1])
		_, err := w.people().HandOver(w.as("cus"), &loddv1.HandOverRequest{TrialId: "T1", From: pair[0], To: pair[1], Reason: "on leave"})
		refused(t, err, codes.FailedPrecondition, "ROLE_CONFLICT")
		if n := w.count("system", "grant_refused "+pair[1]) - before; n != 1 {
			t.Errorf("%v: %d entries of the refusal", pair, n)
		}
	}
}
