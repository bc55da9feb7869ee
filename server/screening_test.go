package server_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func TestAddScreening(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	for _, tt := range []struct {
		name   string
		change func(*loddv1.AddScreeningRequest)
		want   codes.Code
		reason string
		fields []string
	}{
		{"number in use", func(r *loddv1.AddScreeningRequest) { r.Participant = "S-1" }, codes.AlreadyExists, "EXISTS", nil},
		{"no request id", func(r *loddv1.AddScreeningRequest) { r.RequestId = "" }, codes.InvalidArgument, "", []string{"request_id"}},
		{"no number and no date", func(r *loddv1.AddScreeningRequest) { r.Participant, r.On = "", "2026-02-30" }, codes.InvalidArgument, "", []string{"participant", "on"}},
		{"another's site", func(r *loddv1.AddScreeningRequest) { r.Site = "BGO" }, codes.PermissionDenied, "", nil},
		{"no site", func(r *loddv1.AddScreeningRequest) { r.Site = "" }, codes.InvalidArgument, "", []string{"site"}},
		{"no level", func(r *loddv1.AddScreeningRequest) { r.Levels = nil }, codes.InvalidArgument, "", []string{"levels.sex"}},
		{"unknown level", func(r *loddv1.AddScreeningRequest) { r.Levels["sex"] = "other" }, codes.InvalidArgument, "", []string{"levels.sex"}},
		{"unknown factor", func(r *loddv1.AddScreeningRequest) { r.Levels["age"] = "old" }, codes.InvalidArgument, "", []string{"levels"}},
		{"tomorrow", func(r *loddv1.AddScreeningRequest) { r.On = "2026-03-03" }, codes.InvalidArgument, "", []string{"on"}},
		{"unknown consent", func(r *loddv1.AddScreeningRequest) { r.Consent.Version = "2" }, codes.InvalidArgument, "", []string{"consent.version"}},
		{"consent without version", func(r *loddv1.AddScreeningRequest) { r.Consent.Version = "" }, codes.InvalidArgument, "", []string{"consent.version"}},
		{"consent before approval", func(r *loddv1.AddScreeningRequest) { r.Consent.On = "2025-12-31" }, codes.InvalidArgument, "", []string{"consent.on"}},
		{"an answer missing", func(r *loddv1.AddScreeningRequest) { delete(r.Answers, "pregnant") }, codes.InvalidArgument, "", []string{"answers.pregnant"}},
		{"an answer too many", func(r *loddv1.AddScreeningRequest) { r.Answers["tall"] = true }, codes.InvalidArgument, "", []string{"answers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := w.screened("S-2", "OSL")
			tt.change(req)
			_, err := w.screening().AddScreening(w.as("tc-osl"), req)
			refused(t, err, tt.want, tt.reason)
			if got := fields(err); !slices.Equal(got, tt.fields) {
				t.Errorf("fields = %v, want %v", got, tt.fields)
			}
		})
	}
	if n := w.count("T1/conduct", "screened"); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// A level that is missing is said with those there are.
func TestMissingLevelNamesTheChoice(t *testing.T) {
	w := newTrial(t, nil)
	req := w.screened("S-2", "OSL")
	req.Levels = nil
	_, err := w.screening().AddScreening(w.as("tc-osl"), req)
	if got := status.Convert(err).Message(); got != "levels.sex: is missing, want female or male" {
		t.Errorf("message %q", got)
	}
}

func TestScreeningIsSafeToRepeat(t *testing.T) {
	w := newTrial(t, nil)
	req := w.screened("S-1", "OSL")
	req.Answers["pregnant"] = true
	w.clock.at = time.Date(2026, 3, 2, 22, 59, 59, 0, time.UTC) // a second before midnight in Oslo
	first, err := w.screening().AddScreening(w.as("tc-osl"), req)
	w.must(err)
	w.clock.at = w.clock.at.Add(2 * time.Second)
	again, err := w.screening().AddScreening(w.as("tc-osl"), req)
	w.must(err)
	if !first.GetExcluded() || !again.GetExcluded() || again.GetReceipt().GetIndex() != first.GetReceipt().GetIndex() || !again.GetReceipt().GetRepeatedRequest() {
		t.Errorf("first %v, again %v", first, again)
	}
	req.Answers["pregnant"] = false
	_, err = w.screening().AddScreening(w.as("tc-osl"), req)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
}

func TestScreeningInSteps(t *testing.T) {
	w := newTrial(t, nil)
	req := w.screened("S-1", "OSL")
	req.Consent, req.Answers = nil, nil
	_, err := w.screening().AddScreening(w.as("tc-osl"), req)
	w.must(err)
	state := func(want string, missing ...string) {
		t.Helper()
		got, err := w.screening().ListParticipants(w.as("tc-osl"), &loddv1.ListParticipantsRequest{TrialId: "T1"})
		w.must(err)
		p := got.GetParticipants()[0]
		if p.GetState() != want || !slices.Equal(p.GetMissing(), missing) {
			t.Errorf("participant = %v, want %s missing %v", p, want, missing)
		}
	}
	consent := func(version, on string) error {
		_, err := w.screening().RecordConsent(w.as("tc-osl"), &loddv1.RecordConsentRequest{
			TrialId: "T1", RequestId: w.id(), Participant: "S-1", Consent: &loddv1.ConsentGiven{Version: version, On: on},
		})
		return err
	}
	assess := func(answers map[string]bool) (*loddv1.AssessEligibilityResponse, error) {
		return w.screening().AssessEligibility(w.as("tc-osl"), &loddv1.AssessEligibilityRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Answers: answers})
	}
	state("screened", "consent", "eligibility", "background")
	refused(t, consent("2", "2026-03-01"), codes.InvalidArgument, "")
	refused(t, consent("", ""), codes.InvalidArgument, "")
	w.must(consent("1", "2026-03-01"))
	refused(t, consent("1", "2026-03-01"), codes.AlreadyExists, "EXISTS")
	state("screened", "eligibility", "background")
	_, err = assess(nil)
	refused(t, err, codes.InvalidArgument, "")
	ok, err := assess(map[string]bool{"adult": true, "pregnant": false})
	w.must(err)
	if ok.GetExcluded() {
		t.Error("eligible, but excluded")
	}
	_, err = w.submit("tc-osl", "S-1", "baseline", "background", `{"age": 34}`)
	w.must(err)
	state("ready")
}

func TestExclude(t *testing.T) {
	w := newTrial(t, nil)
	exclude := func(user, p, site, reason string) error {
		_, err := w.screening().Exclude(w.as(user), &loddv1.ExcludeRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Site: site, Reason: reason})
		return err
	}
	w.ready("S-1", "OSL")
	refused(t, exclude("tc-osl", "S-1", "", "tired"), codes.InvalidArgument, "")
	w.must(exclude("tc-osl", "S-1", "", "declined"))
	refused(t, exclude("tc-osl", "S-1", "", "declined"), codes.FailedPrecondition, "EXCLUDED")
	refused(t, exclude("tc-osl", "S-2", "", "declined"), codes.InvalidArgument, "")
	refused(t, exclude("tc-osl", "S-2", "BGO", "declined"), codes.PermissionDenied, "")
	w.must(exclude("tc-osl", "S-2", "OSL", "other"))
	refused(t, exclude("tc-bgo", "S-1", "BGO", "declined"), codes.AlreadyExists, "EXISTS") // another site uses it
	_, err := w.trials().CloseEnrolment(w.as("pi"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	_, err = w.screening().AddScreening(w.as("tc-osl"), w.screened("S-3", "OSL"))
	refused(t, err, codes.FailedPrecondition, "ENROLMENT_CLOSED")
}

func TestListParticipantsTellsStates(t *testing.T) {
	w := newTrial(t, nil)
	for _, p := range []string{"S-1", "S-2", "S-3", "S-4"} {
		w.randomize(p, "OSL")
	}
	w.ready("S-5", "OSL")
	w.ready("S-6", "OSL")
	for p, scope := range map[string]string{"S-2": "follow-up", "S-3": "data", "S-4": "intervention", "S-6": "data"} {
		_, err := w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{
			TrialId: "T1", RequestId: w.id(), Participant: p, Scope: scope, Reason: "moved", Confirm: p,
		})
		w.must(err)
	}
	_, err := w.participants().RecordDeath(w.as("tc-osl"), &loddv1.RecordDeathRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1"})
	w.must(err)
	_, err = w.participants().EraseParticipant(w.as("pi"), &loddv1.EraseParticipantRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-6", Confirm: "S-6"})
	w.must(err)
	got, err := w.screening().ListParticipants(w.as("tc-osl"), &loddv1.ListParticipantsRequest{TrialId: "T1"})
	w.must(err)
	var states []string
	for _, p := range got.GetParticipants() {
		states = append(states, p.GetParticipant()+" "+p.GetState()+" "+p.GetRandomizedOn())
	}
	want := []string{"S-1 died 2026-03-02", "S-2 withdrawn 2026-03-02", "S-3 to-erase 2026-03-02", "S-4 randomized 2026-03-02", "S-5 ready ", "S-6 erased "}
	if !slices.Equal(states, want) {
		t.Errorf("states = %q, want %q", states, want)
	}
}
