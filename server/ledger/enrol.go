package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/lodd-rct/lodd/server/trial"
)

// Answers are yes (true) or no (false) to the eligibility criteria.
type Answers map[trial.Code]bool

// Screen enters a participant. If answers isn't nil, eligibility follows from
// them; they are kept under the participant's own key.
func (t *Trial) Screen(ctx context.Context, by Caller, e trial.Screened, answers Answers) (Answer, error) {
	if err := t.newKey(ctx, e.Participant); err != nil {
		return Answer{}, err
	}
	if answers == nil {
		return t.Do(ctx, by, e)
	}
	plain, eligible, err := t.judge(answers)
	if err != nil {
		return Answer{}, err
	}
	e.Assessed, e.Eligible = true, eligible
	if e.Sealed, err = t.sealFor(ctx, e.Participant, plain, "answers"); err != nil {
		return Answer{}, err
	}
	a, err := t.Do(ctx, by, e)
	return a, t.sameAnswers(ctx, e.Participant, plain, a, err)
}

// Assess records the answers to the criteria of a screened participant.
func (t *Trial) Assess(ctx context.Context, by Caller, p trial.ParticipantID, answers Answers) (Answer, error) {
	plain, eligible, err := t.judge(answers)
	if err != nil {
		return Answer{}, err
	}
	if err := t.known(p); err != nil {
		return Answer{}, err
	}
	e := trial.EligibilityAssessed{Participant: p, Eligible: eligible}
	if e.Sealed, err = t.sealFor(ctx, p, plain, "answers"); err != nil {
		return Answer{}, err
	}
	a, err := t.Do(ctx, by, e)
	return a, t.sameAnswers(ctx, p, plain, a, err)
}

// judge returns the canonical text of the answers and whether every criterion
// is met. Every criterion must be answered, and nothing else.
func (t *Trial) judge(answers Answers) (plain []byte, eligible bool, err error) {
	err = t.Ahead(func(s *trial.State) error {
		eligible = true
		for _, c := range s.Protocol().Criteria {
			yes, ok := answers[c.ID]
			if !ok {
				return &trial.Invalid{Field: "answers." + string(c.ID), Problem: "is not answered, want yes or no"}
			}
			eligible = eligible && yes == c.Want
		}
		if len(answers) > len(s.Protocol().Criteria) {
			return &trial.Invalid{Field: "answers", Problem: "answer a criterion that the protocol does not have"}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	plain, err = json.Marshal(answers) // keys are sorted
	return plain, eligible, err
}

// sameAnswers returns err, or [ErrReused] if a repeated request came with other
// answers than the first.
func (t *Trial) sameAnswers(ctx context.Context, p trial.ParticipantID, plain []byte, a Answer, err error) error {
	if err != nil || !a.Receipt.Repeated {
		return err
	}
	var sealed []byte
	switch e := a.Events[0].(type) {
	case trial.Screened:
		sealed = e.Sealed
	case trial.EligibilityAssessed:
		sealed = e.Sealed
	}
	return t.samePlain(ctx, p, plain, sealed, "answers")
}

// Randomize commits a prepared randomization. Whoever asks, and however often,
// gets the receipt of the one randomization that the participant has.
func (t *Trial) Randomize(ctx context.Context, by Caller, e trial.Randomized) (Receipt, error) {
	return t.allocate(e.Participant, &call{ctx: ctx, by: by, done: make(chan struct{}), proposal: e})
}

// allocate carries out a command that allocates, and returns the receipt of the
// one allocation that the participant has.
func (t *Trial) allocate(id trial.ParticipantID, c *call) (Receipt, error) {
	a, err := t.do(c)
	if err != nil {
		return Receipt{}, err
	}
	if len(a.Events) > 0 {
		return a.Receipt, nil
	}
	r, ok, err := t.Randomization(c.ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("participant %s: %w", id, trial.ErrNotRandomized)
	}
	r.Repeated = true
	return r, err
}

// Randomization returns the receipt of a participant's randomization, and
// whether there is one.
func (t *Trial) Randomization(ctx context.Context, id trial.ParticipantID) (Receipt, bool, error) {
	var at int64
	var done bool
	err := t.View(func(s *trial.State) error {
		p, ok := s.Participant(id)
		if !ok {
			return fmt.Errorf("participant %s: %w", id, trial.ErrNotFound)
		}
		at, done = p.Receipt, p.Randomized()
		return nil
	})
	if err != nil || !done {
		return Receipt{}, false, err
	}
	r, _, err := t.receipt(ctx, place{trial.Conduct, at})
	return r, true, err
}

// known reports an error if there is no such participant.
func (t *Trial) known(id trial.ParticipantID) error {
	return t.Ahead(func(s *trial.State) error {
		if _, ok := s.Participant(id); !ok {
			return fmt.Errorf("participant %s: %w", id, trial.ErrNotFound)
		}
		return nil
	})
}

// samePlain returns [ErrReused] unless sealed opens to plain.
func (t *Trial) samePlain(ctx context.Context, p trial.ParticipantID, plain, sealed []byte, bind ...string) error {
	was, err := t.openFor(ctx, p, sealed, bind...)
	if err != nil {
		return err
	}
	if !bytes.Equal(was, plain) {
		return ErrReused
	}
	return nil
}
