package server_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// After a restore from an older copy nobody is randomized before the custodian
// has said which slots are lost; those are never used.
func TestReconcile(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.ready("S-2", "OSL")
	reconcile := func(user, request, confirm string, lost ...*loddv1.LostSlots) (*loddv1.Receipt, error) {
		resp, err := w.trials().Reconcile(w.as(user), &loddv1.ReconcileRequest{TrialId: "T1", RequestId: request, Confirm: confirm, Lost: lost})
		return resp.GetReceipt(), err
	}
	state := func() string {
		got, err := w.trials().GetTrial(w.as("tc-osl"), &loddv1.GetTrialRequest{TrialId: "T1"})
		w.must(err)
		return got.GetState()
	}
	female := &loddv1.LostSlots{Stratum: "OSL/sex=female", Slots: 2}
	male := &loddv1.LostSlots{Stratum: "BGO/sex=male", Slots: 1}

	_, err := reconcile("cus", w.id(), "T1", female)
	refused(t, err, codes.FailedPrecondition, "")
	w.must(w.ledger.MarkRestored(t.Context(), func(list string) int64 {
		return map[string]int64{"T1/allocation": 3}[list]
	}))
	if got := state(); got != "fenced" {
		t.Errorf("the trial is %s", got)
	}
	_, err = w.randomization().PrepareRandomization(w.as("tc-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-2"})
	refused(t, err, codes.FailedPrecondition, "FENCED")
	_, err = w.trials().CloseEnrolment(w.as("cus"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	_, err = w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	refused(t, err, codes.FailedPrecondition, "FENCED")

	for _, tt := range []struct {
		name, user, confirm string
		lost                []*loddv1.LostSlots
		want                codes.Code
	}{
		{"the coordinator", "tc-osl", "T1", []*loddv1.LostSlots{female, male}, codes.PermissionDenied},
		{"the investigator", "pi", "T1", []*loddv1.LostSlots{female, male}, codes.PermissionDenied},
		{"the administrator", "admin", "T1", []*loddv1.LostSlots{female, male}, codes.PermissionDenied},
		{"not confirmed", "cus", "", []*loddv1.LostSlots{female, male}, codes.InvalidArgument},
		{"another confirmed", "cus", "T2", []*loddv1.LostSlots{female, male}, codes.InvalidArgument},
		{"an unknown stratum", "cus", "T1", []*loddv1.LostSlots{{Stratum: "OSL", Slots: 3}}, codes.InvalidArgument},
		{"fewer than the heads show", "cus", "T1", []*loddv1.LostSlots{female}, codes.InvalidArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := reconcile(tt.user, w.id(), tt.confirm, tt.lost...)
			refused(t, err, tt.want, "")
			if tt.want == codes.InvalidArgument && len(fields(err)) != 1 {
				t.Errorf("fields = %v", fields(err))
			}
		})
	}
	id := w.id()
	first, err := reconcile("cus", id, "T1", female, male)
	w.must(err)
	again, err := reconcile("cus", id, "T1", male, female) // in any order
	w.must(err)
	if again.GetIndex() != first.GetIndex() || !again.GetRepeatedRequest() {
		t.Errorf("repeated: %v, first %v", again, first)
	}
	_, err = w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	if got := state(); got != "open" {
		t.Errorf("the trial is %s", got)
	}
	w.randomize("S-3", "OSL")
}
