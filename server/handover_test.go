package server_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) handOver(by, from, to string) (held []string, err error) {
	resp, err := w.people().HandOver(w.as(by), &loddv1.HandOverRequest{TrialId: "T1", From: from, To: to, Reason: "has left the team"})
	for _, r := range resp.GetRoles() {
		held = append(held, r.GetRole()+" "+r.GetSite()+" "+r.GetTeam())
	}
	return held, err
}

func TestHandOverIsOneStep(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "new"))
	list := func(user string) error {
		_, err := w.delivery().ListTeam(w.as(user), &loddv1.ListTeamRequest{TrialId: "T1"})
		return err
	}
	w.must(list("es-north"))
	before := w.log.Len("system")
	held, err := w.handOver("cus", "es-north", "new")
	w.must(err)
	if want := []string{"treatment-team OSL northern"}; !slices.Equal(held, want) {
		t.Errorf("new holds %v, want %v", held, want)
	}
	refused(t, list("es-north"), codes.PermissionDenied, "") // the session still lives, the access doesn't
	w.must(list("new"))
	again, err := w.handOver("cus", "es-north", "new")
	w.must(err)
	if diff := cmp.Diff(held, again); diff != "" {
		t.Errorf("a repeat answers otherwise: %s", diff)
	}
	if n := w.log.Len("system") - before; n != 2+1 { // a revocation, a grant, and new's sign-in
		t.Errorf("%d entries", n)
	}
}

// If one role can't be handed over none is, and the refusal is an entry.
func TestHandOverOfAllRolesOrNone(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "two"))
	w.must(w.grant("cus", "two", "coordinator", "OSL", ""))
	w.must(w.grant("cus", "two", "assessor", "OSL", ""))
	w.must(w.join(w.invite(), "gone"))
	w.must(w.grant("cus", "gone", "coordinator", "OSL", ""))
	_, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "gone", Role: "coordinator", Site: "OSL", Reason: "left"})
	w.must(err)
	entries := w.count("system", "role_revoked")
	_, err = w.handOver("cus", "two", "pi") // an investigator can't assess
	refused(t, err, codes.FailedPrecondition, "ROLE_CONFLICT")
	if n := w.count("system", "role_revoked") - entries; n != 0 {
		t.Errorf("%d roles were taken away", n)
	}
	if n := w.count("system", "grant_refused"); n != 1 {
		t.Errorf("%d refusals in the log", n)
	}
	for _, tt := range []struct {
		name, by, from, to string
		code               codes.Code
		reason             string
	}{
		{"by an administrator", "admin", "two", "dm", codes.PermissionDenied, ""},
		{"by a coordinator", "tc-osl", "two", "dm", codes.PermissionDenied, ""},
		{"to the same account", "cus", "two", "two", codes.InvalidArgument, ""},
		{"to nobody", "cus", "two", "nobody", codes.NotFound, "NOT_FOUND"},
		{"from nobody", "cus", "nobody", "two", codes.NotFound, "NOT_FOUND"},
		{"from somebody without a role", "cus", "admin", "two", codes.NotFound, "NOT_FOUND"},
		{"from somebody whose role was taken away", "cus", "gone", "dm", codes.NotFound, "NOT_FOUND"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.handOver(tt.by, tt.from, tt.to)
			refused(t, err, tt.code, tt.reason)
		})
	}
}

func TestACustodianHandsOverToAnother(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "next"))
	_, err := w.handOver("cus", "cus", "next")
	w.must(err)
	refused(t, w.grant("cus", "dm", "coordinator", "OSL", ""), codes.PermissionDenied, "")
	w.must(w.grant("next", "dm", "coordinator", "OSL", ""))
}

func TestARoleEndsByItself(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "temp"))
	grant := func(end time.Time) error {
		_, err := w.people().GrantRole(w.as("cus"), &loddv1.GrantRoleRequest{
			TrialId: "T1", User: "temp", Role: "coordinator", Site: "OSL", Expires: timestamppb.New(end),
		})
		return err
	}
	list := func() error {
		_, err := w.screening().ListParticipants(w.as("temp"), &loddv1.ListParticipantsRequest{TrialId: "T1"})
		return err
	}
	refused(t, grant(w.clock.now()), codes.InvalidArgument, "") // no end in the past
	_, err := w.people().GrantRole(w.as("cus"), &loddv1.GrantRoleRequest{
		TrialId: "T1", User: "temp", Role: "custodian", Expires: timestamppb.New(w.clock.now().Add(time.Hour)),
	})
	refused(t, err, codes.InvalidArgument, "") // or nobody could give a role one day
	end := w.clock.now().Add(time.Hour)
	w.must(grant(end))
	w.must(grant(end)) // a repeat is no entry
	w.must(list())
	w.wait(time.Hour - time.Millisecond)
	w.must(list())
	w.wait(time.Millisecond)
	refused(t, list(), codes.PermissionDenied, "")
	w.must(grant(w.clock.now().Add(time.Hour)))
	w.must(list())

	roles, err := w.people().ListRoles(w.as("cus"), &loddv1.ListRolesRequest{TrialId: "T1"})
	w.must(err)
	n := 0
	for _, r := range roles.GetRoles() {
		if r.GetUser() == "temp" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("temp held the role %d times, want 2", n)
	}
	// What was held once excludes for ever.
	w.must(w.join(w.invite(), "other"))
	refused(t, w.grant("cus", "temp", "treatment-team", "OSL", "northern"), codes.FailedPrecondition, "ROLE_CONFLICT")
}

// The review of a day is what the log says of that day, whatever came later.
func TestACC06AccessReviewOfAPastDay(t *testing.T) {
	w := newTrial(t, nil)
	first := w.clock.now()
	w.wait(48 * time.Hour)
	w.must(w.join(w.invite(), "new"))
	_, err := w.handOver("cus", "es-north", "new")
	w.must(err)
	w.wait(24 * time.Hour)

	review := func(by string, on time.Time) map[string]*loddv1.PersonAccess {
		t.Helper()
		resp, err := w.people().ReviewAccess(w.as(by), &loddv1.ReviewAccessRequest{TrialId: "T1", On: on.Format(time.DateOnly)})
		w.must(err)
		people := map[string]*loddv1.PersonAccess{}
		for _, p := range resp.GetPeople() {
			people[p.GetUser()] = p
		}
		return people
	}
	then, now := review("au", first), review("cus", w.clock.now())
	if then["new"] != nil || then["es-north"].GetRoles()[0].GetUntil() != nil {
		t.Errorf("the first day knows what came later: %v", then)
	}
	if p := then["es-north"]; !p.GetUnblinded() || !slices.Contains(p.GetPermissions(), "unblind") {
		t.Errorf("es-north on the first day: %v", p)
	}
	if p := now["es-north"]; !p.GetUnblinded() || len(p.GetRoles()) != 0 { // what was seen stays known
		t.Errorf("es-north today: %v", p)
	}
	if p := now["new"]; !p.GetUnblinded() || len(p.GetRoles()) != 1 {
		t.Errorf("new today: %v", p)
	}
	for _, blind := range []string{"oa-osl", "dm", "tc-osl", "pi"} {
		if now[blind].GetUnblinded() || then[blind].GetUnblinded() || len(then[blind].GetRoles()) != 1 {
			t.Errorf("%s: %v", blind, now[blind])
		}
	}
	if !then["admin"].GetAdministrator() || then["admin"].GetLastSignIn().AsTime().After(first) {
		t.Errorf("admin on the first day: %v", then["admin"])
	}
	_, err = w.people().ReviewAccess(w.as("au"), &loddv1.ReviewAccessRequest{TrialId: "T1", On: "2036-01-01"})
	refused(t, err, codes.InvalidArgument, "")
	_, err = w.people().ReviewAccess(w.as("pi"), &loddv1.ReviewAccessRequest{TrialId: "T1"})
	refused(t, err, codes.PermissionDenied, "")
}

// Each sees what only they can finish.
func TestProposalsWaitForThoseWhoMayApprove(t *testing.T) {
	w := newTrial(t, nil)
	_, err := w.people().ProposeRecovery(w.as("admin"), &loddv1.ProposeRecoveryRequest{User: "oa-osl", Reason: "has lost the telephone"})
	w.must(err)
	waiting := func(user string) (acts []string) {
		resp, err := w.people().ListProposals(w.as(user), &loddv1.ListProposalsRequest{})
		w.must(err)
		for _, p := range resp.GetProposals() {
			acts = append(acts, p.GetAct()+" "+p.GetTrialId()+p.GetSubject())
		}
		return acts
	}
	for _, user := range []string{"admin", "oa-osl", "dm", "pi", "au"} {
		if got := waiting(user); got != nil {
			t.Errorf("%s sees %v", user, got)
		}
	}
	if got := waiting("cus"); !slices.Equal(got, []string{"recovery oa-osl"}) {
		t.Errorf("the custodian sees %v", got)
	}
	w.wait(8 * 24 * time.Hour)
	if got := waiting("cus"); got != nil {
		t.Errorf("after its end the custodian sees %v", got)
	}
}

// Only who may give a role is told that an arm was opened for somebody.
func TestNobodyProbesWhoSawAnArm(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.join(w.invite(), "seer"))
	w.must(w.grant("cus", "seer", "investigator", "OSL", ""))
	w.must(w.join(w.invite(), "other"))
	_, err := w.unblind("seer", "S-1", "")
	w.must(err)
	same(t, w.grant("admin", "seer", "assessor", "OSL", ""), w.grant("admin", "other", "assessor", "OSL", ""))
	refused(t, w.grant("admin", "seer", "assessor", "OSL", ""), codes.PermissionDenied, "")
	refused(t, w.grant("cus", "seer", "assessor", "OSL", ""), codes.FailedPrecondition, "ROLE_CONFLICT")
}
