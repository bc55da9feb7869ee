package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

const day = 24 * time.Hour

func TestListDue(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.grant("cus", "oa-osl", "coordinator", "BGO", "")) // another role at another site
	w.ready("S-1", "OSL")
	_, err := w.screening().AddScreening(w.as("tc-bgo"), w.screened("S-2", "BGO"))
	w.must(err)
	w.randomize("S-3", "OSL")
	w.randomize("S-4", "BGO")
	due := func(user string, req *loddv1.ListDueRequest) (lines []string) {
		t.Helper()
		req.TrialId = "T1"
		got, err := w.assessment().ListDue(w.as(user), req)
		w.must(err)
		for _, d := range got.GetDue() {
			lines = append(lines, strings.Join([]string{d.GetParticipant(), d.GetVisit(), d.GetState(), d.GetTarget(), strings.Join(d.GetForms(), "+")}, " "))
		}
		return lines
	}
	for _, tt := range []struct {
		user string
		req  *loddv1.ListDueRequest
		want []string
	}{
		{"tc-osl", &loddv1.ListDueRequest{}, nil},
		{"tc-bgo", &loddv1.ListDueRequest{}, []string{"S-2 baseline baseline  background"}},
		{"oa-osl", &loddv1.ListDueRequest{}, []string{"S-2 baseline baseline  background"}},
		{"oa-osl", &loddv1.ListDueRequest{Days: 365}, []string{"S-2 baseline baseline  background", "S-3 month-6 upcoming 2026-09-02 mood+work"}},
		{"oa-osl", &loddv1.ListDueRequest{Days: 365, OverdueOnly: true}, nil},
		{"oa-bgo", &loddv1.ListDueRequest{Days: 365}, []string{"S-4 month-6 upcoming 2026-09-02 mood+work"}},
	} {
		if got := due(tt.user, tt.req); !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: %q, want %q", tt.user, tt.req, got, tt.want)
		}
	}
	w.wait(184 * day)
	if got := due("oa-osl", &loddv1.ListDueRequest{}); !slices.Contains(got, "S-3 month-6 open 2026-09-02 mood+work") {
		t.Errorf("at the target: %q", got)
	}
	w.wait(31 * day)
	if got := due("oa-osl", &loddv1.ListDueRequest{OverdueOnly: true}); !slices.Equal(got, []string{"S-3 month-6 overdue 2026-09-02 mood+work"}) {
		t.Errorf("after the window: %q", got)
	}
	_, err = w.assessment().ListDue(w.as("oa-osl"), &loddv1.ListDueRequest{TrialId: "T1", Days: -1})
	refused(t, err, codes.InvalidArgument, "")
}

func TestGetAndCheckForm(t *testing.T) {
	w := newTrial(t, nil)
	form, err := w.assessment().GetForm(w.as("oa-osl"), &loddv1.GetFormRequest{TrialId: "T1", Form: "mood"})
	w.must(err)
	if i := form.GetItems(); len(i) != 4 || i[0].GetId() != "glad" || i[0].GetMax() != 4 || i[0].GetLabel().GetNb() != "Glad" || !i[0].GetRequired() {
		t.Errorf("form = %v", form)
	}
	// A form of another role is as if it weren't there.
	_, other := w.assessment().GetForm(w.as("oa-osl"), &loddv1.GetFormRequest{TrialId: "T1", Form: "background"})
	_, absent := w.assessment().GetForm(w.as("oa-osl"), &loddv1.GetFormRequest{TrialId: "T1", Form: "none"})
	refused(t, absent, codes.NotFound, "NOT_FOUND")
	same(t, other, absent)

	check, err := w.assessment().CheckForm(w.as("oa-osl"), &loddv1.CheckFormRequest{TrialId: "T1", Form: "mood", Values: `{"glad": 3, "calm": 9, "x": 1}`})
	w.must(err)
	var problems []string
	for _, p := range check.GetProblems() {
		problems = append(problems, p.GetItem()+" "+p.GetKind())
	}
	if !slices.Equal(problems, []string{"calm range", "x unknown"}) || len(check.GetShown()) != 4 {
		t.Errorf("check = %v", check)
	}
	_, err = w.assessment().CheckForm(w.as("oa-osl"), &loddv1.CheckFormRequest{TrialId: "T1", Form: "mood", Values: `{`})
	refused(t, err, codes.InvalidArgument, "")
}

func TestSubmitFormRefuses(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	w.randomize("S-2", "OSL")
	w.wait(184 * day)
	good := `{"glad": 3, "calm": 2}`
	for _, tt := range []struct {
		name, user, p, visit, form, values string
		want                               codes.Code
		reason                             string
		fields                             []string
	}{
		{"faulty", "oa-osl", "S-2", "month-6", "mood", `{"glad": 7}`, codes.InvalidArgument, "", []string{"values.glad", "values.calm"}},
		{"broken", "oa-osl", "S-2", "month-6", "mood", `{"glad": 7`, codes.InvalidArgument, "", []string{"values"}},
		{"out of order", "oa-osl", "S-2", "month-6", "work", `{"days": 3}`, codes.FailedPrecondition, "FORM_ORDER", nil},
		{"not randomized", "oa-osl", "S-1", "month-6", "mood", good, codes.FailedPrecondition, "NOT_RANDOMIZED", nil},
		{"of another role", "tc-osl", "S-2", "month-6", "mood", good, codes.NotFound, "NOT_FOUND", nil},
		{"of another site", "oa-bgo", "S-2", "month-6", "mood", good, codes.NotFound, "NOT_FOUND", nil},
		{"of nobody", "oa-osl", "S-9", "month-6", "mood", good, codes.NotFound, "NOT_FOUND", nil},
		{"at no visit", "oa-osl", "S-2", "month-7", "mood", good, codes.InvalidArgument, "", []string{"visit"}},
		{"at another visit", "oa-osl", "S-2", "baseline", "mood", good, codes.InvalidArgument, "", []string{"form"}},
		{"nothing", "oa-osl", "", "", "", "", codes.InvalidArgument, "", []string{"participant", "visit", "form"}},
		{"again", "tc-osl", "S-2", "baseline", "background", `{"age": 34}`, codes.AlreadyExists, "ALREADY_SUBMITTED", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.submit(tt.user, tt.p, tt.visit, tt.form, tt.values)
			refused(t, err, tt.want, tt.reason)
			if got := fields(err); !slices.Equal(got, tt.fields) {
				t.Errorf("fields = %v, want %v", got, tt.fields)
			}
		})
	}
	// What was wrong is said in both languages.
	_, err := w.submit("oa-osl", "S-2", "month-6", "mood", `{"glad": 7, "calm": 1}`)
	v := status.Convert(err).Details()[0].(*errdetails.BadRequest).GetFieldViolations()[0]
	if !strings.Contains(v.GetDescription(), "outside") || v.GetLocalizedMessage().GetLocale() != "nb" || !strings.Contains(v.GetLocalizedMessage().GetMessage(), "utenfor") {
		t.Errorf("violation = %v", v)
	}
	if n := w.count("T1/outcome", ""); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}
}

func TestSubmitReadAndCorrectForm(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.wait(184 * day)
	req := &loddv1.SubmitFormRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: `{"glad": 3, "calm": 2, "note": "x"}`,
	}
	first, err := w.assessment().SubmitForm(w.as("oa-osl"), req)
	w.must(err)
	again, err := w.assessment().SubmitForm(w.as("oa-osl"), req)
	w.must(err)
	if first.GetTiming() != "in-window" || again.GetTiming() != "in-window" || again.GetReceipt().GetIndex() != first.GetReceipt().GetIndex() {
		t.Errorf("first %v, again %v", first, again)
	}
	req.Values = `{"glad": 3, "calm": 3}`
	_, err = w.assessment().SubmitForm(w.as("oa-osl"), req)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")

	correct := func(user, values, reason string) (*loddv1.CorrectFormResponse, error) {
		return w.assessment().CorrectForm(w.as(user), &loddv1.CorrectFormRequest{
			TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Values: values, Reason: reason,
		})
	}
	read := func(user, form string) (*loddv1.ReadFormResponse, error) {
		return w.assessment().ReadForm(w.as(user), &loddv1.ReadFormRequest{TrialId: "T1", Participant: "S-1", Visit: "month-6", Form: form})
	}
	for _, reason := range []string{"", " ", "\u200b", "\t\n"} {
		_, err = correct("oa-osl", `{"calm": 4}`, reason)
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); !slices.Equal(got, []string{"reason"}) {
			t.Errorf("fields = %v", got)
		}
	}
	_, err = correct("oa-osl", `{"calm": 2}`, "typed wrong")
	refused(t, err, codes.FailedPrecondition, "NOTHING_CHANGED")
	_, err = correct("oa-osl", `{"calm": 5}`, "typed wrong")
	refused(t, err, codes.InvalidArgument, "")
	for _, broken := range []string{`{"calm": 4, "calm": 1}`, `{"note": null, "note": "y"}`, `{"calm": 4} {}`, `{"calm": 4`, `[]`, ``, `null`} {
		_, err = correct("oa-osl", broken, "typed wrong")
		refused(t, err, codes.InvalidArgument, "")
	}
	_, err = correct("oa-bgo", `{"calm": 4}`, "typed wrong")
	refused(t, err, codes.NotFound, "NOT_FOUND")

	w.wait(time.Hour)
	changed, err := correct("oa-osl", `{"calm": 4, "note": null}`, "typed wrong")
	w.must(err)
	var changes []string
	for _, c := range changed.GetChanges() {
		changes = append(changes, c.GetItem()+": "+c.GetOldValue()+" -> "+c.GetNewValue())
	}
	if !slices.Equal(changes, []string{"calm: 2 -> 4", `note: "x" -> `}) {
		t.Errorf("changes = %q", changes)
	}
	got, err := read("oa-osl", "mood")
	w.must(err)
	if got.GetValues() != `{"calm":4,"glad":3}` || got.GetCalculated() != `{"total":7}` || got.GetOn() != "2026-09-02" || len(got.GetCorrections()) != 1 {
		t.Errorf("read = %v", got)
	}
	if c := got.GetCorrections()[0]; c.GetBy() != "oa-osl" || c.GetReason() != "typed wrong" || !c.GetAt().AsTime().Equal(w.clock.now()) {
		t.Errorf("correction = %v", c)
	}
	_, err = read("oa-osl", "work")
	refused(t, err, codes.FailedPrecondition, "NOT_SUBMITTED")
	_, err = read("tc-osl", "mood")
	refused(t, err, codes.NotFound, "NOT_FOUND")
	if n := w.count("T1/outcome", "form_corrected"); n != 1 {
		t.Errorf("%d corrections, want 1", n)
	}
}

func TestWarningsKeepNothingBack(t *testing.T) {
	w := newTrial(t, nil)
	_, err := w.screening().AddScreening(w.as("tc-osl"), w.screened("S-1", "OSL"))
	w.must(err)
	got, err := w.submit("tc-osl", "S-1", "baseline", "background", `{"age": 90}`)
	w.must(err)
	if len(got.GetWarnings()) != 1 || got.GetWarnings()[0].GetItem() != "age" || got.GetTiming() != "baseline" {
		t.Errorf("answer = %v", got)
	}
}

func TestRecordMissedVisit(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	miss := func(user, visit, reason string) error {
		_, err := w.assessment().RecordMissedVisit(w.as(user), &loddv1.RecordMissedVisitRequest{
			TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: visit, Reason: reason,
		})
		return err
	}
	refused(t, miss("oa-osl", "month-6", "not-reached"), codes.FailedPrecondition, "NOT_IN_WINDOW")
	w.wait(184 * day)
	refused(t, miss("oa-osl", "baseline", "not-reached"), codes.InvalidArgument, "")
	refused(t, miss("oa-osl", "month-6", "lazy"), codes.InvalidArgument, "")
	refused(t, miss("oa-bgo", "month-6", "not-reached"), codes.NotFound, "NOT_FOUND")
	w.must(miss("oa-osl", "month-6", "not-reached"))
	refused(t, miss("oa-osl", "month-6", "not-reached"), codes.AlreadyExists, "EXISTS")
}
