package trial

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/server/proposal"
)

// ProposalLife is how long a proposal can be approved.
const ProposalLife = proposal.Life

// A Plan is a frozen statistical analysis plan.
type Plan struct {
	Version string
	Digest  [32]byte // SHA-256 of the document
}

// A Proposal is the first of two people's acts.
type Proposal = proposal.Proposal

// Plan returns the frozen analysis plan, if there is one.
func (s *State) Plan() (Plan, bool) { return s.plan, s.plan.Version != "" }

// Proposal returns the proposal to unseal that can be approved at an instant.
func (s *State) Proposal(at time.Time) (Proposal, bool) {
	return s.proposal, s.proposal.Live(at)
}

// Unsealed returns when the trial was unsealed, or the zero time, and the index
// of the entry in conduct.
func (s *State) Unsealed() (time.Time, int64) { return s.unsealedAt, s.unsealedIndex }

func (s *State) unsealed() bool { return !s.unsealedAt.IsZero() }

// BeforeUnsealing names what is to be done before the trial can be unsealed:
// "enrolment-closed", "lock" for one that holds every outcome entry,
// "analysis-plan" and "reconciliation".
//
// Source: ICH E9 (1998), sections 5.1 and 7.1: the plan and the data are final
// before the blind is broken.
func (s *State) BeforeUnsealing() []string {
	var missing []string
	note := func(yes bool, what string) {
		if yes {
			missing = append(missing, what)
		}
	}
	note(s.open || !s.opened, "enrolment-closed")
	note(len(s.locks) == 0 || s.locks[len(s.locks)-1].Outcome != s.lens.outcome, "lock")
	note(s.plan.Version == "", "analysis-plan")
	note(s.fenced(), "reconciliation")
	return missing
}

// A NotReady says what is to be done before the trial can be unsealed.
type NotReady struct{ Missing []string }

// Error names what is missing.
func (e *NotReady) Error() string {
	return "the trial can't be unsealed yet; it needs first: " + strings.Join(e.Missing, ", ")
}

// Is makes every NotReady an [ErrNotReady].
func (e *NotReady) Is(target error) bool { return target == ErrNotReady }

func (s *State) checkUnsealing(m Meta, e Event) error {
	switch e := e.(type) {
	case PlanFrozen:
		return first(
			when(s.unsealed(), ErrUnsealed),
			when(e.Digest == [32]byte{}, &Invalid{"digest", "is missing, want the SHA-256 of the document"}),
			when(!planVersion.MatchString(e.Version), &Invalid{"version", fmt.Sprintf("%q, want 1 to 32 letters, digits, dots and hyphens", e.Version)}),
		)
	case UnsealingProposed:
		_, live := s.Proposal(m.At)
		return first(s.readyToUnseal(), when(live, ErrExists))
	case Unsealed:
		p, live := s.Proposal(m.At)
		return first(when(s.unsealed(), ErrUnsealed), when(!live, ErrNotProposed), when(p.By == m.Actor, ErrSamePerson), s.readyToUnseal())
	case Revealed:
		return when(!s.unsealed(), ErrNotUnsealed)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

var planVersion = regexp.MustCompile(`^[A-Za-z0-9.-]{1,32}$`)

func (s *State) readyToUnseal() error {
	if s.unsealed() {
		return ErrUnsealed
	}
	if missing := s.BeforeUnsealing(); len(missing) > 0 {
		return &NotReady{missing}
	}
	return nil
}

func (s *State) applyUnsealing(m Meta, e Event) {
	switch e := e.(type) {
	case PlanFrozen: // whoever proposed knew another one
		s.plan, s.proposal = Plan{e.Version, e.Digest}, Proposal{}
	case UnsealingProposed:
		s.proposal = proposal.New(m.Actor, m.At)
	case Unsealed:
		s.unsealedAt, s.unsealedIndex, s.proposal = m.At, m.Index, Proposal{}
	}
}
