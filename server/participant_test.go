package server_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/vault"
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

// What cannot be undone takes two accounts that may record what happens to the
// participant.
func TestEraseParticipant(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	erase := func(user string, req *loddv1.EraseParticipantRequest) (*loddv1.Receipt, error) {
		req.TrialId = "T1"
		if req.RequestId == "" {
			req.RequestId = w.id()
		}
		resp, err := w.participants().EraseParticipant(w.as(user), req)
		return resp.GetReceipt(), err
	}
	withdraw := func(user, p string) {
		_, err := w.participants().RecordWithdrawal(w.as(user), &loddv1.RecordWithdrawalRequest{
			TrialId: "T1", RequestId: w.id(), Participant: p, Scope: "data", Reason: "not-given", Confirm: p,
		})
		w.must(err)
	}
	withdraw("tc-osl", "S-1")
	for _, tt := range []struct {
		name, user, participant, confirm string
		want                             codes.Code
		reason                           string
	}{
		{"by the same person", "tc-osl", "S-1", "S-1", codes.FailedPrecondition, "SAME_PERSON"},
		{"without a withdrawal", "pi", "S-2", "S-2", codes.FailedPrecondition, ""},
		{"not confirmed", "pi", "S-1", "", codes.InvalidArgument, "NOT_CONFIRMED"},
		{"another confirmed", "pi", "S-1", "S-2", codes.InvalidArgument, "NOT_CONFIRMED"},
		{"nobody", "pi", "S-9", "S-9", codes.NotFound, "NOT_FOUND"},
		{"another site", "tc-bgo", "S-1", "S-1", codes.NotFound, "NOT_FOUND"},
		{"an assessor", "oa-osl", "S-1", "S-1", codes.PermissionDenied, ""},
		{"the custodian", "cus", "S-1", "S-1", codes.PermissionDenied, ""},
		{"the administrator", "admin", "S-1", "S-1", codes.PermissionDenied, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := erase(tt.user, &loddv1.EraseParticipantRequest{Participant: tt.participant, Confirm: tt.confirm})
			refused(t, err, tt.want, tt.reason)
		})
	}
	w.must(w.vault.Check(t.Context(), "T1/participant/S-1"))
	req := &loddv1.EraseParticipantRequest{Participant: "S-1", Confirm: "S-1"}
	first, err := erase("pi", req)
	w.must(err)
	if err := w.vault.Check(t.Context(), "T1/participant/S-1"); !errors.Is(err, vault.ErrDestroyed) {
		t.Errorf("the key: %v", err)
	}
	for _, again := range []*loddv1.EraseParticipantRequest{req, {Participant: "S-1", Confirm: "S-1"}} {
		for _, user := range []string{"pi", "tc-osl"} {
			if user == "tc-osl" {
				again.RequestId = ""
			}
			got, err := erase(user, again)
			w.must(err)
			if !got.GetRepeatedRequest() || got.GetIndex() != first.GetIndex() || first.GetRepeatedRequest() {
				t.Errorf("%s again: %v, first %v", user, got, first)
			}
		}
	}
	withdraw("pi", "S-2") // the other way round
	_, err = erase("tc-osl", &loddv1.EraseParticipantRequest{Participant: "S-2", Confirm: "S-2"})
	w.must(err)
	if n := w.count("T1/conduct", "erased"); n != 2 {
		t.Errorf("%d erasures", n)
	}
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
	refused(t, wrong("tc-osl", "S-2", "not-eligible"), codes.FailedPrecondition, "NOT_RANDOMIZED")
	refused(t, wrong("tc-bgo", "S-1", "not-eligible"), codes.NotFound, "NOT_FOUND")
	w.must(wrong("tc-osl", "S-1", "wrong-stratum"))
	refused(t, wrong("pi", "S-1", "not-eligible"), codes.AlreadyExists, "EXISTS")

	w.wait(200 * day)
	refused(t, died("S-1", "2026-03-01"), codes.InvalidArgument, "")
	refused(t, died("S-2", ""), codes.FailedPrecondition, "NOT_RANDOMIZED")
	w.must(died("S-1", "2026-04-01"))
	refused(t, died("S-1", ""), codes.AlreadyExists, "EXISTS")
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 3, "calm": 2}`)
	refused(t, err, codes.FailedPrecondition, "FOLLOW_UP_ENDED")
}
