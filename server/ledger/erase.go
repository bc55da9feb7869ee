package ledger

import (
	"context"
	"fmt"

	"github.com/lodd-rct/lodd/server/trial"
)

// Erase destroys the key of a participant's data, after a withdrawal from the
// data that another person recorded. The entry comes first: if the server ends
// before the key is destroyed, a repeat or the next start destroys it. Whoever
// asks again, and however often, gets the receipt of the one erasure.
//
// Beside the errors of [Trial.Do] it fails with [trial.ErrNotWithdrawn] and
// [trial.ErrSamePerson].
func (t *Trial) Erase(ctx context.Context, by Caller, id trial.ParticipantID) (Receipt, error) {
	a, err := t.Do(ctx, by, trial.Erased{Participant: id})
	if err != nil {
		return Receipt{}, err
	}
	if err := t.config.Vault.Destroy(context.WithoutCancel(ctx), t.participantKey(id)); err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if len(a.Events) > 0 {
		return a.Receipt, nil
	}
	var at int64
	err = t.View(func(s *trial.State) error {
		p, ok := s.Participant(id)
		if !ok {
			return fmt.Errorf("participant %s: %w", id, trial.ErrNotFound)
		}
		at = p.Erasure
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	r, _, err := t.receipt(ctx, place{trial.Conduct, at})
	r.Repeated = true
	return r, err
}

// outOfReach returns [trial.ErrErased] once a participant has withdrawn from the
// data, whether or not somebody has destroyed them yet.
func (t *Trial) outOfReach(id trial.ParticipantID) error {
	return t.View(func(s *trial.State) error {
		if p, ok := s.Participant(id); ok && !p.WithdrewData.IsZero() {
			return trial.ErrErased
		}
		return nil
	})
}
