package server_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

const approving = loddv1.PeopleService_ApproveRecovery_FullMethodName

// stepUpFor returns the token of a step-up by password.
func (w *world) stepUpFor(ctx context.Context, act, trial, subject string) string {
	w.t.Helper()
	resp, err := w.session().StepUp(ctx, &loddv1.StepUpRequest{Act: act, Trial: trial, Subject: subject, Password: password})
	w.must(err)
	return resp.GetToken()
}

func (w *world) proposeRecovery(by, user string) error {
	_, err := w.people().ProposeRecovery(w.as(by), &loddv1.ProposeRecoveryRequest{User: user, Reason: "lost the phone"})
	return err
}

// approve approves a recovery with a fresh step-up.
func (w *world) approveRecovery(by, user string) (string, error) {
	w.t.Helper()
	ctx := w.as(by)
	resp, err := w.people().ApproveRecovery(ctx, &loddv1.ApproveRecoveryRequest{User: user, StepUp: w.stepUpFor(ctx, approving, "", user)})
	return resp.GetCode(), err
}

func (w *world) recover(user, code, password string) error {
	_, err := w.session().Recover(w.t.Context(), &loddv1.RecoverRequest{User: user, Code: code, Password: password})
	return err
}

// newStaff returns a world with the trial T1 and two administrators.
func newStaff(t *testing.T) *world {
	w := newUnsealed(t, nil)
	resp, err := w.people().CreateInvite(w.as("admin"), &loddv1.CreateInviteRequest{Administrator: true})
	w.must(err)
	w.must(w.join(w.code(resp.GetInvite()), "admin2"))
	return w
}

// Two people give somebody a new way in: the code works once, the second factor
// is gone, and every session has ended.
func TestRecoveryByTwoPeople(t *testing.T) {
	w := newStaff(t)
	tc, _, err := w.login("tc-osl", "")
	w.must(err)
	w.enrol(tc)
	w.must(w.proposeRecovery("admin", "tc-osl"))
	w.must(w.proposeRecovery("admin", "tc-osl")) // which changes nothing
	code, err := w.approveRecovery("cus", "tc-osl")
	w.must(err)

	const next = "eight green bottles stand"
	short := w.recover("tc-osl", code, "short")
	refused(t, short, codes.InvalidArgument, "")
	if got := fields(short); !slices.Equal(got, []string{"password"}) {
		t.Errorf("fields = %q", got)
	}
	for name, try := range map[string]error{
		"another's code": w.recover("tc-bgo", code, next),
		"nobody's":       w.recover("nobody", code, next),
		"a wrong code":   w.recover("tc-osl", "ABCD-EFGH-ABCD-EFGH-ABCD-EFGH-ABCD-EFGH", next),
		"no code":        w.recover("tc-osl", "hello", next),
	} {
		t.Run(name, func(t *testing.T) { refused(t, try, codes.FailedPrecondition, "INVITE") })
	}
	// Before the code is right nobody is told which password has the owner's name.
	for _, text := range []string{"short", "tc-osl tc-osl tc-osl"} {
		refused(t, w.recover("tc-osl", "hello", text), codes.FailedPrecondition, "INVITE")
	}
	w.must(w.recover("tc-osl", code, next))
	refused(t, w.recover("tc-osl", code, next), codes.FailedPrecondition, "INVITE")
	_, err = w.session().WhoAmI(tc, &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")
	_, _, err = w.login("tc-osl", "")
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, err = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "tc-osl", Password: next})
	w.must(err) // without a code
	if got := w.kinds("system"); !slices.Equal(got[len(got)-5:], []string{
		"recovery_proposed tc-osl", "recovery_approved tc-osl", "recovered ", "sign_in_refused tc-osl", "signed_in ",
	}) {
		t.Errorf("entries = %q", got)
	}
}

// Nobody gets at another person's account alone, and not with somebody who has
// nothing to do with them.
func TestRecoveryTakesTheRightPeople(t *testing.T) {
	w := newStaff(t)
	refused(t, w.proposeRecovery("cus", "tc-osl"), codes.PermissionDenied, "") // it is an administrator's to propose
	refused(t, w.proposeRecovery("admin", "admin"), codes.InvalidArgument, "")
	refused(t, w.proposeRecovery("admin", "nobody"), codes.NotFound, "NOT_FOUND")
	_, err := w.approveRecovery("cus", "tc-osl")
	refused(t, err, codes.FailedPrecondition, "NOT_PROPOSED")

	for _, user := range []string{"tc-osl", "cus", "admin2"} {
		w.must(w.proposeRecovery("admin", user))
	}
	for _, tt := range []struct {
		by, user string
		code     codes.Code
		reason   string
	}{
		{"pi", "tc-osl", codes.PermissionDenied, ""},
		{"tc-bgo", "tc-osl", codes.PermissionDenied, ""},
		{"tc-osl", "tc-osl", codes.PermissionDenied, ""},
		{"admin", "tc-osl", codes.PermissionDenied, ""},
		{"admin2", "tc-osl", codes.PermissionDenied, ""}, // there is a custodian
		{"cus", "admin2", codes.PermissionDenied, ""},    // who holds no role
		{"cus", "cus", codes.PermissionDenied, ""},
		{"cus", "nobody", codes.PermissionDenied, ""},
		{"admin", "cus", codes.FailedPrecondition, "SAME_PERSON"}, // the only custodian
		{"admin", "admin2", codes.FailedPrecondition, "SAME_PERSON"},
		{"admin2", "cus", codes.OK, ""},
		{"cus", "tc-osl", codes.OK, ""},
	} {
		t.Run(tt.by+" for "+tt.user, func(t *testing.T) {
			_, err := w.approveRecovery(tt.by, tt.user)
			refused(t, err, tt.code, tt.reason)
		})
	}
}

func TestRecoveryEnds(t *testing.T) {
	w := newStaff(t)
	w.must(w.proposeRecovery("admin", "tc-osl"))
	w.wait(7*24*time.Hour + time.Second)
	_, err := w.approveRecovery("cus", "tc-osl")
	refused(t, err, codes.FailedPrecondition, "NOT_PROPOSED")

	w.must(w.proposeRecovery("admin", "tc-osl"))
	code, err := w.approveRecovery("cus", "tc-osl")
	w.must(err)
	w.wait(24*time.Hour + time.Second)
	refused(t, w.recover("tc-osl", code, password), codes.FailedPrecondition, "INVITE")

	w.must(w.proposeRecovery("admin", "tc-osl"))
	code, err = w.approveRecovery("cus", "tc-osl")
	w.must(err)
	_, err = w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "tc-osl", Reason: "left"})
	w.must(err)
	refused(t, w.recover("tc-osl", code, password), codes.FailedPrecondition, "INVITE")
	refused(t, w.proposeRecovery("admin", "tc-osl"), codes.FailedPrecondition, "")
}

// An approval wants a step-up for exactly this account, in the session that asked, once
// and soon.
func TestApprovalWantsAStepUp(t *testing.T) {
	w := newStaff(t)
	w.must(w.proposeRecovery("admin", "tc-osl"))
	cus, _, err := w.login("cus", "")
	w.must(err)
	other, _, err := w.login("cus", "")
	w.must(err)
	approve := func(ctx context.Context, token string) error {
		_, err := w.people().ApproveRecovery(ctx, &loddv1.ApproveRecoveryRequest{User: "tc-osl", StepUp: token})
		return err
	}
	for name, token := range map[string]string{
		"none":               "",
		"made up":            "AAAA",
		"for another person": w.stepUpFor(cus, approving, "", "tc-bgo"),
		"in a trial":         w.stepUpFor(cus, approving, "T1", "tc-osl"),
		"for another act":    w.stepUpFor(cus, loddv1.AssessmentService_SignForm_FullMethodName, "", "tc-osl"),
		"of another session": w.stepUpFor(other, approving, "", "tc-osl"),
	} {
		t.Run(name, func(t *testing.T) { refused(t, approve(cus, token), codes.PermissionDenied, "STEP_UP") })
	}
	token := w.stepUpFor(cus, approving, "", "tc-osl")
	w.must(approve(cus, token))
	w.must(w.proposeRecovery("admin", "tc-osl"))
	refused(t, approve(cus, token), codes.PermissionDenied, "STEP_UP")
	late := w.stepUpFor(cus, approving, "", "tc-osl")
	w.wait(5 * time.Minute)
	refused(t, approve(cus, late), codes.PermissionDenied, "STEP_UP")
}

// A custodian's account isn't opened by a trial that somebody makes for it.
func TestRecoveryByAForeignCustodian(t *testing.T) {
	w := newStaff(t)
	w.must(w.join(w.invite(), "cus-b"))
	w.must(w.grant("cus", "cus-b", "custodian", "", ""))
	w.must(w.join(w.invite(), "puppet"))
	_, err := w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{
		RequestId: w.id(), FileName: "p.yaml", Protocol: bytes.Replace(w.file("protocol.yaml"), []byte("id: T1"), []byte("id: T2"), 1),
	})
	w.must(err)
	for _, g := range [][3]string{{"admin", "puppet", "custodian"}, {"puppet", "cus", "monitor"}} {
		_, err := w.people().GrantRole(w.as(g[0]), &loddv1.GrantRoleRequest{TrialId: "T2", User: g[1], Role: g[2]})
		w.must(err)
	}
	w.must(w.proposeRecovery("admin", "cus"))
	_, err = w.approveRecovery("puppet", "cus")
	refused(t, err, codes.PermissionDenied, "")
	_, err = w.approveRecovery("cus-b", "cus")
	w.must(err)
}

// What a former administrator proposed is approved by nobody, nor does it wait.
func TestRecoveryEndsWithItsProposer(t *testing.T) {
	w := newStaff(t)
	waits := func() int {
		resp, err := w.people().ListProposals(w.as("cus"), &loddv1.ListProposalsRequest{})
		w.must(err)
		return len(resp.GetProposals())
	}
	w.must(w.proposeRecovery("admin2", "tc-osl"))
	before := waits()
	_, err := w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "admin2", Reason: "stolen"})
	w.must(err)
	_, err = w.approveRecovery("cus", "tc-osl")
	refused(t, err, codes.FailedPrecondition, "NOT_PROPOSED")
	if before != 1 || waits() != 0 {
		t.Errorf("%d waited, and %d afterwards", before, waits())
	}
}
