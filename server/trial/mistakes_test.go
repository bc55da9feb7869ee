package trial_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/trial"
)

func corrected(p trial.ParticipantID, level trial.Code) trial.LevelsCorrected {
	return trial.LevelsCorrected{Participant: p, Levels: []trial.Code{level}, Reason: "misread"}
}

// Whoever was randomized in a wrong stratum stays there: both values are kept,
// and the next one gets the slot that comes next there.
func TestCorrectedLevelsMoveNobody(t *testing.T) {
	h := tell(t, then(opened, then(randomized("P1"), corrected("P1", "other"))...)...)
	p, _ := h.Participant("P1")
	if p.Stratum != "OSLO/drug=alcohol" || p.Slot != 0 || !cmp.Equal(p.Levels, []trial.Code{"alcohol"}) || !cmp.Equal(p.TrueLevels(), []trial.Code{"other"}) {
		t.Errorf("%+v", p)
	}
	for _, e := range append(randomized("P2"), corrected("P1", "alcohol")) {
		if err := h.do(e.(trial.Event)); err != nil {
			t.Fatal(err)
		}
	}
	if p, _ := h.Participant("P1"); p.CorrectedLevels != nil {
		t.Errorf("it was right after all, and is said to be %v", p.CorrectedLevels)
	}
	if p, _ := h.Participant("P2"); p.Slot != 1 {
		t.Errorf("the next one has slot %d of %s", p.Slot, p.Stratum)
	}
}

// Before the randomization the right levels are the ones that count.
func TestLevelsCorrectedInTimeDecideTheStratum(t *testing.T) {
	h := tell(t, then(opened, then(readied("P1"), corrected("P1", "other"), trial.Prepared{Participant: "P1"}, commit("P1"))...)...)
	if p, _ := h.Participant("P1"); p.Stratum != "OSLO/drug=other" || p.CorrectedLevels != nil {
		t.Errorf("%+v", p)
	}
}

func TestCorrectionOfLevelsRefuses(t *testing.T) {
	prepared := then(opened, then(readied("P1"), trial.Prepared{Participant: "P1"})...)
	bad := corrected("P1", "other")
	bad.Reason = "tau"
	checkRefusals(t, []refusal{
		{"nobody", opened, corrected("P1", "other"), trial.ErrNotFound},
		{"somebody excluded", then(opened, bare("P1"), trial.Excluded{Participant: "P1", Reason: "other"}), corrected("P1", "alcohol"), trial.ErrExcluded},
		{"somebody who withdrew from the data", then(opened, bare("P1"), withdrawn("P1", trial.FromData, "2020-03-01")), corrected("P1", "alcohol"), trial.ErrErased},
		{"an unknown level", prepared, corrected("P1", "ips"), invalid("levels.drug")},
		{"no level", prepared, trial.LevelsCorrected{Participant: "P1", Reason: "misread"}, invalid("levels")},
		{"no reason", prepared, bad, invalid("reason")},
		{"nothing", prepared, corrected("P1", "alcohol"), trial.ErrNothingChanged},
		{"nothing, the second time", then(opened, then(randomized("P1"), corrected("P1", "other"))...), corrected("P1", "other"), trial.ErrNothingChanged},
		{"what was prepared with other levels", then(prepared, corrected("P1", "other")), commit("P1"), trial.ErrIntentExpired},
	})
}

func TestDuplicatesRefuse(t *testing.T) {
	two := then(opened, then(randomized("P1"), randomized("P2")...)...)
	flag := func(kind trial.Code, of trial.ParticipantID) trial.ErrorRecorded {
		return trial.ErrorRecorded{Participant: "P2", Kind: kind, Of: of}
	}
	checkRefusals(t, []refusal{
		{"of nobody", two, flag("duplicate", "P9"), trial.ErrNotFound},
		{"of itself", two, flag("duplicate", "P2"), invalid("of")},
		{"another kind", two, flag("not-eligible", "P1"), invalid("of")},
	})
	if p, _ := tell(t, then(two, flag("duplicate", "P1"))...).Participant("P2"); p.DuplicateOf != "P1" || p.Slot != 1 {
		t.Errorf("%+v", p)
	}
}

func TestReplacementsRefuse(t *testing.T) {
	three := then(opened, then(randomized("P1"), then(randomized("P2"), randomized("P3")...)...)...)
	replaced := trial.Replaced{Participant: "P1", By: "P2"}
	checkRefusals(t, []refusal{
		{"somebody who isn't randomized", then(opened, readied("P1")...), replaced, trial.ErrNotRandomized},
		{"by somebody who isn't randomized", then(opened, then(randomized("P1"), readied("P2")...)...), replaced, trial.ErrNotRandomized},
		{"by somebody earlier", three, trial.Replaced{Participant: "P2", By: "P1"}, invalid("by")},
		{"by oneself", three, trial.Replaced{Participant: "P2", By: "P2"}, invalid("by")},
		{"twice", then(three, replaced), trial.Replaced{Participant: "P1", By: "P3"}, trial.ErrExists},
		{"two by one", then(three, trial.Replaced{Participant: "P1", By: "P3"}), trial.Replaced{Participant: "P2", By: "P3"}, trial.ErrExists},
	})
	h := tell(t, then(three, replaced, trial.Replaced{Participant: "P2", By: "P3"})...)
	if p, _ := h.Participant("P2"); p.Replaces != "P1" || p.ReplacedBy != "P3" {
		t.Errorf("%+v", p)
	}
}

// Who was allocated by an envelope is randomized on the day on which it was
// opened, out of the stratum's envelopes, and no slot of the sequence moves.
func TestEnvelopesTakeNoSlot(t *testing.T) {
	use := opensEnvelope("P1", 2, date("2020-03-01"))
	h := tell(t, then(opened, then([]any{printed(3)}, then(readied("P1"), then([]any{day("2020-03-04"), use}, randomized("P2")...)...)...)...)...)
	p, _ := h.Participant("P1")
	if p.Envelope != 2 || p.Slot != 1 || !p.Randomized() || h.RandomizedOn(p) != date("2020-03-01") || h.Slots() != 1 {
		t.Errorf("%+v, %d slots", p, h.Slots())
	}
	if p, _ := h.Participant("P2"); p.Slot != 0 || h.RandomizedOn(p) != date("2020-03-04") {
		t.Errorf("%+v", p)
	}
	if got, err := h.Decide(h.meta(use), use); got != nil || err != nil {
		t.Errorf("the same envelope of the same participant again: %v, %v", got, err)
	}
}

func TestUseOfEnvelopesRefuses(t *testing.T) {
	start := time.Date(2020, 3, 1, 10, 0, 0, 0, time.UTC)
	ready := then(opened, then([]any{printed(2)}, then(readied("P1"), readied("P2")...)...)...)
	use := opensEnvelope("P1", 1, date("2020-03-01"))
	change := func(f func(*trial.ContingencyUsed)) trial.ContingencyUsed {
		e := use
		f(&e)
		return e
	}
	checkRefusals(t, []refusal{
		{"nobody", opened, use, trial.ErrNotFound},
		{"without envelopes", then(opened, readied("P1")...), use, invalid("envelope")},
		{"without a baseline", then(opened, printed(2), screened("P1")), use, trial.ErrNoBaseline},
		{"without a consent", then(opened, printed(2), bare("P1")), use, trial.ErrNoConsent},
		{"while it is fenced", then(ready, trial.Restored{}), use, trial.ErrFenced},
		{"envelope 0", ready, change(func(e *trial.ContingencyUsed) { e.Envelope = 0 }), invalid("envelope")},
		{"an envelope too many", ready, change(func(e *trial.ContingencyUsed) { e.Envelope = 3 }), invalid("envelope")},
		{"an envelope twice", then(ready, use), opensEnvelope("P2", 1, date("2020-03-01")), invalid("envelope")},
		{"another envelope of the same participant", then(ready, use), change(func(e *trial.ContingencyUsed) { e.Envelope = 2 }), trial.ErrAlreadyRandomized},
		{"no envelope of a randomized participant", then(ready, trial.Prepared{Participant: "P1"}, commit("P1")), change(func(e *trial.ContingencyUsed) { e.Envelope = 0 }), trial.ErrAlreadyRandomized},
		{"a randomized participant", then(ready, trial.Prepared{Participant: "P1"}, commit("P1")), use, trial.ErrAlreadyRandomized},
		{"tomorrow", ready, change(func(e *trial.ContingencyUsed) { e.On = date("2020-03-02") }), invalid("on")},
		{"before the consent", ready, change(func(e *trial.ContingencyUsed) { e.On = date("2020-02-29") }), invalid("on")},
		{"after the end", then(ready, trial.EnrolmentClosed{}, day("2020-03-09")), change(func(e *trial.ContingencyUsed) { e.On = date("2020-03-02") }), invalid("on")},
		{"no day", ready, change(func(e *trial.ContingencyUsed) { e.On = trial.Date{} }), invalid("on")},
		{"nobody beside", ready, change(func(e *trial.ContingencyUsed) { e.Witness = "" }), invalid("witness")},
		{"oneself beside", ready, change(func(e *trial.ContingencyUsed) { e.Witness = "kari" }), invalid("witness")},
		{"no reason", ready, change(func(e *trial.ContingencyUsed) { e.Reason = "lucky" }), invalid("reason")},
		{"after the unsealing", then(ready, start, trial.EnrolmentClosed{}, trial.Locked{}, plan, trial.UnsealingProposed{}, trial.Unsealed{}), use, trial.ErrUnsealed},
	})
	tell(t, then(ready, trial.EnrolmentClosed{}, use)...) // the server was down until after the end
}
