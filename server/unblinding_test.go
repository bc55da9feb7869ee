package server_test

import (
	"errors"
	"slices"
	"strconv"
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

func (w *world) unblinding() loddv1.UnblindingServiceClient {
	return loddv1.NewUnblindingServiceClient(w.conn)
}

// sure returns a token for one act of a user.
func (w *world) sure(user, method, subject string) string {
	w.t.Helper()
	resp, err := w.session().StepUp(w.as(user), &loddv1.StepUpRequest{
		Act: "/lodd.v1.UnblindingService/" + method, Trial: "T1", Subject: subject, Password: password,
	})
	w.must(err)
	return resp.GetToken()
}

const why = "Found unconscious; the hospital must know."

func (w *world) unblindRequest(p, clinician string) *loddv1.UnblindRequest {
	return &loddv1.UnblindRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, Confirm: p, Reason: "medical-emergency", Text: why, Clinician: clinician,
	}
}

// unblind opens an arm with a step-up of its own.
func (w *world) unblind(user, p, clinician string) (*loddv1.UnblindResponse, error) {
	w.t.Helper()
	req := w.unblindRequest(p, clinician)
	req.StepUp = w.sure(user, "Unblind", p+"/"+clinician)
	return w.unblinding().Unblind(w.as(user), req)
}

func (w *world) waiting(user string) []*loddv1.Waiting {
	w.t.Helper()
	resp, err := w.unblinding().ListWaiting(w.as(user), &loddv1.ListWaitingRequest{TrialId: "T1"})
	w.must(err)
	return resp.GetWaiting()
}

func (w *world) collect(user string, number int64) (*loddv1.CollectResponse, error) {
	w.t.Helper()
	return w.unblinding().Collect(w.as(user), &loddv1.CollectRequest{
		TrialId: "T1", RequestId: w.id(), Number: number, StepUp: w.sure(user, "Collect", strconv.FormatInt(number, 10)),
	})
}

// arm returns the arm of a participant at Oslo, as its team has it.
func (w *world) arm(p string) string {
	w.t.Helper()
	for _, team := range []string{"es-north", "es-south"} {
		resp, err := w.delivery().ListTeam(w.as(team), &loddv1.ListTeamRequest{TrialId: "T1"})
		w.must(err)
		for _, m := range resp.GetParticipants() {
			if m.GetParticipant() == p {
				return m.GetArm().GetId()
			}
		}
	}
	w.t.Fatalf("nobody has %s", p)
	return ""
}

// newUnblinding returns a world with participants who have arms, and a clinician.
func newUnblinding(t *testing.T) *world {
	t.Helper()
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "cl"))
	w.must(w.grant("cus", "cl", "clinician", "", ""))
	w.must(w.join(w.invite(), "pi-osl"))
	w.must(w.grant("cus", "pi-osl", "investigator", "OSL", ""))
	for i := range 4 {
		w.randomize("S-"+strconv.Itoa(i), "OSL")
	}
	w.randomize("S-B", "BGO")
	w.ready("S-R", "OSL")
	return w
}

// PI-1: one participant, one arm, to an investigator of the site who says why,
// types the number twice and has proved who it is just now.
func TestUnblind(t *testing.T) {
	w := newUnblinding(t)
	for i := range 4 {
		p := "S-" + strconv.Itoa(i)
		got, err := w.unblind("pi-osl", p, "")
		w.must(err)
		if want := w.arm(p); got.GetArm().GetId() != want || got.GetArm().GetLabel().GetNb() == "" || got.GetReceipt().GetList() != "T1/allocation" {
			t.Errorf("%s: %v, want %s", p, got, want)
		}
	}
	if n := w.count("T1/allocation", "unblinded"); n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestUnblindIsRefused(t *testing.T) {
	w := newUnblinding(t)
	with := func(change func(*loddv1.UnblindRequest)) *loddv1.UnblindRequest {
		req := w.unblindRequest("S-1", "")
		change(req)
		return req
	}
	for _, tt := range []struct {
		name, user string
		req        *loddv1.UnblindRequest
		code       codes.Code
		reason     string
		fields     []string
	}{
		{"not confirmed", "pi", with(func(r *loddv1.UnblindRequest) { r.Confirm = "S-2" }), codes.InvalidArgument, "NOT_CONFIRMED", nil},
		{"no reason", "pi", with(func(r *loddv1.UnblindRequest) { r.Reason = "" }), codes.InvalidArgument, "", []string{"reason"}},
		{"curiosity", "pi", with(func(r *loddv1.UnblindRequest) { r.Reason = "curiosity" }), codes.InvalidArgument, "", []string{"reason"}},
		{"few words", "pi", with(func(r *loddv1.UnblindRequest) { r.Text = "  overdose      " }), codes.InvalidArgument, "", []string{"text"}},
		{"too many words", "pi", with(func(r *loddv1.UnblindRequest) { r.Text = strings.Repeat("x", 2001) }), codes.InvalidArgument, "", []string{"text"}},
		{"no step-up", "pi", with(func(*loddv1.UnblindRequest) {}), codes.PermissionDenied, "STEP_UP", nil},
		{"another's step-up", "pi", with(func(r *loddv1.UnblindRequest) { r.StepUp = w.sure("pi-osl", "Unblind", "S-1/") }), codes.PermissionDenied, "STEP_UP", nil},
		{"a step-up for another", "pi", with(func(r *loddv1.UnblindRequest) { r.StepUp = w.sure("pi", "Unblind", "S-2/") }), codes.PermissionDenied, "STEP_UP", nil},
		{"a step-up for another's eyes", "pi", with(func(r *loddv1.UnblindRequest) { r.StepUp = w.sure("pi", "Unblind", "S-1/cl") }), codes.PermissionDenied, "STEP_UP", nil},
		{"a step-up for another act", "pi", with(func(r *loddv1.UnblindRequest) { r.StepUp = w.sure("pi", "Collect", "S-1") }), codes.PermissionDenied, "STEP_UP", nil},
		{"another site", "pi-osl", w.unblindRequest("S-B", ""), codes.NotFound, "NOT_FOUND", nil},
		{"nobody", "pi", w.unblindRequest("S-9", ""), codes.NotFound, "NOT_FOUND", nil},
		{"not randomized", "pi", w.unblindRequest("S-R", ""), codes.FailedPrecondition, "NOT_RANDOMIZED", nil},
		{"for oneself", "pi", w.unblindRequest("S-1", "pi"), codes.InvalidArgument, "", []string{"clinician"}},
		{"for no clinician", "pi", w.unblindRequest("S-1", "au"), codes.InvalidArgument, "", []string{"clinician"}},
		{"for nobody", "pi", w.unblindRequest("S-1", "nobody"), codes.InvalidArgument, "", []string{"clinician"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.unblinding().Unblind(w.as(tt.user), tt.req)
			refused(t, err, tt.code, tt.reason)
			if f := fields(err); !slices.Equal(f, tt.fields) {
				t.Errorf("fields %q, want %q", f, tt.fields)
			}
		})
	}
	for _, p := range append(slices.Clone(cast), struct{ user, role, site, team string }{user: "admin"}, struct{ user, role, site, team string }{user: "cl"}) {
		if p.user == "pi" {
			continue
		}
		_, err := w.unblinding().Unblind(w.as(p.user), w.unblindRequest("S-1", ""))
		refused(t, err, codes.PermissionDenied, "")
	}
	if n := w.count("T1/allocation", "unblinded"); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}
}

// Refusals that a new step-up would not mend don't use one up.
func TestRefusalKeepsTheStepUp(t *testing.T) {
	w := newUnblinding(t)
	req := w.unblindRequest("S-1", "cl")
	req.StepUp = w.sure("pi", "Unblind", "S-1/cl")
	req.Reason = "curiosity"
	_, err := w.unblinding().Unblind(w.as("pi"), req)
	refused(t, err, codes.InvalidArgument, "")
	req.Reason = "other"
	if _, err := w.unblinding().Unblind(w.as("pi"), req); err != nil {
		t.Error(err)
	}
}

// The server ends between the entry and the answer: the same request tells the
// arm, without another step-up, for a quarter of an hour.
func TestUnblindIsSafeToRepeat(t *testing.T) {
	w := newUnblinding(t)
	req := w.unblindRequest("S-1", "")
	req.StepUp = w.sure("pi", "Unblind", "S-1/")
	w.store.WriteUnknown = true
	w.store.FailAppend = func(...store.Part) error { return errors.Join(store.ErrUnknown, errors.New("the power went")) }
	_, err := w.unblinding().Unblind(w.as("pi"), req)
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	w.restart()

	w.wait(15 * time.Minute)
	want := w.arm("S-1")
	for range 2 {
		got, err := w.unblinding().Unblind(w.as("pi"), req)
		w.must(err)
		if !got.GetReceipt().GetRepeatedRequest() || got.GetArm().GetId() != want {
			t.Errorf("a repeat gave %v, want %s", got, want)
		}
	}
	for name, change := range map[string]func(*loddv1.UnblindRequest){
		"participant": func(r *loddv1.UnblindRequest) { r.Participant, r.Confirm = "S-2", "S-2" },
		"reason":      func(r *loddv1.UnblindRequest) { r.Reason = "other" },
		"text":        func(r *loddv1.UnblindRequest) { r.Text += " Now." },
		"clinician":   func(r *loddv1.UnblindRequest) { r.Clinician = "cl" },
	} {
		other := w.unblindRequest("S-1", "")
		other.RequestId = req.GetRequestId()
		change(other)
		_, err := w.unblinding().Unblind(w.as("pi"), other)
		refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
		if err == nil {
			t.Errorf("the request was used for another %s", name)
		}
	}
	_, err = w.unblinding().Unblind(w.as("pi-osl"), req)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")

	w.wait(time.Millisecond)
	late, err := w.unblinding().Unblind(w.as("pi"), req)
	w.must(err)
	if late.GetArm() != nil || !late.GetReceipt().GetRepeatedRequest() {
		t.Errorf("a late repeat gave %v", late)
	}
	if n := w.count("T1/allocation", "unblinded"); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// What was given may matter to a doctor though the data are withdrawn and
// destroyed, and the reason that was given outlives them.
func TestUnblindAfterErasure(t *testing.T) {
	w := newUnblinding(t)
	before := w.unblindRequest("S-1", "")
	before.StepUp = w.sure("pi", "Unblind", "S-1/")
	_, err := w.unblinding().Unblind(w.as("pi"), before)
	w.must(err)
	want := w.arm("S-1")
	_, err = w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Scope: "data", Reason: "not-given", Confirm: "S-1",
	})
	w.must(err)
	_, err = w.participants().EraseParticipant(w.as("pi"), &loddv1.EraseParticipantRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Confirm: "S-1"})
	w.must(err)
	w.restart()
	for name, try := range map[string]func() (*loddv1.UnblindResponse, error){
		"again":  func() (*loddv1.UnblindResponse, error) { return w.unblind("pi", "S-1", "") },
		"repeat": func() (*loddv1.UnblindResponse, error) { return w.unblinding().Unblind(w.as("pi"), before) },
	} {
		if got, err := try(); err != nil || got.GetArm().GetId() != want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, want)
		}
	}
}

// The caller of the third-party variant never sees the arm; the clinician sees it
// once, and nobody else can.
func TestClinicianCollects(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.join(w.invite(), "cl2"))
	w.must(w.grant("cus", "cl2", "clinician", "", ""))
	at := timestamppb.New(w.clock.now())
	got, err := w.unblind("pi", "S-1", "cl")
	w.must(err)
	if got.GetArm() != nil {
		t.Errorf("the caller is told %v", got)
	}
	if w.waiting("cl2") != nil || w.waiting("au") != nil {
		t.Error("it waits for others")
	}
	number := got.GetReceipt().GetIndex()
	want := []*loddv1.Waiting{{Number: number, Participant: "S-1", By: "pi", At: at}}
	if diff := cmp.Diff(want, w.waiting("cl"), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	_, err = w.collect("cl2", number)
	refused(t, err, codes.NotFound, "NOT_FOUND")
	_, err = w.collect("cl", number+1)
	refused(t, err, codes.NotFound, "NOT_FOUND")
	req := &loddv1.CollectRequest{TrialId: "T1", RequestId: w.id(), Number: number}
	_, err = w.unblinding().Collect(w.as("cl"), req)
	refused(t, err, codes.PermissionDenied, "STEP_UP")
	req.StepUp = w.sure("cl", "Collect", "S-1")
	_, err = w.unblinding().Collect(w.as("cl"), req)
	refused(t, err, codes.PermissionDenied, "STEP_UP")

	req.StepUp = w.sure("cl", "Collect", strconv.FormatInt(number, 10))
	for repeat := range 2 {
		seen, err := w.unblinding().Collect(w.as("cl"), req)
		w.must(err)
		if seen.GetArm().GetId() != w.arm("S-1") || seen.GetParticipant() != "S-1" || seen.GetReceipt().GetRepeatedRequest() != (repeat == 1) {
			t.Errorf("collected %v", seen)
		}
	}
	w.restart()
	_, err = w.collect("cl", number)
	refused(t, err, codes.AlreadyExists, "EXISTS")
	if w.waiting("cl") != nil {
		t.Error("it still waits")
	}
	w.wait(15*time.Minute + time.Millisecond)
	late, err := w.unblinding().Collect(w.as("cl"), req)
	w.must(err)
	if late.GetArm() != nil {
		t.Errorf("a late repeat gave %v", late)
	}
}

// Whoever knows an arm can assess nobody, and the refusal is recorded.
func TestWhoSawAnArmDoesNotAssess(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.disclose("S-1", "au"))
	number := w.waiting("au")[0].GetNumber()
	_, err := w.collect("au", number)
	w.must(err)
	refused(t, w.grant("cus", "au", "assessor", "OSL", ""), codes.FailedPrecondition, "ROLE_CONFLICT")
	if n := w.count("system", "grant_refused"); n != 1 {
		t.Errorf("%d entries of the refusal", n)
	}
	w.must(w.grant("cus", "au", "monitor", "", ""))
}

// Randomizing goes on as before for an investigator who saw an arm and is a
// coordinator, too: no later arm depends on who asks.
func TestWhoSawAnArmStillRandomizes(t *testing.T) {
	w := newUnblinding(t)
	w.must(w.grant("cus", "pi-osl", "coordinator", "OSL", ""))
	_, err := w.unblind("pi-osl", "S-1", "")
	w.must(err)
	intent, err := w.randomization().PrepareRandomization(w.as("pi-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-R"})
	w.must(err)
	_, err = w.commit("pi-osl", intent.GetIntentId(), "S-R")
	w.must(err)
}
