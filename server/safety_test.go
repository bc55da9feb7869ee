package server_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) safety() loddv1.SafetyServiceClient { return loddv1.NewSafetyServiceClient(w.conn) }

const fell = "Fell on the ice and broke a leg."

func (w *world) event(p string) *loddv1.ReportAdverseEventRequest {
	return &loddv1.ReportAdverseEventRequest{TrialId: "T1", RequestId: w.id(), Participant: p, On: "2026-03-02", Category: "admission", Serious: true, Text: fell}
}

// enters reports an event as a user and returns its number.
func (w *world) enters(user, p string) int32 {
	w.t.Helper()
	got, err := w.safety().ReportAdverseEvent(w.as(user), w.event(p))
	w.must(err)
	return got.GetNumber()
}

func (w *world) eventsOf(user string) []*loddv1.AdverseEvent {
	w.t.Helper()
	got, err := w.safety().ListAdverseEvents(w.as(user), &loddv1.ListAdverseEventsRequest{TrialId: "T1"})
	w.must(err)
	return got.GetEvents()
}

// team returns the team at Oslo of a participant, and the other one.
func (w *world) team(p string) (own, other string) {
	w.t.Helper()
	if w.arm(p) == "northern" {
		return "es-north", "es-south"
	}
	return "es-south", "es-north"
}

// newSafety returns a world with a participant of either team at Oslo, one at
// Bergen, one who isn't randomized, a reviewer, and an investigator of one site.
func newSafety(t *testing.T) (w *world, own, other string) {
	t.Helper()
	w = newTrial(t, unlimited)
	for _, p := range []struct{ user, role, site string }{{"re", "reviewer", ""}, {"pi-osl", "investigator", "OSL"}, {"oa", "assessor", ""}} {
		w.must(w.join(w.invite(), p.user))
		w.must(w.grant("cus", p.user, p.role, p.site, ""))
	}
	w.must(w.grant("cus", "oa", "coordinator", "OSL", ""))
	for i := range 6 {
		w.randomize(fmt.Sprint("S-", i), "OSL")
	}
	w.randomize("S-B", "BGO")
	w.ready("S-R", "OSL")
	own, other = w.team("S-0")
	return w, own, other
}

// ES-3: whoever works with a participant reports; that it was a treatment team the
// monitoring board and reviewers learn alone. Each reads the events of the own sites.
func TestReportAdverseEvent(t *testing.T) {
	w, own, _ := newSafety(t)
	at := timestamppb.New(w.clock.now())
	var want []*loddv1.AdverseEvent
	for i, r := range []struct{ user, p, reporter, list string }{
		{"tc-osl", "S-0", "site", "T1/conduct"},
		{own, "S-0", "treatment-team", "T1/delivery"},
		{"oa-osl", "S-1", "site", "T1/conduct"},
		{"pi", "S-B", "site", "T1/conduct"},
	} {
		got, err := w.safety().ReportAdverseEvent(w.as(r.user), w.event(r.p))
		w.must(err)
		if got.GetNumber() != int32(i+1) || got.GetReceipt().GetList() != r.list {
			t.Errorf("%s: %v", r.user, got)
		}
		want = append(want, &loddv1.AdverseEvent{
			Number: int32(i + 1), Participant: r.p, On: "2026-03-02", Category: "admission", Serious: true, Reporter: r.reporter, At: at, Text: fell,
		})
	}
	for user, want := range map[string][]*loddv1.AdverseEvent{
		"tc-osl": want[:3], "pi-osl": want[:3], "tc-bgo": want[3:], "pi": want, "ds": want, "re": want,
	} {
		opts := []cmp.Option{protocmp.Transform()}
		if got := w.eventsOf(user); user != "ds" && user != "re" {
			if slices.ContainsFunc(got, func(e *loddv1.AdverseEvent) bool { return e.GetReporter() != "" }) {
				t.Errorf("%s learns who reported: %v", user, got)
			}
			opts = append(opts, protocmp.IgnoreFields(&loddv1.AdverseEvent{}, "reporter"))
		}
		if diff := cmp.Diff(want, w.eventsOf(user), opts...); diff != "" {
			t.Errorf("%s: %s", user, diff)
		}
	}
	for _, user := range []string{"oa-osl", "dm", "cus", "ts", "au", own, "admin", "oa"} { // oa is a coordinator, too
		_, err := w.safety().ListAdverseEvents(w.as(user), &loddv1.ListAdverseEventsRequest{TrialId: "T1"})
		refused(t, err, codes.PermissionDenied, "")
	}
	for user, want := range map[string]string{"au": "coordinator  assessor investigator", own: "", "tc-osl": "coordinator"} {
		entries, err := w.entries(user, &loddv1.ListEntriesRequest{List: "T1/conduct"})
		w.must(err)
		var roles []string
		for _, e := range entries {
			if e.GetKind() == "adverse_event_reported" {
				roles = append(roles, e.GetRole())
				if e.GetRole() == "" && e.GetActor() != "server" || strings.Contains(e.GetDetail(), "ice") {
					t.Errorf("%s reads %v", user, e)
				}
			}
		}
		if got := strings.Join(roles, " "); got != want {
			t.Errorf("%s reads of %q, want %q", user, got, want)
		}
	}
}

// To a treatment team, somebody of the other team is nobody, as somebody of another
// site is to a site.
func TestEventsOfOthersAreNowhere(t *testing.T) {
	w, own, other := newSafety(t)
	for _, tt := range []struct{ user, p string }{{other, "S-0"}, {own, "S-B"}, {own, "S-R"}, {"tc-bgo", "S-0"}, {"oa-bgo", "S-0"}, {"pi-osl", "S-B"}} {
		_, there := w.safety().ReportAdverseEvent(w.as(tt.user), w.event(tt.p))
		_, nowhere := w.safety().ReportAdverseEvent(w.as(tt.user), w.event("S-9"))
		refused(t, there, codes.NotFound, "NOT_FOUND")
		same(t, there, nowhere)
	}
	number := w.enters("pi", "S-B")
	assess := func(user string, number int32) error {
		_, err := w.safety().AssessAdverseEvent(w.as(user), &loddv1.AssessAdverseEventRequest{TrialId: "T1", RequestId: w.id(), Number: number, Related: "possible"})
		return err
	}
	there := assess("pi-osl", number)
	refused(t, there, codes.NotFound, "NOT_FOUND")
	for _, n := range []int32{number + 1, 0, -1} {
		same(t, there, assess("pi-osl", n))
	}
	w.must(assess("pi", number))
}

func TestReportAdverseEventIsRefused(t *testing.T) {
	w, own, _ := newSafety(t)
	for _, tt := range []struct {
		name   string
		change func(*loddv1.ReportAdverseEventRequest)
		code   codes.Code
		reason string
		fields []string
	}{
		{"no category", func(r *loddv1.ReportAdverseEventRequest) { r.Category = "" }, codes.InvalidArgument, "", []string{"category"}},
		{"an unknown category", func(r *loddv1.ReportAdverseEventRequest) { r.Category = "ips" }, codes.InvalidArgument, "", []string{"category"}},
		{"no text", func(r *loddv1.ReportAdverseEventRequest) { r.Text = " \n" }, codes.InvalidArgument, "", []string{"text"}},
		{"a long text", func(r *loddv1.ReportAdverseEventRequest) { r.Text = strings.Repeat("å", 2001) }, codes.InvalidArgument, "", []string{"text"}},
		{"no number", func(r *loddv1.ReportAdverseEventRequest) { r.Participant = "" }, codes.InvalidArgument, "", []string{"participant"}},
		{"no request id", func(r *loddv1.ReportAdverseEventRequest) { r.RequestId = "" }, codes.InvalidArgument, "", []string{"request_id"}},
		{"before the randomization", func(r *loddv1.ReportAdverseEventRequest) { r.On = "2026-03-01" }, codes.InvalidArgument, "", []string{"on"}},
		{"tomorrow", func(r *loddv1.ReportAdverseEventRequest) { r.On = "2026-03-03" }, codes.InvalidArgument, "", []string{"on"}},
		{"an arm of the trial", func(r *loddv1.ReportAdverseEventRequest) { r.Text = "Fell at the Northern centre." }, codes.InvalidArgument, "GIVE_AWAY", []string{"text"}},
		{"a word of any such trial", func(r *loddv1.ReportAdverseEventRequest) { r.Text = "Jobbspesialisten fant ham." }, codes.InvalidArgument, "GIVE_AWAY", []string{"text"}},
		{"a phone number", func(r *loddv1.ReportAdverseEventRequest) { r.Text = "Call 912 34 567." }, codes.InvalidArgument, "DIRECT_IDENTIFIER", []string{"text"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, user := range []string{"tc-osl", own} { // in the same words
				req := w.event("S-0")
				tt.change(req)
				_, err := w.safety().ReportAdverseEvent(w.as(user), req)
				refused(t, err, tt.code, tt.reason)
				if f := fields(err); !slices.Equal(f, tt.fields) {
					t.Errorf("%s: fields %q, want %q", user, f, tt.fields)
				}
			}
		})
	}
	_, err := w.safety().ReportAdverseEvent(w.as("tc-osl"), w.event("S-R"))
	refused(t, err, codes.FailedPrecondition, "NOT_RANDOMIZED")
	if got := w.eventsOf("pi"); len(got) != 0 {
		t.Errorf("what was refused is listed: %v", got)
	}
	if got := w.enters("tc-osl", "S-0"); got != 1 {
		t.Errorf("the first event has number %d", got)
	}
}

// The server ends between the entries and the answer of a team's report: the same
// request is told the number and the receipt, today and after midnight.
func TestReportAdverseEventIsSafeToRepeat(t *testing.T) {
	w, own, _ := newSafety(t)
	req := w.event("S-0")
	req.On = ""
	w.store.WriteUnknown = true
	w.store.FailAppend = func(...store.Part) error { return errors.Join(store.ErrUnknown, errors.New("the power went")) }
	_, err := w.safety().ReportAdverseEvent(w.as(own), req)
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	w.restart()
	w.wait(20 * time.Hour) // another day
	for range 2 {
		got, err := w.safety().ReportAdverseEvent(w.as(own), req)
		w.must(err)
		if got.GetNumber() != 1 || !got.GetReceipt().GetRepeatedRequest() || got.GetReceipt().GetList() != "T1/delivery" {
			t.Errorf("a repeat gave %v", got)
		}
	}
	for name, change := range map[string]func(*loddv1.ReportAdverseEventRequest){
		"category": func(r *loddv1.ReportAdverseEventRequest) { r.Category = "relapse" },
		"serious":  func(r *loddv1.ReportAdverseEventRequest) { r.Serious = false },
		"text":     func(r *loddv1.ReportAdverseEventRequest) { r.Text = "Fell." },
		"date":     func(r *loddv1.ReportAdverseEventRequest) { r.On = "2026-03-03" },
	} {
		other := w.event("S-0")
		other.RequestId, other.On = req.GetRequestId(), ""
		change(other)
		_, err := w.safety().ReportAdverseEvent(w.as(own), other)
		refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
		if err == nil {
			t.Errorf("the request was used for another %s", name)
		}
	}
	_, err = w.safety().ReportAdverseEvent(w.as("tc-osl"), req)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	if n := len(w.eventsOf("pi")); n != 1 {
		t.Errorf("%d events", n)
	}
}

// PI-3: the investigator judges without the arm, and everybody who lists events
// reads it; what the reviewer judges with the arm known is in the list of
// allocation alone.
func TestAssessAdverseEvent(t *testing.T) {
	w, own, _ := newSafety(t)
	number := w.enters(own, "S-0")
	for _, tt := range []struct {
		related  string
		expected bool
	}{{"possible", true}, {"unrelated", false}} { // a judgement can change
		got, err := w.safety().AssessAdverseEvent(w.as("pi-osl"), &loddv1.AssessAdverseEventRequest{
			TrialId: "T1", RequestId: w.id(), Number: number, Related: tt.related, Expected: tt.expected,
		})
		w.must(err)
		if got.GetReceipt().GetList() != "T1/conduct" {
			t.Errorf("%v", got)
		}
		if e := w.eventsOf("tc-osl")[0]; e.GetRelatedToProcedures() != tt.related || e.GetExpected() != tt.expected {
			t.Errorf("judged %v", e)
		}
	}
	before := map[string][]*loddv1.AdverseEvent{}
	for _, user := range []string{"pi", "re", "ds"} {
		before[user] = w.eventsOf(user)
	}
	relate := func(user, related string, number int32) (*loddv1.AssessRelatednessResponse, error) {
		return w.safety().AssessRelatedness(w.as(user), &loddv1.AssessRelatednessRequest{TrialId: "T1", RequestId: w.id(), Number: number, Related: related})
	}
	got, err := relate("re", "related", number)
	w.must(err)
	if got.GetReceipt().GetList() != "T1/allocation" {
		t.Errorf("%v", got)
	}
	for _, user := range []string{"pi", "re", "ds"} {
		if diff := cmp.Diff(before[user], w.eventsOf(user), protocmp.Transform()); diff != "" {
			t.Errorf("%s reads the reviewer's judgement: %s", user, diff)
		}
	}
	for user, want := range map[string]int{"re": 1, "au": 1, "pi": 0, "pi-osl": 0, "cus": 0} {
		entries, err := w.entries(user, &loddv1.ListEntriesRequest{List: "T1/allocation"})
		w.must(err)
		if n := len(slices.DeleteFunc(entries, func(e *loddv1.ListEntriesResponse) bool { return e.GetKind() != "relatedness_assessed" })); n != want {
			t.Errorf("%s reads %d judgements, want %d", user, n, want)
		}
	}
	_, err = relate("re", "maybe", number)
	refused(t, err, codes.InvalidArgument, "")
	_, err = relate("re", "related", number+1)
	refused(t, err, codes.NotFound, "NOT_FOUND")
	for _, user := range []string{"pi", "pi-osl", "tc-osl", "oa-osl", "dm", "ds", own} {
		_, err = relate(user, "related", number)
		refused(t, err, codes.PermissionDenied, "")
	}
}

// A participant's data are destroyed: of the event its text is gone, and it stays.
func TestErasureDestroysWhatHappened(t *testing.T) {
	w, own, _ := newSafety(t)
	w.enters(own, "S-0")
	_, err := w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-0", Scope: "data", Reason: "not-given", Confirm: "S-0",
	})
	w.must(err)
	_, err = w.participants().EraseParticipant(w.as("pi"), &loddv1.EraseParticipantRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-0", Confirm: "S-0"})
	w.must(err)
	w.restart()
	if got := w.eventsOf("pi"); len(got) != 1 || got[0].GetText() != "" || got[0].GetCategory() != "admission" {
		t.Errorf("listed %v", got)
	}
	_, err = w.safety().ReportAdverseEvent(w.as(own), w.event("S-0"))
	refused(t, err, codes.FailedPrecondition, "ERASED")
}

// The investigator's judgement knows no arm: whoever opened the participant's
// leaves it to another.
func TestWhoSawTheArmDoesNotJudgeTheEvent(t *testing.T) {
	w := newUnblinding(t)
	_, err := w.safety().ReportAdverseEvent(w.as("tc-osl"), &loddv1.ReportAdverseEventRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Category: "admission", Text: "A broken leg",
	})
	w.must(err)
	before := &loddv1.AssessAdverseEventRequest{TrialId: "T1", RequestId: w.id(), Number: 1, Related: "unrelated"}
	_, err = w.safety().AssessAdverseEvent(w.as("pi"), before)
	w.must(err)
	_, err = w.unblind("pi", "S-1", "")
	w.must(err)
	_, err = w.safety().AssessAdverseEvent(w.as("pi"), before) // its answer may have been lost
	w.must(err)
	judge := func(user string) error {
		_, err := w.safety().AssessAdverseEvent(w.as(user), &loddv1.AssessAdverseEventRequest{TrialId: "T1", RequestId: w.id(), Number: 1, Related: "possible"})
		return err
	}
	refused(t, judge("pi"), codes.FailedPrecondition, "")
	w.must(judge("pi-osl"))
}
