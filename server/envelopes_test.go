package server_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) spoil(user, request, stratum string, envelope int32, reason string) (*loddv1.SpoilEnvelopeResponse, error) {
	return w.sealing().SpoilEnvelope(w.as(user), &loddv1.SpoilEnvelopeRequest{TrialId: "T1", RequestId: request, Stratum: stratum, Envelope: envelope, Reason: reason})
}

// The custodian takes an envelope out of use, once and for good.
func TestSpoilEnvelope(t *testing.T) {
	w := newTrial(t, nil)
	const female = "OSL/sex=female"
	_, err := w.spoil("cus", w.id(), female, 1, "lost")
	refused(t, err, codes.InvalidArgument, "") // there are none
	_, err = w.print("cus", w.id(), 3, two(t))
	w.must(err)
	w.only(func(user string) error { _, err := w.spoil(user, w.id(), female, 9, "lost"); return err }, "custodian")
	for name, tt := range map[string]struct {
		stratum  string
		envelope int32
		reason   string
		field    string
	}{
		"no stratum":         {"", 1, "lost", "stratum"},
		"an unknown stratum": {"OSL/sex=other", 1, "lost", "stratum"},
		"envelope 0":         {female, 0, "lost", "envelope"},
		"more than there":    {female, 4, "lost", "envelope"},
		"another reason":     {female, 1, "bored", "reason"},
		"no reason":          {female, 1, "", "reason"},
	} {
		_, err := w.spoil("cus", w.id(), tt.stratum, tt.envelope, tt.reason)
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != tt.field {
			t.Errorf("%s: fields %v, want %s", name, got, tt.field)
		}
	}
	id := w.id()
	first, err := w.spoil("cus", id, female, 1, "opened-by-mistake")
	w.must(err)
	again, err := w.spoil("cus", id, female, 1, "opened-by-mistake")
	w.must(err)
	if !again.GetReceipt().GetRepeatedRequest() || again.GetReceipt().GetIndex() != first.GetReceipt().GetIndex() {
		t.Errorf("repeated: %v, first %v", again, first)
	}
	_, err = w.spoil("cus", w.id(), female, 1, "lost")
	refused(t, err, codes.AlreadyExists, "EXISTS")
}

// Envelopes are recorded in the order of their numbers: whoever could choose
// among opened ones could choose the arm. The custodian's record of a spoiled one
// lets the next one follow, and the refusal says so.
func TestEnvelopesAreRecordedInTheirOrder(t *testing.T) {
	w := newTrial(t, nil)
	_, err := w.print("cus", w.id(), 4, two(t))
	w.must(err)
	for _, p := range []string{"S-1", "S-2", "S-3"} {
		w.ready(p, "OSL")
	}
	use := func(p string, envelope int32) error {
		_, err := w.use("tc-osl", w.used(func(r *loddv1.RecordContingencyAllocationRequest) {
			r.Participant, r.Confirm, r.Envelope = p, p, envelope
		}))
		return err
	}
	refuses := func(p string, envelope int32, says string) {
		t.Helper()
		err := use(p, envelope)
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != "envelope" || !strings.Contains(err.Error(), says) {
			t.Errorf("envelope %d for %s: %v, want %q", envelope, p, err, says)
		}
	}
	refuses("S-1", 2, "number 1 is next in stratum \"OSL/sex=female\"")
	w.must(use("S-1", 1))
	refuses("S-2", 3, "number 2 is next")
	refuses("S-2", 3, "let the list custodian record it as spoiled")
	_, err = w.spoil("cus", w.id(), "OSL/sex=male", 2, "damaged") // another stratum's
	w.must(err)
	refuses("S-2", 3, "number 2 is next")
	_, err = w.spoil("cus", w.id(), "OSL/sex=female", 2, "damaged")
	w.must(err)
	refuses("S-2", 2, "spoiled")
	w.must(use("S-2", 3))
	w.must(use("S-1", 1)) // is recorded, and stays so
	refuses("S-3", 5, "each stratum has 4")
	w.must(use("S-3", 4))
}

// Of several who record envelopes at once none comes out of its turn.
func TestEnvelopesRecordedAtOnceKeepTheirOrder(t *testing.T) {
	const n = 6
	w := newTrial(t, nil)
	_, err := w.print("cus", w.id(), n, two(t))
	w.must(err)
	var all sync.WaitGroup
	for i := range n {
		p := fmt.Sprintf("S-%d", i)
		w.ready(p, "OSL")
		req := w.used(func(r *loddv1.RecordContingencyAllocationRequest) {
			r.Participant, r.Confirm, r.Envelope = p, p, int32(n-i)
		})
		ctx := w.as("tc-osl")
		all.Go(func() {
			for range n {
				if _, err := w.randomization().RecordContingencyAllocation(ctx, req); err == nil {
					return
				} else if status.Code(err) != codes.InvalidArgument {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	next := int32(1)
	entries, err := w.log.Read(t.Context(), "T1/conduct", 0, w.log.Len("T1/conduct"))
	w.must(err)
	for _, data := range entries {
		var e logv1.Entry
		w.must(proto.Unmarshal(data, &e))
		if u := e.GetContingencyUsed(); u != nil {
			if u.GetEnvelope() != next {
				t.Errorf("envelope %d is recorded, want %d", u.GetEnvelope(), next)
			}
			next++
		}
	}
	if next == 1 {
		t.Error("not even the first envelope is recorded")
	}
}

// The sealing record tells how many envelopes there are, to whom they are sealed
// and how many were taken out of use. One without envelopes tells nothing of them.
func TestSealingRecordTellsOfEnvelopes(t *testing.T) {
	w := newTrial(t, nil)
	without := w.record("au").GetText()
	if strings.Contains(without, "nvelope") || !strings.Contains(without, "doesn't change any more") {
		t.Errorf("without envelopes:\n%s", without)
	}
	to := two(t)
	_, err := w.print("cus", w.id(), 3, to)
	w.must(err)
	for _, e := range []struct {
		stratum string
		number  int32
	}{{"OSL/sex=male", 1}, {"BGO/sex=female", 2}, {"OSL/sex=male", 3}} {
		_, err := w.spoil("cus", w.id(), e.stratum, e.number, "lost")
		w.must(err)
	}
	got := w.record("au")
	want := "Envelopes printed:     3 for each stratum, sealed to the age recipients with\n" +
		fmt.Sprintf("SHA-256 of recipient 1: %x\nSHA-256 of recipient 2: %x\n", sha256.Sum256([]byte(to[0])), sha256.Sum256([]byte(to[1]))) +
		"Envelopes spoiled:     1 of BGO/sex=female\n" +
		"Envelopes spoiled:     2 of OSL/sex=male\n"
	if !strings.Contains(got.GetText(), want) || strings.Contains(got.GetText(), "doesn't change any more") {
		t.Errorf("the record is\n%s\nwant in it\n%s", got.GetText(), want)
	}
	onePage(t, got)
}
