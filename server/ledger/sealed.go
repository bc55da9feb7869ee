package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/lodd-rct/lodd/audit/ahead"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// newKey makes the key of a participant who isn't in the log yet. Whoever is in
// it has one or never gets one: a key that was lost must be missed, and not be
// replaced by another.
func (t *Trial) newKey(ctx context.Context, p trial.ParticipantID) error {
	err := t.known(p)
	if errors.Is(err, trial.ErrNotFound) {
		return t.keyError(t.config.Vault.Create(ctx, t.participantKey(p)))
	}
	return err
}

// sealFor seals plain under the participant's own key, bound to what it is.
func (t *Trial) sealFor(ctx context.Context, p trial.ParticipantID, plain []byte, bind ...string) ([]byte, error) {
	sealed, err := t.config.Vault.Seal(ctx, t.participantKey(p), plain, bindTo(append(bind, string(p))...))
	if errors.Is(err, vault.ErrAbsent) && t.excluded(p) { // with a first entry that needs no key
		return nil, trial.ErrExcluded
	}
	return sealed, t.keyError(err)
}

func (t *Trial) excluded(id trial.ParticipantID) bool {
	return t.View(func(s *trial.State) error {
		if p, ok := s.Participant(id); ok && p.Excluded != "" {
			return trial.ErrExcluded
		}
		return nil
	}) != nil
}

// openFor is the inverse of sealFor. It fails with [trial.ErrErased] once the
// participant has withdrawn from the data, or the key is destroyed.
func (t *Trial) openFor(ctx context.Context, p trial.ParticipantID, sealed []byte, bind ...string) ([]byte, error) {
	if err := t.outOfReach(p); err != nil {
		return nil, err
	}
	plain, err := t.config.Vault.Open(ctx, t.participantKey(p), sealed, bindTo(append(bind, string(p))...))
	return plain, t.keyError(err)
}

func (t *Trial) keyError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vault.ErrDestroyed):
		return trial.ErrErased
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrRefused), errors.Is(err, store.ErrUnknown):
		return outcome(err)
	default:
		return fmt.Errorf("ledger: trial %s: %w", t.id, err)
	}
}

// sealedFor returns the participant under whose key something is sealed in e,
// unless something was in an earlier entry: a correction follows a submission.
func sealedFor(e trial.Event) (trial.ParticipantID, bool) {
	switch e := e.(type) {
	case trial.Screened:
		return e.Participant, len(e.Sealed) > 0
	case trial.EligibilityAssessed:
		return e.Participant, true
	case trial.FormSubmitted:
		return e.Participant, true
	case trial.BlindBroken:
		return e.Participant, len(e.Sealed) > 0
	case trial.AdverseEventReported:
		return e.Participant, len(e.Sealed) > 0
	default:
		return "", false
	}
}

// A sealing is a participant whose key must be there, and the first entry in
// which something is sealed under it.
type sealing struct {
	participant trial.ParticipantID
	at          packed
}

// checkKeys destroys the keys of participants whose data were erased: the server
// may have ended in between, or an older copy of the keys been restored. And it
// refuses a trial in which another's key is gone: keys lie in a map that can be
// changed, and nobody may destroy data by that without an entry, nor one person
// alone by a withdrawal from the data. It names the entry and not the
// participant, since errors end up in the server's log.
func (t *Trial) checkKeys(ctx context.Context, s *trial.State, sealed map[trial.ParticipantID]packed) error {
	var needed []sealing
	for p := range s.Participants() {
		if p.Erased() {
			if err := t.destroy(ctx, p.ID); err != nil {
				return err
			}
		} else if at, ok := sealed[p.ID]; ok {
			needed = append(needed, sealing{p.ID, at})
		}
	}
	n := int64(len(needed))
	for err := range ahead.Of((n+chunk-1)/chunk, runtime.GOMAXPROCS(0), func(i int64) error {
		return t.keysThere(ctx, needed[i*chunk:min((i+1)*chunk, n)])
	}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// keysThere reports the first participant whose key is gone.
func (t *Trial) keysThere(ctx context.Context, needed []sealing) error {
	for _, n := range needed {
		if err := t.config.Vault.Check(ctx, t.participantKey(n.participant)); err != nil {
			at := n.at.place()
			return fmt.Errorf("entry %d of %s is sealed with a key that is gone, and no entry says that it was to be destroyed; bring back the newest copy of the store: %w", at.index, at.in, err)
		}
	}
	return nil
}

// destroy destroys a participant's key if it isn't destroyed yet.
func (t *Trial) destroy(ctx context.Context, p trial.ParticipantID) error {
	gone, err := t.config.Vault.Destroyed(ctx, t.participantKey(p))
	if err != nil || gone {
		return err
	}
	return t.config.Vault.Destroy(ctx, t.participantKey(p))
}
