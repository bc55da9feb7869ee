package server_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) contact(p string) *loddv1.RecordContactRequest {
	return &loddv1.RecordContactRequest{TrialId: "T1", RequestId: w.id(), Participant: p, On: "2026-03-02", Kind: "employer", Minutes: 45}
}

// ES-2: a team records contacts with its own participants and reads them.
func TestContacts(t *testing.T) {
	w, own, other := newSafety(t)
	at := timestamppb.New(w.clock.now())
	var want []*loddv1.Contact
	for _, kind := range []string{"meeting", "phone", "message", "employer", "service", "other"} {
		req := w.contact("S-0")
		req.Kind = kind
		got, err := w.delivery().RecordContact(w.as(own), req)
		w.must(err)
		if got.GetReceipt().GetList() != "T1/delivery" {
			t.Errorf("%v", got)
		}
		want = append(want, &loddv1.Contact{On: "2026-03-02", Kind: kind, Minutes: 45, By: own, At: at})
	}
	list := func(user, p string) ([]*loddv1.Contact, error) {
		got, err := w.delivery().ListContacts(w.as(user), &loddv1.ListContactsRequest{TrialId: "T1", Participant: p})
		return got.GetContacts(), err
	}
	for range 2 {
		got, err := list(own, "S-0")
		if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		w.restart()
	}
	_, nowhere := list(other, "S-9")
	refused(t, nowhere, codes.NotFound, "NOT_FOUND")
	for _, tt := range []struct{ user, p string }{{other, "S-0"}, {own, "S-B"}, {own, "S-R"}, {own, "S-9"}} {
		_, err := list(tt.user, tt.p)
		same(t, nowhere, err)
		_, err = w.delivery().RecordContact(w.as(tt.user), w.contact(tt.p))
		same(t, nowhere, err)
	}
	for _, p := range everyRole {
		if p.role == "treatment-team" || p.user == "cl" || p.user == "tc" {
			continue
		}
		_, err := list(p.user, "S-0")
		refused(t, err, codes.PermissionDenied, "")
		_, err = w.delivery().RecordContact(w.as(p.user), w.contact("S-0"))
		refused(t, err, codes.PermissionDenied, "")
	}
	_, err := list(own, "")
	refused(t, err, codes.InvalidArgument, "")
	if n := w.count("T1/delivery", "contact_recorded"); n != 6 {
		t.Errorf("%d contacts", n)
	}
}

func TestRecordContactIsRefused(t *testing.T) {
	w, own, _ := newSafety(t)
	for name, tt := range map[string]struct {
		change func(*loddv1.RecordContactRequest)
		fields []string
	}{
		"no kind":                  {func(r *loddv1.RecordContactRequest) { r.Kind = "" }, []string{"kind"}},
		"an unknown kind":          {func(r *loddv1.RecordContactRequest) { r.Kind = "dance" }, []string{"kind"}},
		"less than nothing":        {func(r *loddv1.RecordContactRequest) { r.Minutes = -1 }, []string{"minutes"}},
		"more than a day":          {func(r *loddv1.RecordContactRequest) { r.Minutes = 1441 }, []string{"minutes"}},
		"tomorrow":                 {func(r *loddv1.RecordContactRequest) { r.On = "2026-03-03" }, []string{"on"}},
		"before the randomization": {func(r *loddv1.RecordContactRequest) { r.On = "2026-03-01" }, []string{"on"}},
		"no date":                  {func(r *loddv1.RecordContactRequest) { r.On = "today" }, []string{"on"}},
	} {
		req := w.contact("S-0")
		tt.change(req)
		_, err := w.delivery().RecordContact(w.as(own), req)
		refused(t, err, codes.InvalidArgument, "")
		if f := fields(err); !slices.Equal(f, tt.fields) {
			t.Errorf("%s: fields %q, want %q", name, f, tt.fields)
		}
	}
}

// A contact whose answer was lost is recorded once.
func TestRecordContactIsSafeToRepeat(t *testing.T) {
	w, own, _ := newSafety(t)
	req := w.contact("S-0")
	w.store.WriteUnknown = true
	w.store.FailAppend = func(...store.Part) error { return errors.Join(store.ErrUnknown, errors.New("the power went")) }
	_, err := w.delivery().RecordContact(w.as(own), req)
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	w.restart()
	got, err := w.delivery().RecordContact(w.as(own), req)
	w.must(err)
	if !got.GetReceipt().GetRepeatedRequest() {
		t.Errorf("a repeat gave %v", got)
	}
	req.Minutes++
	_, err = w.delivery().RecordContact(w.as(own), req)
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	if n := w.count("T1/delivery", "contact_recorded"); n != 1 {
		t.Errorf("%d contacts", n)
	}
}
