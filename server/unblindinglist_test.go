package server_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// The rules of product.md, "Audit: existence of an unblinding".
func TestListUnblindings(t *testing.T) {
	w := newUnblinding(t)
	at := timestamppb.New(w.clock.now())
	for _, p := range []string{"S-1", "S-B"} {
		_, err := w.unblind("pi", p, "")
		w.must(err)
	}
	_, err := w.unblind("pi", "S-2", "cl")
	w.must(err)
	all := []*loddv1.Unblinding{
		{Participant: "S-1", At: at, By: "pi", Reason: "medical-emergency", Collected: true},
		{Participant: "S-B", At: at, By: "pi", Reason: "medical-emergency", Collected: true},
		{Participant: "S-2", At: at, By: "pi", Reason: "medical-emergency", To: "cl"},
	}
	var told []*loddv1.Unblinding
	for _, u := range all {
		m := proto.Clone(u).(*loddv1.Unblinding)
		m.Text = why
		told = append(told, m)
	}
	w.must(w.join(w.invite(), "both"))
	w.must(w.grant("cus", "both", "assessor", "OSL", ""))
	w.must(w.grant("cus", "both", "monitor", "", ""))
	for user, want := range map[string]*loddv1.ListUnblindingsResponse{
		"pi": {Count: 3, Unblindings: all}, "au": {Count: 3, Unblindings: told}, "ds": {Count: 3, Unblindings: told},
		"pi-osl": {Count: 2, Unblindings: []*loddv1.Unblinding{all[0], all[2]}},
		"tc-osl": {Count: 2}, "tc-bgo": {Count: 1}, "cus": {Count: 3}, "ts": {Count: 3}, "dm": {Count: 3},
		"oa-osl": nil, "both": nil, "es-north": nil, "cl": nil, "admin": nil,
	} {
		got, err := w.unblinding().ListUnblindings(w.as(user), &loddv1.ListUnblindingsRequest{TrialId: "T1"})
		if want == nil {
			refused(t, err, codes.PermissionDenied, "")
			continue
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", user, err, diff)
		}
	}
}

// Only the auditor and who opens arms may check the list of allocation, and only
// the auditor reads in it what others did, or who got which slot.
func TestAllocationIsCheckedByWhoOpensArms(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.join(w.invite(), "re"))
	w.must(w.grant("cus", "re", "reviewer", "", ""))
	w.must(w.grant("cus", "pi-osl", "coordinator", "OSL", ""))
	w.ready("S-X", "OSL")
	intent, err := w.randomization().PrepareRandomization(w.as("pi-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-X"})
	w.must(err)
	_, err = w.commit("pi-osl", intent.GetIntentId(), "S-X")
	w.must(err)
	_, err = w.unblind("pi-osl", "S-1", "")
	w.must(err)
	for user, kinds := range map[string][]string{
		"pi-osl": {"unblinded"}, "pi": nil, "cus": nil, "ts": nil, "cl": nil, "re": nil,
		"au": {"design_kept", "allocated", "unblinded"},
	} {
		var got []string
		entries, err := w.entries(user, &loddv1.ListEntriesRequest{TrialId: "T1", List: "T1/allocation", Raw: true})
		w.must(err)
		for _, e := range entries {
			if !slices.Contains(got, e.GetKind()) {
				got = append(got, e.GetKind())
			}
			if strings.Contains(e.GetDetail(), "sealed") || strings.Contains(e.GetDetail(), why) {
				t.Errorf("%s reads %s", user, e.GetDetail())
			}
		}
		if !slices.Equal(got, kinds) {
			t.Errorf("%s reads %q, want %q", user, got, kinds)
		}
	}
	for _, user := range []string{"tc-osl", "oa-osl", "dm", "ds", "es-north"} {
		_, err := w.audit().GetCheckpoint(w.as(user), &loddv1.GetCheckpointRequest{TrialId: "T1", List: "T1/allocation"})
		refused(t, err, codes.NotFound, "NOT_FOUND")
	}
}

// A trial that is unsealed gives the same bundle after somebody opened an arm,
// which may still be asked for.
func TestRevealIsTheSameAfterAnUnblinding(t *testing.T) {
	w := newUnblinding(t)
	w.over()
	w.must(w.propose("pi"))
	w.must(w.approve("cus"))
	before, _, err := w.reveal("au")
	w.must(err)
	_, err = w.unblind("pi", "S-1", "")
	w.must(err)
	after, _, err := w.reveal("au")
	w.must(err)
	if !bytes.Equal(before, after) {
		t.Error("the same trial gave other bytes")
	}
}
