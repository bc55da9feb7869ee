package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// created is a world with the stratified trial, before it is sealed.
func created(t testing.TB, m *storetest.Memory) *world {
	t.Helper()
	w := open(t, m)
	if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), stratified()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) seal(secondParty bool) trial.Sealing {
	w.Helper()
	s, _, err := w.trial().Seal(w.Context(), w.as(trial.Custodian), design, secondParty)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// A contribution comes from another person than the sealing, after it and for
// the commitment that was seen; every arm follows from it, at once and after a
// restart, and without it no list would fit.
func TestContributionMakesTheSequences(t *testing.T) {
	for _, d := range []randomization.Design{design, minimization} {
		t.Run(fmt.Sprintf("%T", d), func(t *testing.T) {
			w := created(t, &storetest.Memory{})
			by := w.as(trial.Statistician)
			contribute := func(by ledger.Caller, commitment [32]byte, entropy string) (ledger.Receipt, error) {
				return w.trial().Contribute(t.Context(), by, commitment, []byte(entropy))
			}
			if _, err := contribute(w.as(trial.Statistician), [32]byte{1}, "dice"); !errors.Is(err, trial.ErrNotSealed) {
				t.Errorf("before the sealing: %v", err)
			}
			s, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), d, true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.trial().Do(t.Context(), w.as(trial.Custodian), trial.EnrolmentOpened{}); !errors.Is(err, trial.ErrAwaitsEntropy) {
				t.Errorf("opened without the contribution: %v", err)
			}
			if _, err := contribute(w.as(trial.Custodian), s.Commitment, "dice"); !errors.Is(err, trial.ErrSamePerson) {
				t.Errorf("by the custodian: %v", err)
			}
			if bad, ok := errors.AsType[*trial.Invalid](second(contribute(w.as(trial.Statistician), [32]byte{1}, "dice"))); !ok || bad.Field != "commitment" {
				t.Errorf("to another sealing: %v", bad)
			}
			first, err := contribute(by, s.Commitment, "4 2 6 6 1")
			if err != nil {
				t.Fatal(err)
			}
			w = w.reopen()
			if again, err := contribute(by, s.Commitment, "4 2 6 6 1"); err != nil || !again.Repeated || again.Leaf != first.Leaf {
				t.Errorf("repeated: %+v, %v", again, err)
			}
			if _, err := contribute(by, s.Commitment, "6 6 6 6 6"); !errors.Is(err, ledger.ErrReused) {
				t.Errorf("other entropy with the same request id: %v", err)
			}
			if _, err := contribute(w.as(trial.Statistician), s.Commitment, "6 6 6 6 6"); !errors.Is(err, trial.ErrNoContribution) {
				t.Errorf("a second contribution: %v", err)
			}
			w.do(trial.Custodian, trial.EnrolmentOpened{})
			for i := range 30 {
				w.do(trial.Coordinator, w.readyIn(trial.ParticipantID(fmt.Sprintf("P%d", i)), "OSLO", "f"))
			}
			checkReveal(w, 30)
			w = w.reopen()
			checkReveal(w, 30)
			r := revealed(w)
			r.Contributed = false
			if m, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(r)); !ok || m.Part != randomization.PartArm {
				t.Errorf("the sequences are those without the contribution: %v", m)
			}
			r = revealed(w)
			r.Entropy = []byte("4 2 6 6 2")
			if randomization.Verify(r) == nil {
				t.Error("the sequences are those of other entropy")
			}
		})
	}
}

func second[A any](_ A, err error) error { return err }

// An abandoned sealing is void and counted by the next one, whose seed is drawn
// anew; a repeat of its request gets the answer of then.
func TestAbandonedSealingIsCountedAndVoid(t *testing.T) {
	w := created(t, &storetest.Memory{})
	by := w.as(trial.Custodian)
	first, r, err := w.trial().Seal(t.Context(), by, design, true)
	if err != nil || first.Abandoned != 0 || !first.Awaits || first.Index != r.Index {
		t.Fatalf("%+v, %+v, %v", first, r, err)
	}
	w.do(trial.Custodian, trial.SealingAbandoned{Reason: "no-contribution"})
	if _, _, err := w.trial().Sealing(t.Context()); !errors.Is(err, trial.ErrNotSealed) {
		t.Errorf("a sealing is left: %v", err)
	}
	if _, err := w.trial().Do(t.Context(), w.as(trial.Custodian), trial.EnrolmentOpened{}); !errors.Is(err, trial.ErrNotSealed) {
		t.Errorf("opened: %v", err)
	}
	present := w.seal(false)
	if present.Abandoned != 1 || present.Commitment == first.Commitment || present.Awaits {
		t.Errorf("the second sealing: %+v", present)
	}
	for range 2 {
		again, receipt, err := w.trial().Seal(t.Context(), by, design, true)
		if err != nil || !receipt.Repeated || receipt.Leaf != r.Leaf || again.Commitment != first.Commitment || again.Abandoned != 0 || !again.Awaits || !again.At.Equal(first.At) || again.By != first.By {
			t.Errorf("the first request repeated: %+v, %+v, %v; want %+v", again, receipt, err, first)
		}
		if _, _, err := w.trial().Seal(t.Context(), by, design, false); !errors.Is(err, ledger.ErrReused) {
			t.Errorf("without the second party: %v", err)
		}
		if _, _, err := w.trial().Seal(t.Context(), by, minimization, true); !errors.Is(err, ledger.ErrReused) {
			t.Errorf("another design: %v", err)
		}
		if now, _, err := w.trial().Sealing(t.Context()); err != nil || now.Commitment != present.Commitment || now.Abandoned != 1 {
			t.Errorf("the present sealing: %+v, %v", now, err)
		}
		w = w.reopen()
	}
	w.do(trial.Custodian, trial.EnrolmentOpened{})
	if _, err := w.trial().Do(t.Context(), w.as(trial.Custodian), trial.SealingAbandoned{Reason: "other"}); !errors.Is(err, trial.ErrAlreadySealed) {
		t.Errorf("abandoned after enrolment opened: %v", err)
	}
	w.do(trial.Coordinator, w.readyIn("P1", "OSLO", "f"))
	checkReveal(w, 1)
}

// What was sealed for an abandoned sealing doesn't serve another one, even for
// whoever has the keys of the log.
func TestSealedDesignBelongsToItsSealing(t *testing.T) {
	m := &storetest.Memory{}
	w := created(t, m)
	w.seal(false)
	old := of[trial.DesignKept](w)[0].Event.(trial.DesignKept)
	w.do(trial.Custodian, trial.SealingAbandoned{Reason: "design-fault"})
	forge := func(in trial.Compartment, e trial.Event) {
		list, size := w.trial().List(in), int64(0)
		if in != trial.Conduct {
			size = w.log.Len("IPS/conduct")
		}
		w.forge(list, w.authentic(list, w.log.Len(list), w.written(e, size)))
	}
	forge(trial.Conduct, trial.DesignSealed{Commitment: [32]byte{7}})
	forge(trial.Allocation, old)
	if _, err := try(t, m.Reopen()); err == nil || !strings.Contains(err.Error(), "sealed design is not the one that was committed to") {
		t.Errorf("opened: %v", err)
	}
}

// An envelope has the arm that is printed in its sheet, and one receipt however
// often it is entered; the sequences are those of a trial without envelopes.
func TestEnvelopesNeverMoveTheSequence(t *testing.T) {
	ola, kari := person(t), person(t)
	w := created(t, &storetest.Memory{})
	if _, _, err := w.trial().PrintEnvelopes(t.Context(), w.as(trial.Custodian), 4, recipients(t, ola, kari)); !errors.Is(err, trial.ErrNotSealed) {
		t.Errorf("before the sealing: %v", err)
	}
	w.seal(false)
	w.do(trial.Custodian, trial.EnrolmentOpened{})
	by := w.as(trial.Custodian)
	sheets, first, err := w.trial().PrintEnvelopes(t.Context(), by, 4, recipients(t, ola, kari))
	if err != nil || len(sheets) != 4 {
		t.Fatalf("%d sheets, %v", len(sheets), err)
	}
	again, r, err := w.trial().PrintEnvelopes(t.Context(), by, 4, recipients(t, ola, kari))
	if err != nil || r.Leaf != first.Leaf || !r.Repeated {
		t.Errorf("repeated: %+v, %v", r, err)
	}
	more, _, err := w.trial().PrintEnvelopes(t.Context(), w.as(trial.Custodian), 6, recipients(t, kari, ola))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.trial().PrintEnvelopes(t.Context(), w.as(trial.Custodian), 5, recipients(t, ola, kari)); second(0, err) == nil {
		t.Error("fewer envelopes than before")
	}
	printed := map[trial.Stratum][]trial.ArmID{}
	for i, sheet := range sheets {
		printed[sheet.Stratum] = slips(t, sheet.Sealed, ola, kari)
		if got := slips(t, again[i].Sealed, ola, kari); fmt.Sprint(got) != fmt.Sprint(printed[sheet.Stratum]) {
			t.Errorf("printed again: %v, first %v", got, printed[sheet.Stratum])
		}
		if got := slips(t, more[i].Sealed, kari, ola); len(got) != 6 || fmt.Sprint(got[:4]) != fmt.Sprint(printed[sheet.Stratum]) {
			t.Errorf("six envelopes: %v, four %v", got, printed[sheet.Stratum])
		}
		if len(sheet.Sealed) != len(sheets[0].Sealed) {
			t.Errorf("sheets of %d and %d bytes", len(sheet.Sealed), len(sheets[0].Sealed))
		}
		if bytes.Contains(sheet.Sealed, []byte("Konvolutt")) {
			t.Error("a sheet is in clear")
		}
	}
	if a, b := sheets[0].FileName, sheets[3].FileName; a != "contingency-IPS-003-BERGEN_sex-f.txt.age.age" || b != "contingency-IPS-002-OSLO_sex-m.txt.age.age" {
		t.Errorf("files %s and %s", a, b)
	}
	checkEnvelopes(t, w, printed)
}

// checkEnvelopes uses three envelopes of a stratum, between randomizations; one
// before the last is spoiled.
func checkEnvelopes(t *testing.T, w *world, printed map[trial.Stratum][]trial.ArmID) {
	t.Helper()
	const stratum = "OSLO/sex=f"
	for i, envelope := range []int{1, 2, 4} {
		for j := range 5 {
			w.do(trial.Coordinator, w.readyIn(trial.ParticipantID(fmt.Sprintf("P%d-%d", i, j)), "OSLO", "f"))
		}
		p := trial.ParticipantID(fmt.Sprintf("E%d", envelope))
		w.readyIn(p, "OSLO", "f")
		use := trial.ContingencyUsed{Participant: p, Envelope: envelope, On: date("2020-03-01"), Witness: "liv", Reason: "server-down"}
		if envelope == 4 {
			for name, turn := range map[string]struct {
				stratum trial.Stratum
				field   string
			}{"out of its turn": {stratum, "envelope"}, "of another stratum": {"OSLO/sex=m", "stratum"}} {
				_, err := w.trial().UseEnvelope(t.Context(), w.as(trial.Coordinator), use, turn.stratum)
				if wrong, ok := errors.AsType[*trial.Invalid](err); !ok || wrong.Field != turn.field {
					t.Errorf("an envelope %s: %v", name, err)
				}
			}
			w.do(trial.Custodian, trial.EnvelopeSpoiled{Stratum: stratum, Envelope: 3, Reason: "lost"})
		}
		first, err := w.trial().UseEnvelope(t.Context(), w.as(trial.Coordinator), use, stratum)
		if err != nil {
			t.Fatal(err)
		}
		w = w.reopen()
		use.Witness = "per"
		if again, err := w.trial().UseEnvelope(t.Context(), w.as(trial.Coordinator), use, stratum); err != nil || !again.Repeated || again.Leaf != first.Leaf {
			t.Errorf("entered again: %+v, %v", again, err)
		}
		if got, want := arms(w)[p], printed[stratum][envelope-1]; got != want {
			t.Errorf("envelope %d has %s on record, %s is printed", envelope, got, want)
		}
		use.Envelope = 0
		if _, err := w.trial().UseEnvelope(t.Context(), w.as(trial.Coordinator), use, stratum); err == nil {
			t.Error("envelope 0 was entered")
		}
	}
	checkReveal(w, 18)
	seq, _ := sequence(w, "OSLO/sex=f")
	slot, drawn := 0, arms(w)
	for _, l := range of[trial.Allocated](w) {
		e := l.Event.(trial.Allocated)
		if e.Contingency {
			continue
		}
		if want := protocol().Arms[seq.At(slot)].ID; e.Slot != slot || drawn[e.Participant] != want {
			t.Errorf("slot %d is %d with %s, want %s", slot, e.Slot, drawn[e.Participant], want)
		}
		slot++
	}
	if slot != 15 {
		t.Errorf("%d slots of the sequence, want 15", slot)
	}
}

// More than a client can receive at once isn't printed, and nothing is recorded.
func TestTooManyEnvelopesAreRefused(t *testing.T) {
	w := open(t, &storetest.Memory{})
	p := stratified()
	for i := range 20 {
		p.Sites = append(p.Sites, trial.Site{ID: trial.SiteID(fmt.Sprintf("S%d", i)), Name: "S"})
	}
	if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), p); err != nil {
		t.Fatal(err)
	}
	w.seal(false)
	before := w.log.Len("IPS/conduct")
	for _, n := range []int{0, -1, 1000, 1001} {
		_, _, err := w.trial().PrintEnvelopes(t.Context(), w.as(trial.Custodian), n, recipients(t, person(t), person(t)))
		if bad, ok := errors.AsType[*trial.Invalid](err); !ok || bad.Field != "envelopes" {
			t.Errorf("%d envelopes: %v", n, err)
		}
	}
	same := person(t)
	_, _, err := w.trial().PrintEnvelopes(t.Context(), w.as(trial.Custodian), 2, recipients(t, same, same))
	if bad, ok := errors.AsType[*trial.Invalid](err); !ok || bad.Field != "recipients" {
		t.Errorf("one recipient twice: %v", err)
	}
	if w.log.Len("IPS/conduct") != before {
		t.Error("something was recorded")
	}
}

// A print of an abandoned sealing that is repeated gives no envelopes of the next
// one, whose seed may still be waiting for its second part.
func TestEnvelopesOfAnAbandonedSealingAreVoid(t *testing.T) {
	w := created(t, &storetest.Memory{})
	w.seal(false)
	by, to := w.as(trial.Custodian), recipients(t, person(t), person(t))
	if _, _, err := w.trial().PrintEnvelopes(t.Context(), by, 4, to); err != nil {
		t.Fatal(err)
	}
	w.do(trial.Custodian, trial.SealingAbandoned{Reason: "other"})
	for _, secondParty := range []bool{true, false} {
		w.seal(secondParty)
		if !secondParty { // as many for others don't make those of before come back
			if _, _, err := w.trial().PrintEnvelopes(t.Context(), w.as(trial.Custodian), 5, recipients(t, person(t), person(t))); err != nil {
				t.Fatal(err)
			}
		}
		sheets, _, err := w.trial().PrintEnvelopes(t.Context(), by, 4, to)
		if invalid, ok := errors.AsType[*trial.Invalid](err); !ok || invalid.Field != "request_id" || sheets != nil {
			t.Errorf("%d sheets, %v", len(sheets), err)
		}
		w.do(trial.Custodian, trial.SealingAbandoned{Reason: "other"})
	}
}
