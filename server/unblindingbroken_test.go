package server_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// newFollowUp returns a world in which S-1 of Oslo is due for two assessors of
// the site and one of every site.
func newFollowUp(t *testing.T) *world {
	t.Helper()
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "oa2"))
	w.must(w.grant("cus", "oa2", "assessor", "OSL", ""))
	w.must(w.join(w.invite(), "oa-all"))
	w.must(w.grant("cus", "oa-all", "assessor", "", ""))
	w.randomize("S-1", "OSL")
	w.wait(180 * 24 * time.Hour)
	return w
}

func (w *world) reportBroken(user, person string) (*loddv1.ReportBrokenBlindResponse, error) {
	return w.unblinding().ReportBrokenBlind(w.as(user), &loddv1.ReportBrokenBlindRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Person: person, Visit: "month-6", How: "participant", Timing: "during-assessment",
		Text: "We spoke of the weather, and then it slipped out.",
	})
}

func (w *world) reports() []*loddv1.BrokenBlind {
	w.t.Helper()
	resp, err := w.unblinding().ListBrokenBlinds(w.as("au"), &loddv1.ListBrokenBlindsRequest{TrialId: "T1"})
	w.must(err)
	return resp.GetReports()
}

func (w *world) due(user string) int {
	w.t.Helper()
	resp, err := w.assessment().ListDue(w.as(user), &loddv1.ListDueRequest{TrialId: "T1", Days: 60})
	w.must(err)
	return len(resp.GetDue())
}

// OA-4 and OA-6: from the report on the assessor does nothing with the
// participant, and the others go on.
func TestReportBrokenBlind(t *testing.T) {
	w := newFollowUp(t)
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 1, "calm": 2}`)
	w.must(err)
	again := &loddv1.SubmitFormRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "work", Values: `{"days": 3}`}
	req := &loddv1.ReportBrokenBlindRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", How: "relative", Timing: "after-assessment", Text: "The mother called.",
	}
	for repeat := range 2 {
		got, err := w.unblinding().ReportBrokenBlind(w.as("oa-osl"), req)
		w.must(err)
		if got.GetOthers() != 2 || got.GetReceipt().GetList() != "T1/outcome" || got.GetReceipt().GetRepeatedRequest() != (repeat == 1) {
			t.Errorf("answer %v", got)
		}
	}
	for name, change := range map[string]func(*loddv1.ReportBrokenBlindRequest){
		"text":    func(r *loddv1.ReportBrokenBlindRequest) { r.Text = "The father called." },
		"no text": func(r *loddv1.ReportBrokenBlindRequest) { r.Text = "" },
		"how":     func(r *loddv1.ReportBrokenBlindRequest) { r.How = "staff" },
	} {
		other := &loddv1.ReportBrokenBlindRequest{TrialId: "T1", RequestId: req.GetRequestId(), Participant: "S-1", How: "relative", Timing: "after-assessment", Text: "The mother called."}
		change(other)
		if _, err := w.unblinding().ReportBrokenBlind(w.as("oa-osl"), other); reasonOf(status.Convert(err)) != "REQUEST_REUSED" {
			t.Errorf("another %s under the same id: %v", name, err)
		}
	}
	_, err = w.reportBroken("oa-osl", "")
	refused(t, err, codes.AlreadyExists, "EXISTS")

	if n := w.due("oa-osl"); n != 0 {
		t.Errorf("%d visits are due for who can't assess", n)
	}
	if n := w.due("oa2"); n != 1 {
		t.Errorf("%d visits are due for another", n)
	}
	_, err = w.assessment().GetForm(w.as("oa-osl"), &loddv1.GetFormRequest{TrialId: "T1", Form: "mood"})
	w.must(err)
	read := &loddv1.ReadFormRequest{TrialId: "T1", Participant: "S-1", Visit: "month-6", Form: "mood"}
	_, err = w.assessment().ReadForm(w.as("oa-osl"), read)
	refused(t, err, codes.FailedPrecondition, "BLIND_BROKEN")
	_, err = w.assessment().SubmitForm(w.as("oa-osl"), again)
	refused(t, err, codes.FailedPrecondition, "BLIND_BROKEN")
	correct := &loddv1.CorrectFormRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"glad": 3}`, Reason: "misread"}
	_, err = w.assessment().CorrectForm(w.as("oa-osl"), correct)
	refused(t, err, codes.FailedPrecondition, "BLIND_BROKEN")
	_, err = w.assessment().ReadForm(w.as("oa2"), read)
	w.must(err)
	_, err = w.submit("oa2", "S-1", "month-6", "work", `{"days": 3}`)
	w.must(err)
}

// Whoever is left can take over; a coordinator reports for an assessor of the
// site.
func TestCoordinatorReportsBrokenBlind(t *testing.T) {
	w := newFollowUp(t)
	for i, person := range []string{"oa-osl", "oa2", "oa-all"} {
		got, err := w.reportBroken("tc-osl", person)
		w.must(err)
		if got.GetOthers() != int32(2-i) {
			t.Errorf("%d can take over from %s", got.GetOthers(), person)
		}
	}
	if n := w.due("tc-osl"); n != 0 {
		t.Errorf("%d due forms of the coordinator", n) // there is none at this visit
	}
}

func TestReportIsRefused(t *testing.T) {
	w := newFollowUp(t)
	w.ready("S-2", "OSL")
	today := "2026-08-29"
	for _, tt := range []struct {
		name, user string
		change     func(*loddv1.ReportBrokenBlindRequest)
		code       codes.Code
		reason     string
		fields     []string
	}{
		{"of another site", "oa-bgo", func(*loddv1.ReportBrokenBlindRequest) {}, codes.NotFound, "NOT_FOUND", nil},
		{"for somebody else", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Person = "oa2" }, codes.InvalidArgument, "", []string{"person"}},
		{"for nobody", "tc-osl", func(*loddv1.ReportBrokenBlindRequest) {}, codes.InvalidArgument, "", []string{"person"}},
		{"for an assessor of another site", "tc-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Person = "oa-bgo" }, codes.InvalidArgument, "", []string{"person"}},
		{"for one who isn't blind", "tc-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Person = "es-north" }, codes.InvalidArgument, "", []string{"person"}},
		{"by a role that isn't asked", "pi", func(*loddv1.ReportBrokenBlindRequest) {}, codes.PermissionDenied, "", nil},
		{"how", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.How = "telepathy" }, codes.InvalidArgument, "", []string{"how"}},
		{"timing", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Timing = "yesterday" }, codes.InvalidArgument, "", []string{"timing"}},
		{"visit", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Visit = "month-7" }, codes.InvalidArgument, "", []string{"visit"}},
		{"in the future", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.On = "2026-08-30" }, codes.InvalidArgument, "", []string{"on"}},
		{"before the randomization", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.On = "2026-03-01" }, codes.InvalidArgument, "", []string{"on"}},
		{"not randomized", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Participant = "S-2" }, codes.FailedPrecondition, "NOT_RANDOMIZED", nil},
		{"the arm", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Text = "She is in the Northern treatment." }, codes.InvalidArgument, "GIVE_AWAY", []string{"text"}},
		{"a number to call", "oa-osl", func(r *loddv1.ReportBrokenBlindRequest) { r.Text = "Call her at +47 412 34 567." }, codes.InvalidArgument, "DIRECT_IDENTIFIER", []string{"text"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &loddv1.ReportBrokenBlindRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", On: today, How: "seen", Timing: "before-assessment"}
			tt.change(req)
			_, err := w.unblinding().ReportBrokenBlind(w.as(tt.user), req)
			refused(t, err, tt.code, tt.reason)
			if f := fields(err); !slices.Equal(f, tt.fields) {
				t.Errorf("fields %q, want %q", f, tt.fields)
			}
		})
	}
	if n := w.count("T1/outcome", "blind_broken"); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}
}

// The investigator says once what a broken blind means; the auditor reads it.
func TestAssessImpact(t *testing.T) {
	w := newFollowUp(t)
	_, err := w.reportBroken("oa-osl", "")
	w.must(err)
	number := w.reports()[0].GetNumber()
	assess := func(user string, number int64, impact, measure string) error {
		_, err := w.unblinding().AssessImpact(w.as(user), &loddv1.AssessImpactRequest{TrialId: "T1", RequestId: w.id(), Number: number, Impact: impact, Measure: measure})
		return err
	}
	refused(t, assess("au", number, "serious", "reassigned"), codes.PermissionDenied, "")
	refused(t, assess("oa-osl", number, "none", "none"), codes.PermissionDenied, "")
	refused(t, assess("pi", number+1, "serious", "reassigned"), codes.NotFound, "NOT_FOUND")
	refused(t, assess("pi", number, "terrible", "reassigned"), codes.InvalidArgument, "")
	refused(t, assess("pi", number, "serious", "prayer"), codes.InvalidArgument, "")
	w.must(assess("pi", number, "serious", "reassigned"))
	refused(t, assess("pi", number, "none", "none"), codes.AlreadyExists, "EXISTS")
	want := []*loddv1.BrokenBlind{{
		Number: number, Participant: "S-1", Person: "oa-osl", Visit: "month-6", On: "2026-08-29", How: "participant", Timing: "during-assessment",
		Impact: "serious", Measure: "reassigned",
	}}
	w.restart()
	if diff := cmp.Diff(want, w.reports(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for _, user := range []string{"tc-osl", "oa-osl", "dm", "cus"} {
		_, err := w.unblinding().ListBrokenBlinds(w.as(user), &loddv1.ListBrokenBlindsRequest{TrialId: "T1"})
		refused(t, err, codes.PermissionDenied, "")
	}
}
