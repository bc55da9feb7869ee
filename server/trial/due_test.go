package trial_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/trial"
)

// dues shows a due list as lines: participant, visit, state and forms.
func dues(h *story, role trial.Role, ahead int) []string {
	var out []string
	for _, d := range h.Due(h.now, role, ahead) {
		line := string(d.Participant) + " " + string(d.Visit) + " " + d.State
		for _, f := range d.Forms {
			line += " " + string(f)
		}
		out = append(out, line)
	}
	return out
}

func TestDueListShowsWhatIsMissing(t *testing.T) {
	base := then(opened, randomized("P1")...)
	all := []string{"P1 month-6 open audit guess jobs"}
	overdue := then(base, day("2020-12-01"))
	for _, tt := range []struct {
		name    string
		history []any
		role    trial.Role
		ahead   int
		want    []string
	}{
		{"nobody at screening without consent", then(opened, bare("P1")), trial.Assessor, 400, nil},
		{"the baseline", then(opened, screened("P1")), trial.Assessor, 0, []string{"P1 baseline baseline audit"}},
		{"the baseline of another role", then(opened, screened("P1")), trial.Coordinator, 0, []string{"P1 baseline baseline history"}},
		{"no baseline that is complete", then(opened, readied("P1")...), trial.Assessor, 400, nil},
		{"no baseline after an exclusion", then(opened, screened("P1"), trial.Excluded{Participant: "P1", Reason: "other"}), trial.Assessor, 400, nil},
		{"nothing that opens later than the horizon", then(base, day("2020-08-10")), trial.Assessor, 7, nil},
		{"what opens at the horizon", then(base, day("2020-08-11")), trial.Assessor, 7, []string{"P1 month-6 upcoming audit guess jobs"}},
		{"the day before it opens", then(base, day("2020-08-17")), trial.Assessor, 1, []string{"P1 month-6 upcoming audit guess jobs"}},
		{"the first day", then(base, day("2020-08-18")), trial.Assessor, 0, all},
		{"the last day", then(base, day("2020-09-29")), trial.Assessor, 0, all},
		{"the day after", then(base, day("2020-09-30")), trial.Assessor, 0, []string{"P1 month-6 overdue audit guess jobs"}},
		{"what is left of a visit", then(base, day("2020-09-01"), submitted("P1", "month-6", "audit", "2020-09-01")), trial.Assessor, 0, []string{"P1 month-6 open guess jobs"}},
		{"nothing of a visit that is complete", then(base, then([]any{day("2020-09-01")}, observed("P1", "month-6", "2020-09-01")...)...), trial.Assessor, 0, nil},
		{"nothing of a missed visit", then(overdue, trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "moved"}), trial.Assessor, 0, nil},
		{"all after stopping the intervention (W1)", then(overdue, withdrawn("P1", trial.FromIntervention, "2020-04-01")), trial.Assessor, 0, []string{"P1 month-6 overdue audit guess jobs"}},
		{"nothing after leaving follow-up (W2)", then(overdue, withdrawn("P1", trial.FromFollowUp, "2020-12-01")), trial.Assessor, 400, nil},
		{"nothing after erasure (W3)", then(overdue, withdrawn("P1", trial.FromData, "2020-12-01")), trial.Assessor, 400, nil},
		{"nothing after death", then(overdue, trial.Died{Participant: "P1", On: date("2020-12-01")}), trial.Assessor, 400, nil},
		{"all after an error", then(overdue, trial.ErrorRecorded{Participant: "P1", Kind: "duplicate"}), trial.Assessor, 0, []string{"P1 month-6 overdue audit guess jobs"}},
		{"both visits, by target", overdue, trial.Assessor, 120, []string{"P1 month-6 overdue audit guess jobs", "P1 month-12 upcoming audit guess jobs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, dues(tell(t, tt.history...), tt.role, tt.ahead)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The list is by target, then by participant: nothing of the order in which
// people came, and so nothing of their slots, shows in it.
func TestDueListIsByTargetAndParticipant(t *testing.T) {
	history := then(opened, screened("P9"), screened("P0"))
	history = then(history, randomized("P3")...)
	history = then(history, randomized("P2")...)
	history = then(history, day("2020-03-02"))
	history = then(history, randomized("P1")...)
	history = then(history, day("2020-09-05"))
	want := []string{
		"P0 baseline baseline audit", "P9 baseline baseline audit", "P2 month-6 open audit guess jobs",
		"P3 month-6 open audit guess jobs", "P1 month-6 open audit guess jobs",
	}
	if diff := cmp.Diff(want, dues(tell(t, history...), trial.Assessor, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestMissingNamesWhatStandsBeforeRandomization(t *testing.T) {
	for _, tt := range []struct {
		name    string
		history []any
		want    []string
	}{
		{"all", then(opened, bare("P1")), []string{"consent", "eligibility", "history", "audit"}},
		{"the baseline", then(opened, screened("P1")), []string{"history", "audit"}},
		{"nothing", then(opened, readied("P1")...), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tell(t, tt.history...)
			p, _ := h.Participant("P1")
			if diff := cmp.Diff(tt.want, h.Missing(p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
