package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// sealFor seals plain under the participant's own key, bound to what it is.
// The key is made if there is none.
func (t *Trial) sealFor(ctx context.Context, p trial.ParticipantID, plain []byte, bind ...string) ([]byte, error) {
	if err := t.config.Vault.Create(ctx, t.participantKey(p)); err != nil {
		return nil, t.keyError(err)
	}
	sealed, err := t.config.Vault.Seal(ctx, t.participantKey(p), plain, bindTo(append(bind, string(p))...))
	return sealed, t.keyError(err)
}

// openFor is the inverse of sealFor. It fails with [trial.ErrErased] once the
// key is destroyed.
func (t *Trial) openFor(ctx context.Context, p trial.ParticipantID, sealed []byte, bind ...string) ([]byte, error) {
	plain, err := t.config.Vault.Open(ctx, t.participantKey(p), sealed, bindTo(append(bind, string(p))...))
	return plain, t.keyError(err)
}

func (t *Trial) keyError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vault.ErrDestroyed):
		return trial.ErrErased
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrUnknown):
		return outcome(err)
	default:
		return fmt.Errorf("ledger: trial %s: %w", t.id, err)
	}
}
