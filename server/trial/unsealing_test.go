package trial_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

var (
	plan     = trial.PlanFrozen{Digest: [32]byte{7}, Version: "1.0"}
	ended    = then(opened, then(randomized("P1"), trial.EnrolmentClosed{}, trial.Locked{}, plan)...)
	proposed = then(ended, trial.UnsealingProposed{})
	unsealed = then(proposed, trial.Unsealed{})
)

// Two people unseal, after enrolment, a lock of everything and a frozen plan
// (TS-2).
func TestTS2UnsealingRefuses(t *testing.T) {
	start := time.Date(2020, 3, 1, 10, 0, 0, 0, time.UTC)
	assessed := submitted("P1", "month-6", "audit", "2020-09-01")
	propose, unseal := trial.UnsealingProposed{}, trial.Unsealed{}
	checkRefusals(t, []refusal{
		{"while enrolment is open", then(opened, trial.Locked{}, plan), propose, trial.ErrNotReady},
		{"before enrolment was ever open", then(sealed, trial.Locked{}, plan), propose, trial.ErrNotReady},
		{"without a lock", then(closed, plan), propose, trial.ErrNotReady},
		{"without a plan", then(closed, trial.Locked{}), propose, trial.ErrNotReady},
		{"with answers after the lock", then(ended, day("2020-09-01"), assessed), propose, trial.ErrNotReady},
		{"while it is fenced", then(ended, trial.Restored{}), propose, trial.ErrNotReady},
		{"proposed already", proposed, propose, trial.ErrExists},
		{"nobody proposed", ended, unseal, trial.ErrNotProposed},
		{"proposed too long ago", then(proposed, start.Add(trial.ProposalLife+1)), unseal, trial.ErrNotProposed},
		{"another plan since", then(proposed, trial.PlanFrozen{Digest: [32]byte{8}, Version: "2.0"}), unseal, trial.ErrNotProposed},
		{"opened since", then(proposed, trial.EnrolmentOpened{}, trial.EnrolmentClosed{}), unseal, trial.ErrNotProposed},
		{"answers since", then(proposed, day("2020-03-02"), submitted("P1", "month-6", "audit", "2020-03-02")), unseal, trial.ErrNotReady},
		{"an envelope since", then(then(opened, then([]any{printed(1)}, then(readied("P1"), trial.EnrolmentClosed{}, trial.Locked{}, plan, propose)...)...), opensEnvelope("P1", 1, date("2020-03-01"))), unseal, trial.ErrNotProposed},
		{"unsealed already", unsealed, unseal, trial.ErrUnsealed},
		{"proposed again", unsealed, propose, trial.ErrUnsealed},
		{"a reveal before", proposed, trial.Revealed{}, trial.ErrNotUnsealed},
		{"a plan after", unsealed, plan, trial.ErrUnsealed},
		{"opening after", unsealed, trial.EnrolmentOpened{}, trial.ErrUnsealed},
		{"a plan without a digest", opened, trial.PlanFrozen{Version: "1.0"}, invalid("digest")},
		{"a plan without a version", opened, trial.PlanFrozen{Digest: [32]byte{1}}, invalid("version")},
		{"a plan with a text for a version", opened, trial.PlanFrozen{Digest: [32]byte{1}, Version: "one, or so"}, invalid("version")},
	})
	t.Run("by one person", func(t *testing.T) {
		h := tell(t, proposed...)
		m := h.meta(unseal)
		m.Actor = "kari"
		if _, err := h.Decide(m, unseal); !is(err, trial.ErrSamePerson) {
			t.Error(err)
		}
	})
	t.Run("at the end of its life", func(t *testing.T) {
		h := tell(t, then(proposed, start.Add(trial.ProposalLife), unseal, trial.Revealed{})...)
		if at, index := h.Unsealed(); !at.Equal(start.Add(trial.ProposalLife)) || h.log[len(h.log)-2].meta.Index != index || h.Phase() != "unsealed" {
			t.Errorf("unsealed at %v by entry %d, phase %s", at, index, h.Phase())
		}
	})
	t.Run("proposed again after the end of its life", func(t *testing.T) {
		tell(t, then(proposed, start.Add(trial.ProposalLife+1), propose, unseal)...)
	})
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		history []any
		want    []string
	}{
		{"all", then(opened, trial.Restored{}), []string{"enrolment-closed", "lock", "analysis-plan", "reconciliation"}},
		{"a lock", then(closed, plan), []string{"lock"}},
		{"nothing", ended, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tell(t, tt.history...).BeforeUnsealing(); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
