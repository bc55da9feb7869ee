package trial_test

import (
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
)

func TestAssessmentRefuses(t *testing.T) {
	base := then(opened, randomized("P1")...)
	due := then(base, day("2020-09-05"))
	ended := func(e trial.Event) []any { return then(base, day("2020-06-02"), e, day("2020-09-05")) }
	w2 := ended(withdrawn("P1", trial.FromFollowUp, "2020-06-01"))
	dead := ended(trial.Died{Participant: "P1", On: date("2020-06-01")})
	erased := ended(withdrawn("P1", trial.FromData, "2020-06-01"))
	form := func(f trial.FormID, on string) trial.FormSubmitted { return submitted("P1", "month-6", f, on) }
	at := func(v trial.VisitID, f trial.FormID) trial.FormSubmitted { return submitted("P1", v, f, "2020-09-05") }
	version := form("audit", "2020-09-05")
	version.Version = 2
	correct := trial.FormCorrected{Participant: "P1", Visit: "month-6", Form: "audit", Version: 1, Sealed: []byte{1}}
	otherVersion := correct
	otherVersion.Version = 2
	missed := trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "moved"}
	checkRefusals(t, []refusal{
		{"an unknown visit", due, at("month-3", "audit"), invalid("visit")},
		{"an unknown form", due, at("month-6", "dudit"), invalid("form")},
		{"a form of another visit", due, submitted("P1", "month-6", "history", "2020-09-05"), invalid("form")},
		{"another version", due, version, invalid("form")},
		{"nobody", due, submitted("P9", "month-6", "audit", "2020-09-05"), trial.ErrNotFound},
		{"twice", then(due, form("audit", "2020-09-01")), form("audit", "2020-09-01"), trial.ErrAlreadySubmitted},
		{"tomorrow", due, form("audit", "2020-09-06"), invalid("on")},
		{"before the randomization", due, form("audit", "2020-02-29"), invalid("on")},
		{"out of order", due, form("jobs", "2020-09-05"), trial.ErrFormOrder},
		{"in the order of another visit", then(due, form("guess", "2020-09-05")), at("month-12", "jobs"), trial.ErrFormOrder},
		{"before randomization", then(opened, readied("P1")...), submitted("P1", "month-6", "audit", "2020-03-01"), trial.ErrNotRandomized},
		{"of an excluded person", then(opened, bare("P1"), trial.Excluded{Participant: "P1", Reason: "other"}), submitted("P1", "baseline", "audit", "2020-03-01"), trial.ErrExcluded},
		{"a baseline without consent", then(opened, bare("P1")), submitted("P1", "baseline", "audit", "2020-03-01"), trial.ErrNoConsent},
		{"after the withdrawal from follow-up", w2, form("audit", "2020-06-02"), trial.ErrFollowUpEnded},
		{"after death", dead, form("audit", "2020-06-02"), trial.ErrFollowUpEnded},
		{"after erasure", erased, form("audit", "2020-06-01"), trial.ErrErased},
		{"a correction of nothing", due, correct, trial.ErrNotSubmitted},
		{"a correction after erasure", erased, correct, trial.ErrErased},
		{"a correction of another version", then(due, form("audit", "2020-09-01")), otherVersion, invalid("form")},
		{"the baseline missed", due, trial.VisitMissed{Participant: "P1", Visit: "baseline", Reason: "moved"}, invalid("visit")},
		{"an unknown visit missed", due, trial.VisitMissed{Participant: "P1", Visit: "month-3", Reason: "moved"}, invalid("visit")},
		{"missed for an unknown reason", due, trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "in-tau"}, invalid("reason")},
		{"missed by nobody", due, trial.VisitMissed{Participant: "P9", Visit: "month-6", Reason: "moved"}, trial.ErrNotFound},
		{"missed before randomization", then(opened, readied("P1")...), missed, trial.ErrNotRandomized},
		{"missed the day before the window", then(base, day("2020-08-17")), missed, trial.ErrNotInWindow},
		{"missed twice", then(due, missed), missed, trial.ErrExists},
		{"missed, but there", then(due, observed("P1", "month-6", "2020-09-05")...), missed, trial.ErrAlreadySubmitted},
		{"missed after the withdrawal", w2, missed, trial.ErrFollowUpEnded},
		{"missed after death", dead, missed, trial.ErrFollowUpEnded},
		{"missed after erasure", erased, missed, trial.ErrErased},
	})
	t.Run("by another role", func(t *testing.T) {
		h := tell(t, due...)
		for _, role := range []trial.Role{trial.Coordinator, trial.TreatmentTeam, ""} {
			m := h.meta(form("audit", "2020-09-05"))
			m.Role = role
			if _, err := h.Decide(m, form("audit", "2020-09-05")); !is(err, invalid("form")) {
				t.Errorf("as %q: %v", role, err)
			}
		}
	})
}

// A form that waits for one which the protocol doesn't have is never due.
func TestFormAfterAnUnknownFormIsRefused(t *testing.T) {
	lost := trial.Form{ID: "lost", Version: 1, By: trial.Assessor, Visits: []trial.VisitID{"month-6"}, After: "gone"}
	history := then([]any{trial.Created{Protocol: protocol(), Forms: 5}}, events(append(forms(), trial.FormDefined{Form: lost}))...)
	history = then(history, trial.DesignSealed{}, trial.DesignKept{Sealed: []byte{1}}, trial.EnrolmentOpened{})
	history = then(history, randomized("P1")...)
	history = then(history, day("2020-09-05"))
	checkRefusals(t, []refusal{{"lost", history, submitted("P1", "month-6", "lost", "2020-09-05"), trial.ErrFormOrder}})
}

// Missing data are worse than late data: what the window says is noted, not
// enforced; what happened up to the end of follow-up can still be entered.
func TestAssessmentsOutsideTheWindowAreAccepted(t *testing.T) {
	base := then(opened, randomized("P1")...)
	for _, tt := range []struct {
		name    string
		history []any
		on      string
		timing  string
	}{
		{"on the day of randomization", base, "2020-03-01", "early"},
		{"the day before the window", then(base, day("2020-12-01")), "2020-08-17", "early"},
		{"on the first day", then(base, day("2020-12-01")), "2020-08-18", "in-window"},
		{"on the last day", then(base, day("2020-12-01")), "2020-09-29", "in-window"},
		{"the day after", then(base, day("2020-12-01")), "2020-09-30", "late"},
		{"on the day of withdrawal", then(base, day("2020-09-05"), withdrawn("P1", trial.FromFollowUp, "2020-09-01")), "2020-09-01", "in-window"},
		{"on the day of death", then(base, day("2020-09-05"), trial.Died{Participant: "P1", On: date("2020-09-01")}), "2020-09-01", "in-window"},
		{"after stopping the intervention", then(base, day("2020-09-05"), withdrawn("P1", trial.FromIntervention, "2020-04-01")), "2020-09-01", "in-window"},
		{"after it was missed", then(base, day("2020-09-05"), trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "moved"}), "2020-09-05", "in-window"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, then(tt.history, submitted("P1", "month-6", "audit", tt.on))...)
			p, _ := h.Participant("P1")
			if got := h.Timing(p, "month-6", date(tt.on)); got != tt.timing {
				t.Errorf("timing %q, want %q", got, tt.timing)
			}
			if got := h.Timing(p, "baseline", date(tt.on)); got != "baseline" {
				t.Errorf("timing at the baseline %q", got)
			}
		})
	}
}

func TestConductRefuses(t *testing.T) {
	base := then(opened, randomized("P1")...)
	later := then(base, day("2020-06-02"))
	w := func(scope trial.Scope, on string) trial.Withdrawn { return withdrawn("P1", scope, on) }
	died := func(on string) trial.Died { return trial.Died{Participant: "P1", On: date(on)} }
	inError := func(kind trial.Code) trial.ErrorRecorded { return trial.ErrorRecorded{Participant: "P1", Kind: kind} }
	erased := then(later, w(trial.FromData, "2020-06-01"))
	badReason := w(trial.FromFollowUp, "2020-06-01")
	badReason.Reason = "no-ips"
	checkRefusals(t, []refusal{
		{"withdrawal of nobody", later, withdrawn("P9", trial.FromData, "2020-06-01"), trial.ErrNotFound},
		{"withdrawal tomorrow", later, w(trial.FromData, "2020-06-03"), invalid("on")},
		{"withdrawal before randomization", later, w(trial.FromFollowUp, "2020-02-29"), invalid("on")},
		{"withdrawal for an unknown reason", later, badReason, invalid("reason")},
		{"withdrawal from nothing", later, w("all", "2020-06-01"), invalid("scope")},
		{"withdrawal from nothing at screening", then(opened, bare("P1")), w("all", "2020-03-01"), invalid("scope")},
		{"from the intervention at screening", then(opened, bare("P1")), w(trial.FromIntervention, "2020-03-01"), trial.ErrNotRandomized},
		{"from the follow-up at screening", then(opened, bare("P1")), w(trial.FromFollowUp, "2020-03-01"), trial.ErrNotRandomized},
		{"from the intervention twice", then(later, w(trial.FromIntervention, "2020-06-01")), w(trial.FromIntervention, "2020-06-01"), trial.ErrExists},
		{"from the follow-up twice", then(later, w(trial.FromFollowUp, "2020-06-01")), w(trial.FromFollowUp, "2020-06-01"), trial.ErrExists},
		{"from the data twice", erased, w(trial.FromData, "2020-06-01"), trial.ErrErased},
		{"death before randomization", then(opened, bare("P1")), died("2020-03-01"), trial.ErrNotRandomized},
		{"death before the day of randomization", later, died("2020-02-29"), invalid("on")},
		{"death tomorrow", later, died("2020-06-03"), invalid("on")},
		{"death without a date", later, trial.Died{Participant: "P1"}, invalid("on")},
		{"death twice", then(later, died("2020-06-01")), died("2020-06-01"), trial.ErrExists},
		{"death after erasure", erased, died("2020-06-01"), trial.ErrErased},
		{"an error before randomization", then(opened, bare("P1")), inError("duplicate"), trial.ErrNotRandomized},
		{"an unknown error", later, inError("oops"), invalid("kind")},
		{"an error twice", then(later, inError("duplicate")), inError("duplicate"), trial.ErrExists},
	})
}

// A lock is where the compartments are, whatever was proposed.
func TestLocksAreNumberedAndPlaced(t *testing.T) {
	h := tell(t, then(opened, then(randomized("P1"), trial.Locked{}, bare("P2"), trial.Locked{Number: 9, Conduct: 1}, trial.Exported{Lock: 2})...)...)
	first, err := h.Lock(1)
	if err != nil || first.Number != 1 || first.By != "kari" || first.Conduct != h.Len(trial.Conduct)-4 || first.Outcome != 1 {
		t.Errorf("lock 1: %+v, %v", first, err)
	}
	if got := h.LocksHolding("P1"); len(got) != 2 {
		t.Errorf("locks that hold P1: %v", got)
	}
	if got := h.LocksHolding("P2"); got != nil {
		t.Errorf("locks that hold P2, who is not randomized: %v", got)
	}
	wrong := trial.Locked{Number: 3, Conduct: h.Len(trial.Conduct) - 1, Outcome: 1}
	if err := h.Apply(trial.Meta{At: h.now, Index: h.Len(trial.Conduct)}, wrong); err == nil {
		t.Error("a lock of another place was applied")
	}
}
