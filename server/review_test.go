package server_test

import (
	"archive/zip"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) reviews() loddv1.ReviewServiceClient { return loddv1.NewReviewServiceClient(w.conn) }

// telling is what an assessor wrote who has learned the arm: it isn't a word of
// the list, but one of the trial's own.
const telling = "Går i Nordlig behandling nå"

// newHeld returns a world with a reviewer and a second assessor, in which the
// note to S-1's form is held.
func newHeld(t *testing.T) (*world, *loddv1.SubmitFormResponse) {
	t.Helper()
	w := newTrial(t, nil)
	for user, role := range map[string]string{"rev": "reviewer", "oa-two": "assessor"} {
		w.must(w.join(w.invite(), user))
		w.must(w.grant("cus", user, role, "", ""))
	}
	w.randomize("S-1", "OSL")
	w.wait(184 * day)
	got, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 3, "calm": 2, "note": "`+telling+`"}`)
	w.must(err)
	return w, got
}

func (w *world) mood(user string) (*loddv1.ReadFormResponse, error) {
	return w.assessment().ReadForm(w.as(user), &loddv1.ReadFormRequest{TrialId: "T1", Participant: "S-1", Visit: "month-6", Form: "mood"})
}

// note returns what the export of a lock says of notes.
func (w *world) note(lock int32) (bundle []byte, note string) {
	w.t.Helper()
	bundle, _, _, err := w.download("dm", lock)
	w.must(err)
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	w.must(err)
	f, err := z.Open("forms/mood.csv")
	w.must(err)
	b, err := io.ReadAll(f)
	w.must(err)
	if !bytes.Contains(b, []byte("note,note_missing_reason")) {
		w.t.Errorf("the columns of the note are missing: %s", b)
	}
	return bundle, string(b)
}

// Channel L19: a text that may tell the arm is for its writer and the reviewer,
// until that one releases it; an export that was locked before stays as it was.
func TestLeakL19HeldTextIsReviewed(t *testing.T) {
	w, submitted := newHeld(t)
	if p := submitted.GetWarnings(); len(p) != 1 || p[0].GetItem() != "note" || p[0].GetMessage().GetNb() == "" || p[0].GetMessage().GetEn() == "" {
		t.Errorf("warnings %v, want one of the note", p)
	}
	draft, err := w.assessment().CheckForm(w.as("oa-osl"), &loddv1.CheckFormRequest{TrialId: "T1", Form: "mood", Values: `{"glad": 3, "calm": 2, "note": "Står på venteliste"}`})
	w.must(err)
	if len(draft.GetProblems()) != 0 || len(draft.GetWarnings()) != 1 {
		t.Errorf("draft = %v, want one warning", draft)
	}
	w.takeLock()
	before, csv := w.note(1)
	if strings.Contains(csv, telling) {
		t.Errorf("the export tells:\n%s", csv)
	}
	own, err := w.mood("oa-osl")
	w.must(err)
	if !strings.Contains(own.GetValues(), telling) || !slices.Equal(own.GetHeld(), []string{"note"}) {
		t.Errorf("the writer reads %v", own)
	}
	other, err := w.mood("oa-two")
	w.must(err)
	if other.GetValues() != `{"calm":2,"glad":3}` || other.GetCalculated() != `{"total":5}` || other.GetHeld() != nil {
		t.Errorf("another assessor reads %v", other)
	}

	texts, err := w.reviews().ListHeldText(w.as("rev"), &loddv1.ListHeldTextRequest{TrialId: "T1"})
	w.must(err)
	if len(texts.GetTexts()) != 1 || texts.GetTexts()[0].GetText() != telling || texts.GetTexts()[0].GetEntry() != submitted.GetReceipt().GetIndex() {
		t.Fatalf("held = %v", texts)
	}
	req := &loddv1.JudgeTextRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Item: "note",
		Entry: texts.GetTexts()[0].GetEntry(), Release: true,
	}
	for _, repeated := range []bool{false, true} {
		judged, err := w.reviews().JudgeText(w.as("rev"), req)
		w.must(err)
		if judged.GetReceipt().GetRepeatedRequest() != repeated || judged.GetReceipt().GetList() != "T1/outcome" {
			t.Errorf("receipt %v, want repeated: %v", judged.GetReceipt(), repeated)
		}
	}
	w.takeLock()
	if again, _ := w.note(1); !bytes.Equal(before, again) {
		t.Error("the release changed the export of an earlier lock")
	}
	if _, csv := w.note(2); !strings.Contains(csv, telling) {
		t.Errorf("the next export lacks what was released:\n%s", csv)
	}
	other, err = w.mood("oa-two")
	w.must(err)
	if !strings.Contains(other.GetValues(), telling) {
		t.Errorf("after the release another assessor reads %v", other)
	}
}

func TestJudgeTextRefuses(t *testing.T) {
	w, submitted := newHeld(t)
	at := submitted.GetReceipt().GetIndex()
	judge := func(item string, at int64, release bool) error {
		_, err := w.reviews().JudgeText(w.as("rev"), &loddv1.JudgeTextRequest{
			TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Item: item, Entry: at, Release: release,
		})
		return err
	}
	refused(t, judge("glad", at, true), codes.NotFound, "NOT_FOUND")
	refused(t, judge("note", at+1, true), codes.NotFound, "NOT_FOUND")
	w.must(judge("note", at, false))
	refused(t, judge("note", at, true), codes.AlreadyExists, "EXISTS")
	texts, err := w.reviews().ListHeldText(w.as("rev"), &loddv1.ListHeldTextRequest{TrialId: "T1"})
	w.must(err)
	if len(texts.GetTexts()) != 0 {
		t.Errorf("held = %v", texts)
	}
	other, err := w.mood("oa-two")
	w.must(err)
	if strings.Contains(other.GetValues(), telling) {
		t.Error("a withheld text is shown")
	}
	for _, p := range cast {
		_, err := w.reviews().ListHeldText(w.as(p.user), &loddv1.ListHeldTextRequest{TrialId: "T1"})
		refused(t, err, codes.PermissionDenied, "")
	}
}

// What names a person is stored nowhere: not in an answer, and not in the reason
// for anything; and a reason, which nobody reviews, tells no arm.
func TestTextsThatNameOrTellAreRefused(t *testing.T) {
	w, _ := newHeld(t)
	before := w.count("T1/outcome", "")
	for _, text := range []string{"Ring 998 87 766", "kari@example.org"} {
		_, err := w.assessment().CorrectForm(w.as("oa-osl"), &loddv1.CorrectFormRequest{
			TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"note": "` + text + `"}`, Reason: "typed wrong",
		})
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); !slices.Equal(got, []string{"values.note"}) || strings.Contains(err.Error(), text) {
			t.Errorf("%s: fields %v: %v", text, got, err)
		}
	}
	for text, reason := range map[string]string{"tlf 99887766": "DIRECT_IDENTIFIER", "kari@example.org": "DIRECT_IDENTIFIER", "jobbspesialisten ringte": "GIVE_AWAY"} {
		_, err := w.assessment().CorrectForm(w.as("oa-osl"), &loddv1.CorrectFormRequest{
			TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"calm": 4}`, Reason: text,
		})
		_, errDisable := w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "oa-two", Reason: text})
		_, errRevoke := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "oa-two", Role: "assessor", Reason: text})
		for _, err := range []error{err, errDisable, errRevoke} {
			refused(t, err, codes.InvalidArgument, reason)
			if got := fields(err); !slices.Equal(got, []string{"reason"}) || strings.Contains(err.Error(), text) {
				t.Errorf("%s: fields %v: %v", text, got, err)
			}
			for _, d := range status.Convert(err).Details() {
				if bad, ok := d.(*errdetails.BadRequest); ok && bad.GetFieldViolations()[0].GetLocalizedMessage().GetLocale() != "nb" {
					t.Errorf("%s: not said in Norwegian: %v", text, bad)
				}
			}
		}
	}
	if n := w.count("T1/outcome", ""); n != before {
		t.Errorf("%d entries of what was refused", n-before)
	}
}
