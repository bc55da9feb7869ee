package server_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) proposeDisclosure(user, p, to string) (*loddv1.ProposeDisclosureResponse, error) {
	return w.unblinding().ProposeDisclosure(w.as(user), &loddv1.ProposeDisclosureRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, To: to, Reason: "inspection",
	})
}

func (w *world) approval(user, p, to string) *loddv1.ApproveDisclosureRequest {
	w.t.Helper()
	return &loddv1.ApproveDisclosureRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, To: to, StepUp: w.sure(user, "ApproveDisclosure", p+"/"+to),
	}
}

func (w *world) approveDisclosure(user, p, to string) error {
	w.t.Helper()
	_, err := w.unblinding().ApproveDisclosure(w.as(user), w.approval(user, p, to))
	return err
}

// disclose opens an arm for a third person.
func (w *world) disclose(p, to string) error {
	w.t.Helper()
	if _, err := w.proposeDisclosure("cus", p, to); err != nil {
		return err
	}
	return w.approveDisclosure("ts", p, to)
}

// Two people show a third one an arm, and see none themselves.
func TestTwoPeopleDisclose(t *testing.T) {
	w := newUnblinding(t)
	first, err := w.proposeDisclosure("cus", "S-1", "au")
	w.must(err)
	if got := first.GetExpires().AsTime(); !got.Equal(w.clock.now().Add(7 * 24 * time.Hour)) {
		t.Errorf("it expires at %v", got)
	}
	_, err = w.proposeDisclosure("ts", "S-1", "au")
	refused(t, err, codes.AlreadyExists, "EXISTS")
	refused(t, w.approveDisclosure("cus", "S-1", "au"), codes.FailedPrecondition, "SAME_PERSON")
	refused(t, w.approveDisclosure("ts", "S-2", "au"), codes.FailedPrecondition, "NOT_PROPOSED")
	refused(t, w.approveDisclosure("ts", "S-1", "cl"), codes.FailedPrecondition, "NOT_PROPOSED")
	refused(t, w.approveDisclosure("au", "S-1", "au"), codes.PermissionDenied, "")
	if w.waiting("au") != nil {
		t.Error("one person was enough")
	}
	req := w.approval("ts", "S-1", "au")
	token := req.GetStepUp()
	req.StepUp = w.sure("ts", "Unblind", "S-1/")
	_, err = w.unblinding().ApproveDisclosure(w.as("ts"), req)
	refused(t, err, codes.PermissionDenied, "STEP_UP")
	req.StepUp = token
	for repeat := range 2 {
		got, err := w.unblinding().ApproveDisclosure(w.as("ts"), req)
		if err != nil || got.GetReceipt().GetRepeatedRequest() != (repeat == 1) {
			t.Errorf("%v, %v", got, err)
		}
	}
	other := w.approval("ts", "S-2", "au")
	other.RequestId = req.GetRequestId()
	_, err = w.unblinding().ApproveDisclosure(w.as("ts"), other)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	refused(t, w.approveDisclosure("pi", "S-1", "au"), codes.FailedPrecondition, "NOT_PROPOSED")

	waiting := w.waiting("au")
	if len(waiting) != 1 || waiting[0].GetParticipant() != "S-1" || waiting[0].GetBy() != "ts" {
		t.Fatalf("%v waits", waiting)
	}
	got, err := w.collect("au", waiting[0].GetNumber())
	w.must(err)
	if got.GetArm().GetId() != w.arm("S-1") {
		t.Errorf("collected %v", got)
	}
	for _, user := range []string{"cus", "ts"} {
		_, err := w.unblinding().Collect(w.as(user), &loddv1.CollectRequest{TrialId: "T1", RequestId: w.id(), Number: waiting[0].GetNumber()})
		refused(t, err, codes.PermissionDenied, "")
	}
}

func TestDisclosureExpires(t *testing.T) {
	w := newUnblinding(t)
	_, err := w.proposeDisclosure("cus", "S-1", "au")
	w.must(err)
	w.wait(7*24*time.Hour + time.Millisecond)
	refused(t, w.approveDisclosure("ts", "S-1", "au"), codes.FailedPrecondition, "NOT_PROPOSED")
	_, err = w.proposeDisclosure("ts", "S-1", "au")
	w.must(err)
	w.wait(7 * 24 * time.Hour)
	w.must(w.approveDisclosure("cus", "S-1", "au"))
}

// What somebody proposed who may not propose it any more is approved by nobody,
// nor is what would show an arm to somebody who may not see it any more.
func TestDisclosureEndsWithTheRoles(t *testing.T) {
	w := newUnblinding(t)
	_, err := w.proposeDisclosure("pi", "S-1", "au")
	w.must(err)
	_, err = w.proposeDisclosure("ts", "S-2", "cl")
	w.must(err)
	for user, role := range map[string]string{"pi": "investigator", "cl": "clinician"} {
		_, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: user, Role: role, Reason: "left"})
		w.must(err)
	}
	refused(t, w.approveDisclosure("cus", "S-1", "au"), codes.FailedPrecondition, "NOT_PROPOSED")
	err = w.approveDisclosure("cus", "S-2", "cl")
	refused(t, err, codes.InvalidArgument, "")
	if f := fields(err); !slices.Equal(f, []string{"to"}) {
		t.Errorf("fields %q", f)
	}
}

func TestDisclosureIsRefused(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.join(w.invite(), "was"))
	w.must(w.grant("cus", "was", "assessor", "OSL", ""))
	w.landed("was", "auditor", "")
	for _, tt := range []struct {
		name, user, participant, to string
		code                        codes.Code
		reason                      string
	}{
		{"to an assessor", "cus", "S-1", "oa-osl", codes.InvalidArgument, ""},
		{"to an auditor who assesses", "cus", "S-1", "was", codes.InvalidArgument, ""},
		{"to a coordinator", "cus", "S-1", "tc-osl", codes.InvalidArgument, ""},
		{"to nobody", "cus", "S-1", "", codes.InvalidArgument, ""},
		{"to oneself", "cus", "S-1", "cus", codes.InvalidArgument, ""},
		{"not randomized", "cus", "S-R", "au", codes.FailedPrecondition, "NOT_RANDOMIZED"},
		{"of nobody", "cus", "S-9", "au", codes.NotFound, "NOT_FOUND"},
		{"by an investigator of one site", "pi-osl", "S-1", "au", codes.PermissionDenied, ""},
		{"by an auditor", "au", "S-1", "cl", codes.PermissionDenied, ""},
		{"by a coordinator", "tc-osl", "S-1", "au", codes.PermissionDenied, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.proposeDisclosure(tt.user, tt.participant, tt.to)
			refused(t, err, tt.code, tt.reason)
		})
	}
}

// An auditor who became an assessor before reading what was opened doesn't read
// it.
func TestAssessorsDoNotCollect(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.disclose("S-1", "au"))
	w.landed("au", "assessor", "OSL")
	_, err := w.collect("au", w.waiting("au")[0].GetNumber())
	refused(t, err, codes.PermissionDenied, "")
}
