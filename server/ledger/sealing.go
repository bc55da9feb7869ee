package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// Seal draws the seed and seals it with the design. If there is a second party,
// enrolment opens only after its contribution, see [Trial.Contribute]. It
// returns the sealing as it was then, for a repeated request that of the first,
// also if it was abandoned since.
//
// The design must fit the protocol: the ratio of its arms, for minimization the
// number of sites and of the levels of each factor, for a list the strata. The
// error wraps [randomization.ErrDesign] if the design can't be used.
func (t *Trial) Seal(ctx context.Context, by Caller, design randomization.Design, secondParty bool) (trial.Sealing, Receipt, error) {
	if err := design.Validate(); err != nil {
		return trial.Sealing{}, Receipt{}, err
	}
	commitment, sealed, err := t.sealDesign(ctx, design)
	if err != nil {
		return trial.Sealing{}, Receipt{}, err
	}
	a, err := t.do(&call{
		ctx: ctx, by: by, done: make(chan struct{}),
		proposal: trial.DesignSealed{Commitment: commitment, AwaitsEntropy: secondParty},
		follow:   trial.DesignKept{Sealed: sealed},
		unless:   func(s *trial.State) error { return suits(s.Protocol(), design) },
	})
	if err != nil {
		return trial.Sealing{}, Receipt{}, err
	}
	e, ok := a.Events[0].(trial.DesignSealed)
	if !ok {
		return trial.Sealing{}, Receipt{}, ErrReused
	}
	before, kept, err := t.keptAs(ctx, e.Commitment)
	if err != nil {
		return trial.Sealing{}, Receipt{}, err
	}
	if !bytes.Equal(kept.design.Encode(), design.Encode()) {
		return trial.Sealing{}, Receipt{}, ErrReused
	}
	return trial.Sealing{
		Commitment: e.Commitment, At: a.Receipt.At, By: by.Actor, Index: a.Receipt.Index, Awaits: e.AwaitsEntropy, Abandoned: before,
	}, a.Receipt, nil
}

// keptAs returns what was committed to, and how many sealings there were before:
// each has one entry in the compartment of allocations, and as long as one can
// be abandoned there are no others.
func (t *Trial) keptAs(ctx context.Context, commitment [32]byte) (before int, k keptDesign, err error) {
	for at := int64(0); at < t.config.Log.Len(t.List(trial.Allocation)); at++ {
		_, e, err := t.receipt(ctx, place{trial.Allocation, at})
		if err != nil {
			return 0, k, err
		}
		kept, ok := e.Event.(trial.DesignKept)
		if !ok {
			break
		}
		if k, err = t.openDesign(ctx, kept.Sealed); err != nil {
			return 0, k, fmt.Errorf("ledger: entry %d of %s: %w", at, trial.Allocation, err)
		}
		if k.commitment(t.id) == commitment {
			return int(at), k, nil
		}
	}
	return 0, k, errors.New("ledger: there is no sealed design for the commitment")
}

// Sealing returns the present sealing and the receipt of its entry. The caller
// must not change it. It fails with [trial.ErrNotSealed].
func (t *Trial) Sealing(ctx context.Context) (trial.Sealing, Receipt, error) {
	var sealing trial.Sealing
	err := t.View(func(s *trial.State) error {
		var ok bool
		if sealing, ok = s.Sealing(); !ok {
			return trial.ErrNotSealed
		}
		return nil
	})
	if err != nil {
		return trial.Sealing{}, Receipt{}, err
	}
	r, _, err := t.receipt(ctx, place{trial.Conduct, sealing.Index})
	return sealing, r, err
}

// Contribute adds the second party's entropy to the seed of the sealing with a
// commitment, which must be the present one: the server was bound to its own
// part before it saw this one.
//
// Beside the errors of [Trial.Do] it fails with [trial.ErrNoContribution],
// [trial.ErrSamePerson] and a [trial.Invalid] for another commitment.
func (t *Trial) Contribute(ctx context.Context, by Caller, commitment [32]byte, entropy []byte) (Receipt, error) {
	a, err := t.do(&call{
		ctx: ctx, by: by, done: make(chan struct{}),
		proposal: trial.EntropyContributed{Entropy: bytes.Clone(entropy)},
		unless: func(s *trial.State) error {
			if present, ok := s.Commitment(); ok && present != commitment {
				return &trial.Invalid{Field: "commitment", Problem: "is not that of the present sealing; compare it with the present sealing record, and nothing is contributed to another"}
			}
			return nil
		},
	})
	return a.Receipt, err
}
