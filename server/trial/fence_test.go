package trial_test

import (
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
)

const alcohol trial.Stratum = "OSLO/drug=alcohol"

func lost(stratum trial.Stratum, slots int) trial.Reconciled {
	return trial.Reconciled{Lost: []trial.LostSlots{{Stratum: stratum, Slots: slots}}}
}

// After a restore from an older copy nobody is randomized before the custodian
// has said which slots are lost.
func TestFenceRefuses(t *testing.T) {
	ready := then(opened, then(readied("P1"), trial.Prepared{Participant: "P1"})...)
	fenced := then(ready, trial.Restored{Conduct: 4, Outcome: 2, Allocation: 2})
	unknown := then(opened, trial.Restored{})
	many := then(opened, trial.Restored{Allocation: trial.MaxLostSlots + 500})
	prepare := trial.Prepared{Participant: "P1"}
	twice := trial.Reconciled{Lost: []trial.LostSlots{{Stratum: alcohol, Slots: 1}, {Stratum: alcohol, Slots: 1}}}
	checkRefusals(t, []refusal{
		{"preparing", then(opened, then(readied("P1"), trial.Restored{})...), prepare, trial.ErrFenced},
		{"what was prepared before", fenced, commit("P1"), trial.ErrFenced},
		{"opening a sealed trial", then(sealed, trial.Restored{}), trial.EnrolmentOpened{}, trial.ErrFenced},
		{"opening again", then(closed, trial.Restored{}), trial.EnrolmentOpened{}, trial.ErrFenced},
		{"after a second restore", then(opened, then(readied("P1"), trial.Restored{}, trial.Reconciled{}, trial.Restored{})...), prepare, trial.ErrFenced},
		{"fewer entries than none", opened, trial.Restored{Outcome: -1}, invalid("lost")},
		{"reconciling without a restore", opened, trial.Reconciled{}, trial.ErrNotFenced},
		{"reconciling twice", then(unknown, trial.Reconciled{}), trial.Reconciled{}, trial.ErrNotFenced},
		{"fewer slots than were lost", fenced, lost(alcohol, 1), invalid("lost")},
		{"fewer slots than one of two restores lost", then(fenced, trial.Restored{}), lost(alcohol, 1), invalid("lost")},
		{"no slots", unknown, lost(alcohol, 0), invalid("lost")},
		{"too many slots", unknown, lost(alcohol, trial.MaxLostSlots+1), invalid("lost")},
		{"more slots than the many that were lost", many, lost(alcohol, trial.MaxLostSlots+501), invalid("lost")},
		{"fewer slots than the many that were lost", many, lost(alcohol, trial.MaxLostSlots), invalid("lost")},
		{"a stratum twice", unknown, twice, invalid("lost")},
		{"an unknown site", unknown, lost("NARVIK/drug=alcohol", 1), invalid("lost")},
		{"an unknown level", unknown, lost("OSLO/drug=none", 1), invalid("lost")},
		{"an unknown factor", unknown, lost("OSLO/sex=alcohol", 1), invalid("lost")},
		{"a site without its factors", unknown, lost("OSLO", 1), invalid("lost")},
		{"a factor too many", unknown, lost("OSLO/drug=alcohol/drug=other", 1), invalid("lost")},
	})
}

// Everything but randomization goes on behind the fence.
func TestFenceLetsTheRestOfTheTrialGoOn(t *testing.T) {
	steps := then(opened, randomized("P1")...)
	steps = then(steps, readied("P2")...)
	steps = then(steps, trial.Restored{Conduct: 1}, bare("P3"), trial.Excluded{Participant: "P3", Reason: "declined"},
		day("2020-09-01"), submitted("P1", "month-6", "audit", "2020-09-01"),
		trial.Locked{}, withdrawn("P1", trial.FromData, "2020-09-01"), trial.Erased{Participant: "P1"}, trial.EnrolmentClosed{})
	h := tell(t, steps...)
	if decided, err := h.Decide(h.meta(commit("P1")), commit("P1")); err != nil || decided != nil {
		t.Errorf("a repeated randomization: %v, %v", decided, err)
	}
	if was, fenced := h.Fence(); !fenced || was != (trial.Restored{Conduct: 1}) {
		t.Errorf("fence: %+v, %v", was, fenced)
	}
}

// Lost slots are never used: whoever comes next gets the one behind them, in
// that stratum alone.
func TestSA03LostSlotsAreSkipped(t *testing.T) {
	steps := then(opened, randomized("P1")...)
	steps = then(steps, trial.Restored{Allocation: 2}, trial.Restored{}, lost(alcohol, 2))
	steps = then(steps, randomized("P2")...)
	steps = then(steps, trial.Restored{}, trial.Reconciled{})
	steps = then(steps, randomized("P3")...)
	other := screened("P4")
	other.Levels = []trial.Code{"other"}
	steps = then(steps, other, submitted("P4", "baseline", "history", "2020-03-01"), submitted("P4", "baseline", "audit", "2020-03-01"),
		trial.Prepared{Participant: "P4"}, commit("P4"))
	h := tell(t, steps...)
	for p, want := range map[trial.ParticipantID]int{"P1": 0, "P2": 3, "P3": 4, "P4": 0} {
		if got, _ := h.Participant(p); got.Slot != want {
			t.Errorf("%s has slot %d, want %d", p, got.Slot, want)
		}
	}
}

// However many slots are known to be lost, all may have been of one stratum, and
// the trial can be reconciled.
func TestSA03ManyLostSlotsOfOneStratum(t *testing.T) {
	const many = trial.MaxLostSlots + 500
	steps := then(opened, trial.Restored{Allocation: many}, lost(alcohol, many))
	h := tell(t, then(steps, randomized("P1")...)...)
	if got, _ := h.Participant("P1"); got.Slot != many {
		t.Errorf("P1 has slot %d, want %d", got.Slot, many)
	}
}

// If the design was lost too, the lost slots are of a sequence that nobody can
// draw any more, and none of the new one has to be given up.
func TestLostDesignTakesItsSlotsWithIt(t *testing.T) {
	tell(t, then(created, trial.Restored{Allocation: 25}, trial.DesignSealed{}, trial.DesignKept{Sealed: []byte{1}},
		trial.Reconciled{}, trial.EnrolmentOpened{})...)
}
