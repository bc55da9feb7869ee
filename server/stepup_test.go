package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A step-up asks for all that a sign-in asks for, and counts against guessing
// as one.
func TestStepUpAsksAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	ctx, _, err := w.login("admin", "")
	w.must(err)
	_, recovery := w.enrol(ctx)
	step := func(password, code string) error {
		_, err := w.session().StepUp(ctx, &loddv1.StepUpRequest{Act: approving, Subject: "kari", Password: password, Code: code})
		return err
	}
	refused(t, step("", ""), codes.Unauthenticated, "SIGN_IN")
	refused(t, step("not this one at all", recovery[0]), codes.Unauthenticated, "SIGN_IN")
	refused(t, step(password, ""), codes.Unauthenticated, "CODE_NEEDED")
	w.must(step(password, recovery[0]))
	refused(t, step(password, recovery[0]), codes.Unauthenticated, "CODE_NEEDED")
	for range 2 {
		refused(t, step("not this one at all", ""), codes.Unauthenticated, "SIGN_IN")
	}
	refused(t, step(password, recovery[1]), codes.ResourceExhausted, "SLOW_DOWN")
	_, err = w.session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	w.must(err) // the session is none the worse for it

	_, err = w.session().StepUp(ctx, &loddv1.StepUpRequest{Act: "Unblind", Password: password})
	refused(t, err, codes.InvalidArgument, "")
	if got := fields(err); !slices.Equal(got, []string{"act"}) {
		t.Errorf("fields = %q", got)
	}
}

func TestStepUpTellsItsEnd(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	resp, err := w.session().StepUp(w.as("admin"), &loddv1.StepUpRequest{Act: approving, Subject: "kari", Password: password})
	w.must(err)
	if got := resp.GetExpires().AsTime().Sub(w.clock.now()); got != 5*time.Minute {
		t.Errorf("the step-up ends after %v", got)
	}
}

// Who is disabled is out at once: in the middle of a download, too, and with a
// step-up in hand.
func TestDisabledIsOutAtOnce(t *testing.T) {
	w := newUnsealed(t, nil)
	for range 300 { // entries for a download that doesn't fit on the way
		_, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "dm", Role: "monitor", Reason: strings.Repeat("mistaken ", 50)})
		w.must(err)
		w.must(w.grant("cus", "dm", "monitor", "", ""))
	}
	au := w.as("au")
	stream, err := w.audit().ListEntries(au, &loddv1.ListEntriesRequest{TrialId: "T1", List: "system", Raw: true})
	w.must(err)
	_, err = stream.Recv()
	w.must(err)
	token := w.stepUpFor(au, approving, "", "tc-osl")
	_, err = w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "au", Reason: "left"})
	w.must(err)
	for err == nil {
		_, err = stream.Recv()
	}
	refused(t, err, codes.Unauthenticated, "")
	_, err = w.people().ApproveRecovery(au, &loddv1.ApproveRecoveryRequest{User: "tc-osl", StepUp: token})
	refused(t, err, codes.Unauthenticated, "")
}
