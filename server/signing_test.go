package server_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

const signForm = loddv1.AssessmentService_SignForm_FullMethodName

func (w *world) readMood(user string) *loddv1.ReadFormResponse {
	w.t.Helper()
	resp, err := w.assessment().ReadForm(w.as(user), &loddv1.ReadFormRequest{TrialId: "T1", Participant: "S-1", Visit: "month-6", Form: "mood"})
	w.must(err)
	return resp
}

// signing returns the request of a signature under what a user reads now, with a
// fresh step-up.
func (w *world) signing(user, meaning string) *loddv1.SignFormRequest {
	w.t.Helper()
	version := w.readMood(user).GetVersion()
	return &loddv1.SignFormRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Meaning: meaning,
		Version: version, StepUp: w.stepUpFor(w.as(user), signForm, "T1", fmt.Sprintf("S-1/month-6/mood/%d/%s", version, meaning)),
	}
}

// newSubmitted returns a trial with a form of S-1 that oa-osl has submitted, and
// another assessor of the site.
func newSubmitted(t *testing.T) *world {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "oa-two"))
	w.must(w.grant("cus", "oa-two", "assessor", "OSL", ""))
	w.randomize("S-1", "OSL")
	w.wait(184 * day)
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 3, "calm": 2}`)
	w.must(err)
	return w
}

func TestSignaturesAreBoundToWhatWasRead(t *testing.T) {
	w := newSubmitted(t)
	req := w.signing("oa-osl", "authorship")
	first, err := w.assessment().SignForm(w.as("oa-osl"), req)
	w.must(err)
	if g := first.GetSignature(); g.GetName() != "Person oa-osl" || g.GetMeaning() != "authorship" || !g.GetAt().AsTime().Equal(w.clock.now()) || g.GetVoid() {
		t.Errorf("signature = %v", g)
	}
	again, err := w.assessment().SignForm(w.as("oa-osl"), req) // the token is used up, and isn't needed
	w.must(err)
	if !again.GetReceipt().GetRepeatedRequest() || !proto.Equal(again.GetSignature(), first.GetSignature()) {
		t.Errorf("again: %v", again)
	}
	_, err = w.assessment().SignForm(w.as("oa-two"), w.signing("oa-two", "review"))
	w.must(err)
	w.restart()
	if got := w.readMood("oa-two").GetSignatures(); len(got) != 2 || got[0].GetVoid() || got[1].GetVoid() || got[1].GetBy() != "oa-two" {
		t.Fatalf("after a restart: %v", got)
	}

	// A correction leaves both visibly void, and the form can be signed anew.
	w.wait(time.Hour)
	stale := w.signing("oa-osl", "authorship")
	_, err = w.assessment().CorrectForm(w.as("oa-osl"), &loddv1.CorrectFormRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"calm": 4}`, Reason: "typed wrong",
	})
	w.must(err)
	for _, g := range w.readMood("oa-osl").GetSignatures() {
		if !g.GetVoid() {
			t.Errorf("%v is under an older version", g)
		}
	}
	_, err = w.assessment().SignForm(w.as("oa-osl"), stale)
	refused(t, err, codes.FailedPrecondition, "CHANGED")
	_, err = w.assessment().SignForm(w.as("oa-osl"), w.signing("oa-osl", "authorship"))
	w.must(err)
	if got := w.readMood("oa-osl").GetSignatures(); len(got) != 3 || got[2].GetVoid() {
		t.Errorf("signed anew: %v", got)
	}
}

func TestSigningIsRefused(t *testing.T) {
	w := newSubmitted(t)
	for _, tt := range []struct {
		name, user string
		change     func(*loddv1.SignFormRequest)
		code       codes.Code
		reason     string
	}{
		{"without a step-up", "oa-osl", func(r *loddv1.SignFormRequest) { r.StepUp = "" }, codes.PermissionDenied, "STEP_UP"},
		{"with the step-up of another form", "oa-osl", func(r *loddv1.SignFormRequest) {
			r.StepUp = w.stepUpFor(w.as("oa-osl"), signForm, "T1", "S-1/month-6/work")
		}, codes.PermissionDenied, "STEP_UP"},
		{"with somebody else's step-up", "oa-osl", func(r *loddv1.SignFormRequest) {
			r.StepUp = w.stepUpFor(w.as("oa-two"), signForm, "T1", "S-1/month-6/mood")
		}, codes.PermissionDenied, "STEP_UP"},
		{"the authorship of somebody else", "oa-two", func(*loddv1.SignFormRequest) {}, codes.InvalidArgument, ""},
		{"the review of the own answers", "oa-osl", func(r *loddv1.SignFormRequest) { r.Meaning = "review" }, codes.InvalidArgument, ""},
		{"an approval", "oa-osl", func(r *loddv1.SignFormRequest) { r.Meaning = "approval" }, codes.InvalidArgument, ""},
		{"no meaning", "oa-osl", func(r *loddv1.SignFormRequest) { r.Meaning = "" }, codes.InvalidArgument, ""},
		{"a version that isn't there", "oa-osl", func(r *loddv1.SignFormRequest) { r.Version += 7 }, codes.FailedPrecondition, "CHANGED"},
		{"a form that isn't submitted", "oa-osl", func(r *loddv1.SignFormRequest) { r.Form = "work" }, codes.FailedPrecondition, "NOT_SUBMITTED"},
		{"a form of another site", "oa-bgo", func(*loddv1.SignFormRequest) {}, codes.NotFound, "NOT_FOUND"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := tt.user
			if user == "oa-bgo" {
				user = "oa-osl" // who can read it
			}
			req := w.signing(user, "authorship")
			tt.change(req)
			_, err := w.assessment().SignForm(w.as(tt.user), req)
			refused(t, err, tt.code, tt.reason)
		})
	}
	if n := w.count("T1/outcome", "form_signed"); n != 0 {
		t.Errorf("%d signatures", n)
	}
}

// The digest is over the leaf hashes of what was signed, as docs/log-rules.md
// says: who holds the log can compute it.
func TestSignedDigestIsOverTheEntries(t *testing.T) {
	w := newSubmitted(t)
	_, err := w.assessment().CorrectForm(w.as("oa-osl"), &loddv1.CorrectFormRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"calm": 4}`, Reason: "typed wrong",
	})
	w.must(err)
	resp, err := w.assessment().SignForm(w.as("oa-osl"), w.signing("oa-osl", "authorship"))
	w.must(err)
	stored, err := w.log.Read(t.Context(), "T1/outcome", 0, resp.GetReceipt().GetIndex()+1)
	w.must(err)
	h := sha256.New()
	for _, b := range stored[:2] {
		leaf := sha256.Sum256(append([]byte{0}, b...)) // RFC 6962 (2013), section 2.1
		h.Write(leaf[:])
	}
	if !strings.Contains(string(stored[2]), string(h.Sum(nil))) {
		t.Error("the entry of the signature doesn't hold the digest")
	}
}
