package server_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
)

func (w *world) unsealing() loddv1.UnsealingServiceClient {
	return loddv1.NewUnsealingServiceClient(w.conn)
}

func (w *world) freeze(user, version string) error {
	digest := sha256.Sum256([]byte(version))
	_, err := w.unsealing().FreezeAnalysisPlan(w.as(user), &loddv1.FreezeAnalysisPlanRequest{
		TrialId: "T1", RequestId: w.id(), Version: version, Digest: digest[:],
	})
	return err
}

func (w *world) propose(user string) error {
	_, err := w.unsealing().ProposeUnsealing(w.as(user), &loddv1.ProposeUnsealingRequest{TrialId: "T1", RequestId: w.id()})
	return err
}

func (w *world) approve(user string) error {
	w.t.Helper()
	_, err := w.unsealing().ApproveUnsealing(w.as(user), w.approving(user))
	return err
}

// approving returns an approval with a fresh step-up.
func (w *world) approving(user string) *loddv1.ApproveUnsealingRequest {
	w.t.Helper()
	token := w.stepUpFor(w.as(user), loddv1.UnsealingService_ApproveUnsealing_FullMethodName, "T1", "T1")
	return &loddv1.ApproveUnsealingRequest{TrialId: "T1", RequestId: w.id(), Confirm: "T1", StepUp: token}
}

func (w *world) closeEnrolment() {
	w.t.Helper()
	_, err := w.trials().CloseEnrolment(w.as("pi"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
}

func (w *world) status() *loddv1.GetUnsealingResponse {
	w.t.Helper()
	got, err := w.unsealing().GetUnsealing(w.as("au"), &loddv1.GetUnsealingRequest{TrialId: "T1"})
	w.must(err)
	return got
}

// A session alone unseals no trial: the second person proves anew who they are,
// for this trial. What was carried out is told again without.
func TestUnsealingTakesAStepUp(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.over()
	w.must(w.propose("pi"))
	approve := w.approving("ts")
	bare := proto.CloneOf(approve)
	bare.StepUp = ""
	_, err := w.unsealing().ApproveUnsealing(w.as("ts"), bare)
	refused(t, err, codes.PermissionDenied, "STEP_UP")
	bare.StepUp = w.stepUpFor(w.as("ts"), loddv1.UnsealingService_ApproveUnsealing_FullMethodName, "T1", "T2")
	_, err = w.unsealing().ApproveUnsealing(w.as("ts"), bare)
	refused(t, err, codes.PermissionDenied, "STEP_UP")
	if s := w.status(); s.GetUnsealed() != nil {
		t.Fatalf("unsealed by %v", bare)
	}
	_, err = w.unsealing().ApproveUnsealing(w.as("ts"), approve)
	w.must(err)
	again, err := w.unsealing().ApproveUnsealing(w.as("ts"), approve) // the token is used up
	w.must(err)
	if !again.GetReceipt().GetRepeatedRequest() {
		t.Errorf("a repeat gave %v", again)
	}
}

// over takes the trial to where only the proposal is missing.
func (w *world) over() {
	w.t.Helper()
	w.closeEnrolment()
	w.takeLock()
	w.must(w.freeze("ts", "1.0"))
}

// reveal returns the bundle of the unsealed trial, and its name.
func (w *world) reveal(user string) (bundle []byte, name string, err error) {
	w.t.Helper()
	s, err := w.unsealing().DownloadReveal(w.as(user), &loddv1.DownloadRevealRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	size := int64(0)
	for {
		piece, err := s.Recv()
		if errors.Is(err, io.EOF) {
			if int64(len(bundle)) != size {
				w.t.Errorf("%d bytes, announced were %d", len(bundle), size)
			}
			return bundle, name, nil
		}
		if err != nil {
			return nil, "", err
		}
		if bundle == nil {
			name, size = piece.GetFileName(), piece.GetSizeBytes()
		}
		bundle = append(bundle, piece.GetChunk()...)
	}
}

// A proposal says what is to be done first, and an outcome after the lock needs
// another lock.
func TestUnsealingNamesWhatIsMissing(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	want := func(missing ...string) {
		t.Helper()
		if diff := cmp.Diff(missing, w.status().GetMissing()); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
		if err := w.propose("pi"); len(missing) > 0 {
			refused(t, err, codes.FailedPrecondition, "NOT_READY")
			text := "the trial can't be unsealed yet; it needs first: " + missing[0]
			if got := status.Convert(err).Message(); !bytes.HasPrefix([]byte(got), []byte(text)) {
				t.Errorf("refused with %q, want %q", got, text)
			}
		} else {
			w.must(err)
		}
	}
	want("enrolment-closed", "lock", "analysis-plan")
	w.closeEnrolment()
	want("lock", "analysis-plan")
	w.takeLock()
	want("analysis-plan")
	w.must(w.freeze("ts", "1.0"))
	w.wait(180 * 24 * time.Hour)
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 1, "calm": 2}`)
	w.must(err)
	want("lock")
	w.takeLock()
	want()
	_, err = w.submit("oa-osl", "S-1", "month-6", "work", `{"days": 3}`)
	w.must(err)
	refused(t, w.approve("cus"), codes.FailedPrecondition, "NOT_READY")
}

func TestTwoPeopleUnseal(t *testing.T) {
	w := newTrial(t, nil)
	w.over()
	refused(t, w.approve("cus"), codes.FailedPrecondition, "NOT_PROPOSED")
	propose := &loddv1.ProposeUnsealingRequest{TrialId: "T1", RequestId: w.id()}
	first, err := w.unsealing().ProposeUnsealing(w.as("pi"), propose)
	w.must(err)
	again, err := w.unsealing().ProposeUnsealing(w.as("pi"), propose)
	w.must(err)
	if !again.GetReceipt().GetRepeatedRequest() || again.GetExpires().String() != first.GetExpires().String() {
		t.Errorf("a repeat gave %v after %v", again, first)
	}
	if s := w.status(); s.GetProposedBy() != "pi" || s.GetExpires().String() != first.GetExpires().String() || s.GetPlanVersion() != "1.0" || s.GetUnsealed() != nil {
		t.Errorf("status %v", s)
	}
	refused(t, w.propose("ts"), codes.AlreadyExists, "EXISTS")
	refused(t, w.approve("pi"), codes.FailedPrecondition, "SAME_PERSON")
	_, err = w.unsealing().ApproveUnsealing(w.as("cus"), &loddv1.ApproveUnsealingRequest{TrialId: "T1", RequestId: w.id(), Confirm: "T2"})
	refused(t, err, codes.InvalidArgument, "")
	if f := fields(err); !slices.Equal(f, []string{"confirm"}) {
		t.Errorf("fields %q", f)
	}

	w.wait(7*24*time.Hour + time.Millisecond)
	if s := w.status(); s.GetProposedBy() != "" {
		t.Errorf("a proposal lives on: %v", s)
	}
	refused(t, w.approve("cus"), codes.FailedPrecondition, "NOT_PROPOSED")
	w.must(w.propose("ts"))
	w.must(w.freeze("ts", "1.1")) // whoever proposed knew another plan
	refused(t, w.approve("cus"), codes.FailedPrecondition, "NOT_PROPOSED")
	w.must(w.propose("ts"))
	w.wait(7 * 24 * time.Hour)
	w.must(w.approve("cus"))

	if s := w.status(); s.GetUnsealed() == nil || len(s.GetMissing()) > 0 || s.GetProposedBy() != "" || s.GetPlanVersion() != "1.1" {
		t.Errorf("status %v", s)
	}
	refused(t, w.propose("pi"), codes.FailedPrecondition, "UNSEALED")
	refused(t, w.approve("pi"), codes.FailedPrecondition, "UNSEALED")
	refused(t, w.freeze("ts", "2.0"), codes.FailedPrecondition, "UNSEALED")
	_, err = w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	refused(t, err, codes.FailedPrecondition, "UNSEALED")
	// Whoever has the reveal becomes no assessor any more.
	_, err = w.people().GrantRole(w.as("cus"), &loddv1.GrantRoleRequest{TrialId: "T1", User: "au", Role: "assessor"})
	refused(t, err, codes.FailedPrecondition, "UNSEALED")
}

func TestUnsealingIsRefusedByRole(t *testing.T) {
	w := newTrial(t, nil)
	w.over()
	w.must(w.propose("pi"))
	w.must(w.approve("cus"))
	for _, p := range append(slices.Clone(cast), struct{ user, role, site, team string }{user: "admin", role: "administrator"}) {
		_, _, revealed := w.reveal(p.user)
		for what, got := range map[string]struct {
			err   error
			roles []string
		}{
			"freeze":  {w.freeze(p.user, "9"), []string{"statistician"}},
			"propose": {w.propose(p.user), []string{"custodian", "investigator", "statistician"}},
			"approve": {w.approve(p.user), []string{"custodian", "investigator", "statistician"}},
			"reveal":  {revealed, []string{"custodian", "investigator", "statistician", "auditor"}},
		} {
			if allowed := status.Code(got.err) != codes.PermissionDenied; allowed != slices.Contains(got.roles, p.role) {
				t.Errorf("%s may %s: %v", p.user, what, got.err)
			}
		}
	}
}

func TestPlanIsRefused(t *testing.T) {
	w := newTrial(t, nil)
	for name, req := range map[string]*loddv1.FreezeAnalysisPlanRequest{
		"version": {Version: "version 1", Digest: make([]byte, 32)},
		"digest":  {Version: "1", Digest: make([]byte, 31)},
	} {
		req.TrialId, req.RequestId = "T1", w.id()
		req.Digest[0] = 1
		_, err := w.unsealing().FreezeAnalysisPlan(w.as("ts"), req)
		refused(t, err, codes.InvalidArgument, "")
		if f := fields(err); !slices.Equal(f, []string{name}) {
			t.Errorf("fields %q, want %s", f, name)
		}
	}
}

// 24 of 24 allocations follow from the commitment that was published on day 0.
func TestDownloadReveal(t *testing.T) {
	w := newTrial(t, nil)
	day0, err := w.trials().GetTrial(w.as("au"), &loddv1.GetTrialRequest{TrialId: "T1"})
	w.must(err)
	for i := range 24 {
		w.randomize(fmt.Sprintf("S-%d", i), []string{"OSL", "BGO"}[i%2])
	}
	w.over()
	_, _, err = w.reveal("au")
	refused(t, err, codes.FailedPrecondition, "NOT_UNSEALED")
	w.must(w.propose("pi"))
	w.must(w.approve("ts"))
	if n := w.count("T1/conduct", "revealed"); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}

	bundle, name, err := w.reveal("ts")
	w.must(err)
	key, err := note.NewVerifier(w.keys.ExportVerifier)
	w.must(err)
	m, err := audit.VerifyBundle(bytes.NewReader(bundle), int64(len(bundle)), note.VerifierList(key))
	w.must(err)
	if name != "T1-lock1-unsealed.zip" || m.View != "unsealed" || m.Blinded || m.Study != "T1" {
		t.Errorf("%s: %+v", name, m)
	}
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	w.must(err)
	design, err := z.Open("unsealed/design.txt")
	w.must(err)
	allocations, err := z.Open("unsealed/allocations.csv")
	w.must(err)
	r, err := table.ReadReveal(design, allocations)
	w.must(err)
	if r.Commitment.String() != day0.GetCommitment() || len(r.Allocations) != 24 {
		t.Errorf("%d allocations under %v, want 24 under %s", len(r.Allocations), r.Commitment, day0.GetCommitment())
	}
	w.must(randomization.Verify(r))
	record, err := z.Open("unsealed/sealing-record.txt")
	w.must(err)
	text, err := io.ReadAll(record)
	w.must(err)
	if !bytes.Contains(text, []byte(day0.GetCommitment())) {
		t.Errorf("the sealing record in the bundle is\n%s", text)
	}

	w.restart()
	again, _, err := w.reveal("au")
	w.must(err)
	if !bytes.Equal(bundle, again) {
		t.Error("the same trial gave other bytes")
	}
	if n := w.count("T1/conduct", "revealed"); n != 2 {
		t.Errorf("%d entries, want one for each download", n)
	}
}

// Whoever assesses outcomes, or once did, is never shown an arm, whatever other
// role the person has.
func TestAssessorsAreNeverShownTheReveal(t *testing.T) {
	w := newTrial(t, nil)
	for _, user := range []string{"is", "was"} {
		w.must(w.join(w.invite(), user))
		w.must(w.grant("cus", user, "assessor", "OSL", ""))
		w.landed(user, "auditor", "")
	}
	_, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "was", Role: "assessor", Site: "OSL", Reason: "left"})
	w.must(err)
	w.over()
	w.must(w.propose("pi"))
	w.must(w.approve("cus"))
	for _, user := range []string{"is", "was"} {
		_, _, err := w.reveal(user)
		refused(t, err, codes.PermissionDenied, "")
	}
	if n := w.count("T1/conduct", "revealed"); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}
}

// What somebody proposed who may not propose it any more is approved by nobody.
func TestProposalEndsWithItsProposersRole(t *testing.T) {
	w := newTrial(t, nil)
	w.over()
	w.must(w.propose("pi"))
	_, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "pi", Role: "investigator", Reason: "left"})
	w.must(err)
	refused(t, w.approve("cus"), codes.FailedPrecondition, "NOT_PROPOSED")
	for _, site := range []string{"OSL", ""} { // of one site, and again of the whole trial: not the role that proposed
		w.wait(time.Second)
		w.must(w.grant("cus", "pi", "investigator", site, ""))
		refused(t, w.approve("cus"), codes.FailedPrecondition, "NOT_PROPOSED")
	}
	w.wait(7*24*time.Hour + time.Millisecond)
	w.must(w.propose("ts"))
	w.must(w.approve("cus"))
}

// Whoever works with participants isn't told what is missing: a lock that is
// missing tells that an assessor was at work.
func TestUnsealingTellsFewWhatIsMissing(t *testing.T) {
	w := newTrial(t, nil)
	for user, told := range map[string]bool{"cus": true, "ts": true, "pi": true, "au": true, "dm": true, "oa-osl": false, "tc-osl": false} {
		got, err := w.unsealing().GetUnsealing(w.as(user), &loddv1.GetUnsealingRequest{TrialId: "T1"})
		if err != nil || len(got.GetMissing()) > 0 != told {
			t.Errorf("%s is told %q, %v", user, got.GetMissing(), err)
		}
	}
}
