package server_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func TestRecordWithdrawal(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	w.ready("S-3", "OSL")
	withdraw := func(user string, req *loddv1.RecordWithdrawalRequest) (*loddv1.RecordWithdrawalResponse, error) {
		req.TrialId = "T1"
		if req.RequestId == "" {
			req.RequestId = w.id()
		}
		return w.participants().RecordWithdrawal(w.as(user), req)
	}
	for _, tt := range []struct {
		name, user string
		req        *loddv1.RecordWithdrawalRequest
		want       codes.Code
		reason     string
	}{
		{"no scope", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Reason: "moved"}, codes.InvalidArgument, ""},
		{"unknown scope", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "all", Reason: "moved"}, codes.InvalidArgument, ""},
		{"unknown reason", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "follow-up", Reason: "bored"}, codes.InvalidArgument, ""},
		{"future", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "follow-up", Reason: "moved", On: "2026-03-03"}, codes.InvalidArgument, ""},
		{"not confirmed", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "data", Reason: "moved"}, codes.InvalidArgument, "NOT_CONFIRMED"},
		{"other confirmed", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "data", Reason: "moved", Confirm: "S-2"}, codes.InvalidArgument, "NOT_CONFIRMED"},
		{"not randomized", "tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-3", Scope: "follow-up", Reason: "moved"}, codes.FailedPrecondition, "NOT_RANDOMIZED"},
		{"another site", "tc-bgo", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "follow-up", Reason: "moved"}, codes.NotFound, "NOT_FOUND"},
		{"an assessor", "oa-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "follow-up", Reason: "moved"}, codes.PermissionDenied, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := withdraw(tt.user, tt.req)
			refused(t, err, tt.want, tt.reason)
		})
	}
	_, err := withdraw("pi", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "intervention", Reason: "burden"})
	w.must(err)
	_, err = withdraw("tc-osl", &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "intervention", Reason: "burden"})
	refused(t, err, codes.AlreadyExists, "EXISTS")
	w.takeLock()
	req := &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "data", Reason: "not-given", Confirm: "S-1"}
	for range 2 { // safe to repeat
		got, err := withdraw("tc-osl", req)
		w.must(err)
		if !slices.Equal(got.GetDestroyInLocks(), []int32{1}) {
			t.Errorf("destroy in locks %v", got.GetDestroyInLocks())
		}
	}
	_, err = w.assessment().ReadForm(w.as("tc-osl"), &loddv1.ReadFormRequest{TrialId: "T1", Participant: "S-1", Visit: "baseline", Form: "background"})
	refused(t, err, codes.FailedPrecondition, "ERASED")
	req = &loddv1.RecordWithdrawalRequest{Participant: "S-1", Scope: "follow-up", Reason: "moved"}
	_, err = withdraw("tc-osl", req)
	refused(t, err, codes.FailedPrecondition, "ERASED")
}

func TestRecordDeathAndError(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.ready("S-2", "OSL")
	died := func(p, on string) error {
		_, err := w.participants().RecordDeath(w.as("tc-osl"), &loddv1.RecordDeathRequest{TrialId: "T1", RequestId: w.id(), Participant: p, On: on})
		return err
	}
	wrong := func(user, p, kind string) error {
		_, err := w.participants().RecordError(w.as(user), &loddv1.RecordErrorRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Kind: kind})
		return err
	}
	refused(t, wrong("tc-osl", "S-1", "regret"), codes.InvalidArgument, "")
	refused(t, wrong("tc-osl", "S-2", "duplicate"), codes.FailedPrecondition, "NOT_RANDOMIZED")
	refused(t, wrong("tc-bgo", "S-1", "duplicate"), codes.NotFound, "NOT_FOUND")
	w.must(wrong("tc-osl", "S-1", "wrong-stratum"))
	refused(t, wrong("pi", "S-1", "duplicate"), codes.AlreadyExists, "EXISTS")

	w.wait(200 * day)
	refused(t, died("S-1", "2026-03-01"), codes.InvalidArgument, "")
	refused(t, died("S-2", ""), codes.FailedPrecondition, "NOT_RANDOMIZED")
	w.must(died("S-1", "2026-04-01"))
	refused(t, died("S-1", ""), codes.AlreadyExists, "EXISTS")
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 3, "calm": 2}`)
	refused(t, err, codes.FailedPrecondition, "FOLLOW_UP_ENDED")
}
