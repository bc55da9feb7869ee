package trial_test

import (
	"errors"
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
)

// What cannot be undone takes two people: one records the withdrawal from the
// data, another destroys them.
func TestErasureRefuses(t *testing.T) {
	erase := trial.Erased{Participant: "P1"}
	base := then(opened, then(randomized("P1"), day("2020-06-02"))...)
	w3 := withdrawn("P1", trial.FromData, "2020-06-01")
	checkRefusals(t, []refusal{
		{"of nobody", base, trial.Erased{Participant: "P9"}, trial.ErrNotFound},
		{"without a withdrawal", base, erase, trial.ErrNotWithdrawn},
		{"after the intervention alone", then(base, withdrawn("P1", trial.FromIntervention, "2020-06-01")), erase, trial.ErrNotWithdrawn},
		{"after the follow-up alone", then(base, withdrawn("P1", trial.FromFollowUp, "2020-06-01")), erase, trial.ErrNotWithdrawn},
		{"the withdrawal again after it", then(base, w3, erase), w3, trial.ErrErased},
	})
	t.Run("by the same person", func(t *testing.T) {
		h := tell(t, then(base, w3)...)
		m := h.meta(w3)
		if _, err := h.Decide(m, erase); !errors.Is(err, trial.ErrSamePerson) {
			t.Errorf("Decide: %v", err)
		}
		m.Index = h.Len(trial.Conduct)
		if err := h.Apply(m, erase); !errors.Is(err, trial.ErrSamePerson) {
			t.Errorf("Apply: %v", err)
		}
	})
}

// Whoever asks again learns that it is done; the log takes it once.
func TestErasureIsIdempotent(t *testing.T) {
	erase := trial.Erased{Participant: "P1"}
	h := tell(t, then(opened, bare("P1"), withdrawn("P1", trial.FromData, "2020-03-01"))...)
	if p, _ := h.Participant("P1"); p.Erased() || p.WithdrewData.IsZero() {
		t.Errorf("withdrawn: %+v", p)
	}
	at := h.Len(trial.Conduct)
	if err := h.do(erase); err != nil {
		t.Fatal(err)
	}
	if p, _ := h.Participant("P1"); !p.Erased() || p.Erasure != at {
		t.Errorf("erased: %+v, want entry %d", p, at)
	}
	for _, actor := range []string{"per", "kari"} {
		m := h.meta(erase)
		m.Actor = actor
		if got, err := h.Decide(m, erase); err != nil || got != nil {
			t.Errorf("%s again: %v, %v; want no event", actor, got, err)
		}
		m.Index = h.Len(trial.Conduct)
		if err := h.Apply(m, erase); !errors.Is(err, trial.ErrErased) {
			t.Errorf("%s again, applied: %v", actor, err)
		}
	}
}
