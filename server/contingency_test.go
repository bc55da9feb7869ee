package server_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// two returns two age recipients.
func two(t *testing.T) []string {
	t.Helper()
	var out []string
	for range 2 {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, id.Recipient().String())
	}
	return out
}

func (w *world) print(user, request string, envelopes int32, recipients []string) (*loddv1.PrintContingencyResponse, error) {
	return w.sealing().PrintContingency(w.as(user), &loddv1.PrintContingencyRequest{
		TrialId: "T1", RequestId: request, Envelopes: envelopes, Recipients: recipients,
	})
}

func TestPrintContingency(t *testing.T) {
	w := newUnsealed(t, nil)
	to := two(t)
	_, err := w.print("cus", w.id(), 3, to)
	refused(t, err, codes.FailedPrecondition, "NOT_SEALED")
	sealed := w.seal(w.id(), true)
	_, err = w.print("cus", w.id(), 3, to)
	refused(t, err, codes.FailedPrecondition, "AWAITS_ENTROPY")
	_, err = w.sealing().ContributeEntropy(w.as("ts"), &loddv1.ContributeEntropyRequest{TrialId: "T1", RequestId: w.id(), Commitment: sealed.GetCommitment(), Entropy: []byte("dice")})
	w.must(err)
	w.only(func(user string) error { _, err := w.print(user, w.id(), 0, to); return err }, "custodian")
	for name, tt := range map[string]struct {
		envelopes int32
		to        []string
		field     string
	}{
		"none":            {3, nil, "recipients"},
		"one":             {3, to[:1], "recipients"},
		"three":           {3, []string{to[0], to[1], to[0]}, "recipients"},
		"one twice":       {3, []string{to[0], to[0]}, "recipients"},
		"a broken one":    {3, []string{to[0], to[1] + "q"}, "recipients"},
		"no envelopes":    {0, to, "envelopes"},
		"fewer than none": {-4, to, "envelopes"},
		"too many":        {1001, to, "envelopes"},
	} {
		_, err := w.print("cus", w.id(), tt.envelopes, tt.to)
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != tt.field {
			t.Errorf("%s: fields %v, want %s", name, got, tt.field)
		}
	}
}

func TestPrintedSheetsAreSealedAndAlike(t *testing.T) {
	w := newTrial(t, nil)
	to, id := two(t), w.id()
	first, err := w.print("cus", id, 20, to)
	w.must(err)
	var strata []string
	for _, s := range first.GetSheets() {
		strata = append(strata, s.GetStratum())
		if len(s.GetSealed()) != len(first.GetSheets()[0].GetSealed()) || len(s.GetSealed()) < 1000 {
			t.Errorf("%s has %d bytes, the first %d", s.GetStratum(), len(s.GetSealed()), len(first.GetSheets()[0].GetSealed()))
		}
		for _, word := range []string{"northern", "southern", "Northern", "Konvolutt"} {
			if bytes.Contains(s.GetSealed(), []byte(word)) {
				t.Errorf("%s tells %q", s.GetStratum(), word)
			}
		}
	}
	if want := []string{"BGO/sex=female", "BGO/sex=male", "OSL/sex=female", "OSL/sex=male"}; !slices.Equal(strata, want) {
		t.Errorf("sheets of %v, want %v", strata, want)
	}
	again, err := w.print("cus", id, 20, to)
	w.must(err)
	if !again.GetReceipt().GetRepeatedRequest() || again.GetReceipt().GetIndex() != first.GetReceipt().GetIndex() || len(again.GetSheets()) != 4 {
		t.Errorf("repeated: %v", again.GetReceipt())
	}
	_, err = w.print("cus", id, 21, to)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	_, err = w.print("cus", id, 20, []string{to[1], to[0]})
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	_, err = w.print("cus", w.id(), 19, to)
	refused(t, err, codes.InvalidArgument, "")
	for _, r := range to {
		if strings.Contains(w.logs.String(), r) {
			t.Error("the log tells a recipient")
		}
	}
}

// used is a request to record envelope 1 of S-1.
func (w *world) used(change func(*loddv1.RecordContingencyAllocationRequest)) *loddv1.RecordContingencyAllocationRequest {
	req := &loddv1.RecordContingencyAllocationRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-1", Envelope: 1, Witness: "pi", Reason: "server-down", Confirm: "S-1", Stratum: "OSL/sex=female",
	}
	if change != nil {
		change(req)
	}
	return req
}

func (w *world) use(user string, req *loddv1.RecordContingencyAllocationRequest) (*loddv1.RecordContingencyAllocationResponse, error) {
	return w.randomization().RecordContingencyAllocation(w.as(user), req)
}

func TestRecordContingencyAllocation(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	_, err := w.use("tc-osl", w.used(nil))
	refused(t, err, codes.InvalidArgument, "") // there are no envelopes
	_, err = w.print("cus", w.id(), 3, two(t))
	w.must(err)
	w.must(w.join(w.invite(), "stranger"))
	w.must(w.join(w.invite(), "gone"))
	w.must(w.grant("cus", "gone", "monitor", "", ""))
	_, err = w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "gone", Reason: "left"})
	w.must(err)
	w.must(w.join(w.invite(), "assessed"))
	w.must(w.grant("cus", "assessed", "assessor", "OSL", ""))
	_, err = w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "assessed", Role: "assessor", Site: "OSL", Reason: "other"})
	w.must(err)
	w.must(w.grant("cus", "assessed", "monitor", "", ""))

	_, absent := w.use("tc-bgo", w.used(func(r *loddv1.RecordContingencyAllocationRequest) { r.Participant, r.Confirm = "S-9", "S-9" }))
	_, foreign := w.use("tc-bgo", w.used(nil))
	refused(t, absent, codes.NotFound, "NOT_FOUND")
	same(t, absent, foreign)
	w.only(func(user string) error {
		_, err := w.use(user, w.used(func(r *loddv1.RecordContingencyAllocationRequest) { r.Confirm = "" }))
		return err
	}, "coordinator")

	for name, tt := range map[string]struct {
		change func(*loddv1.RecordContingencyAllocationRequest)
		field  string
	}{
		"envelope 0":         {func(r *loddv1.RecordContingencyAllocationRequest) { r.Envelope = 0 }, "envelope"},
		"more than there":    {func(r *loddv1.RecordContingencyAllocationRequest) { r.Envelope = 4 }, "envelope"},
		"an unknown witness": {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "nobody" }, "witness"},
		"no witness":         {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "" }, "witness"},
		"oneself":            {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "tc-osl" }, "witness"},
		"without a role":     {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "stranger" }, "witness"},
		"disabled":           {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "gone" }, "witness"},
		"an assessor":        {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "oa-osl" }, "witness"},
		"once an assessor":   {func(r *loddv1.RecordContingencyAllocationRequest) { r.Witness = "assessed" }, "witness"},
		"no stratum":         {func(r *loddv1.RecordContingencyAllocationRequest) { r.Stratum = "" }, "stratum"},
		"another stratum":    {func(r *loddv1.RecordContingencyAllocationRequest) { r.Stratum = "OSL/sex=male" }, "stratum"},
		"the second one":     {func(r *loddv1.RecordContingencyAllocationRequest) { r.Envelope = 2 }, "envelope"},
		"another reason":     {func(r *loddv1.RecordContingencyAllocationRequest) { r.Reason = "haste" }, "reason"},
		"tomorrow":           {func(r *loddv1.RecordContingencyAllocationRequest) { r.On = "2026-03-03" }, "on"},
		"no date":            {func(r *loddv1.RecordContingencyAllocationRequest) { r.On = "soon" }, "on"},
		"before the consent": {func(r *loddv1.RecordContingencyAllocationRequest) { r.On = "2026-02-28" }, "on"},
		"no request id":      {func(r *loddv1.RecordContingencyAllocationRequest) { r.RequestId = "" }, "request_id"},
	} {
		_, err := w.use("tc-osl", w.used(tt.change))
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != tt.field {
			t.Errorf("%s: fields %v, want %s", name, got, tt.field)
		}
	}
	_, err = w.use("tc-osl", w.used(func(r *loddv1.RecordContingencyAllocationRequest) { r.Confirm = "S-2" }))
	refused(t, err, codes.InvalidArgument, "NOT_CONFIRMED")
}

func TestRecordedEnvelopeHasOneReceipt(t *testing.T) {
	w := newTrial(t, nil)
	_, err := w.print("cus", w.id(), 3, two(t))
	w.must(err)
	w.ready("S-1", "OSL")
	req := w.used(nil)
	first, err := w.use("tc-osl", req)
	w.must(err)
	if first.GetParticipant() != "S-1" || first.GetReceipt().GetRepeatedRequest() {
		t.Errorf("%v", first)
	}
	_, err = w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "pi", Reason: "left"})
	w.must(err)
	w.wait(36 * time.Hour) // a repeat is the same answer, also on another day, in another request and without the witness
	for _, again := range []*loddv1.RecordContingencyAllocationRequest{req, w.used(nil)} {
		got, err := w.use("tc-osl", again)
		w.must(err)
		if !got.GetReceipt().GetRepeatedRequest() || !bytes.Equal(got.GetReceipt().GetLeafHash(), first.GetReceipt().GetLeafHash()) {
			t.Errorf("again: %v, first %v", got, first)
		}
	}
	_, err = w.use("tc-osl", w.used(func(r *loddv1.RecordContingencyAllocationRequest) { r.Envelope, r.Witness = 2, "dm" }))
	refused(t, err, codes.FailedPrecondition, "ALREADY_RANDOMIZED")
	w.ready("S-2", "OSL")
	_, err = w.use("tc-osl", w.used(func(r *loddv1.RecordContingencyAllocationRequest) {
		r.Participant, r.Confirm, r.Witness = "S-2", "S-2", "dm"
	}))
	refused(t, err, codes.InvalidArgument, "") // the envelope is somebody else's
	if got := fields(err); len(got) != 1 || got[0] != "envelope" {
		t.Errorf("fields %v", got)
	}
	if n := w.count("T1/conduct", "contingency_used"); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// An envelope isn't recorded for whom the participant's own data don't allow to
// be randomized, nor twice over another way.
func TestEnvelopeDemandsWhatRandomizationDemands(t *testing.T) {
	w := newTrial(t, nil)
	_, err := w.print("cus", w.id(), 3, two(t))
	w.must(err)
	use := func(p string) error {
		_, err := w.use("tc-osl", w.used(func(r *loddv1.RecordContingencyAllocationRequest) { r.Participant, r.Confirm = p, p }))
		return err
	}
	add := func(p string, change func(*loddv1.AddScreeningRequest)) {
		req := w.screened(p, "OSL")
		change(req)
		_, err := w.screening().AddScreening(w.as("tc-osl"), req)
		w.must(err)
	}
	add("N-1", func(r *loddv1.AddScreeningRequest) { r.Consent = nil })
	add("N-2", func(r *loddv1.AddScreeningRequest) { r.Answers = nil })
	add("N-3", func(*loddv1.AddScreeningRequest) {})
	add("N-4", func(r *loddv1.AddScreeningRequest) { r.Answers["adult"] = false })
	w.randomize("R-1", "OSL")
	refused(t, use("N-1"), codes.FailedPrecondition, "NO_CONSENT")
	refused(t, use("N-2"), codes.FailedPrecondition, "NOT_ELIGIBLE")
	refused(t, use("N-3"), codes.FailedPrecondition, "NO_BASELINE")
	refused(t, use("N-4"), codes.FailedPrecondition, "EXCLUDED")
	refused(t, use("R-1"), codes.FailedPrecondition, "ALREADY_RANDOMIZED")
	w.ready("S-1", "OSL")
	w.ready("S-2", "OSL")
	_, err = w.trials().CloseEnrolment(w.as("cus"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	w.must(use("S-1")) // it was opened while enrolment was open
	w.must(w.ledger.MarkRestored(t.Context(), func(string) int64 { return 0 }))
	refused(t, use("S-2"), codes.FailedPrecondition, "FENCED")
}
