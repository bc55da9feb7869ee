package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// armSize is the length to which arms are padded, so that their size tells
// nothing.
const armSize = 32

// sealArms draws the arms of the allocations among events that were decided but
// not applied, and seals them. It fails with [trial.ErrListUsedUp].
func (t *Trial) sealArms(ctx context.Context, events []trial.Event) error {
	for i, e := range events {
		a, ok := e.(trial.Allocated)
		if !ok {
			continue
		}
		if t.deck == nil {
			return trial.ErrNotSealed
		}
		arm, err := t.deck.arm(turnOf(t.state, a, t.state.Slots()))
		if err != nil {
			return err
		}
		plain, err := vault.Pad([]byte{byte(arm)}, armSize)
		if err != nil {
			return err
		}
		if a.Sealed, err = t.config.Vault.Seal(ctx, t.allocationKey(), plain, armContext(a)); err != nil {
			return err
		}
		events[i] = a
	}
	return nil
}

// checkArm opens a sealed arm and compares it with the one that the design
// gives: whoever changed either is found when the log is read.
func (t *Trial) checkArm(ctx context.Context, f *fold, index int64, e trial.Allocated) error {
	arm, err := t.openArm(ctx, e)
	if err != nil {
		return fmt.Errorf("entry %d of %s: %w", index, trial.Allocation, err)
	}
	if f.deck == nil {
		return fmt.Errorf("entry %d of %s: allocation without a sealed design", index, trial.Allocation)
	}
	turn := turnOf(f.state, e, f.state.Slots()-1) // its own slot is among them; an envelope has none
	want, err := f.deck.arm(turn)
	if err != nil || arm != want {
		return fmt.Errorf("entry %d of %s: sealed allocation does not follow from the sealed design", index, trial.Allocation)
	}
	if err := f.deck.note(turn, want); err != nil {
		return fmt.Errorf("entry %d of %s: %w", index, trial.Allocation, err)
	}
	return nil
}

// openArm opens the arm of an allocation.
func (t *Trial) openArm(ctx context.Context, e trial.Allocated) (int, error) {
	padded, err := t.config.Vault.Open(ctx, t.allocationKey(), e.Sealed, armContext(e))
	if err != nil {
		return 0, fmt.Errorf("open allocation: %w", err)
	}
	plain, err := vault.Unpad(padded)
	if err != nil {
		return 0, fmt.Errorf("sealed allocation has an unknown form: %w", err)
	}
	if len(plain) != 1 {
		return 0, fmt.Errorf("sealed allocation has an unknown form: %d bytes, want 1", len(plain))
	}
	return int(plain[0]), nil
}

func armContext(e trial.Allocated) []byte {
	kind := "arm"
	if e.Contingency {
		kind = "envelope"
	}
	return bindTo(kind, string(e.Participant), string(e.Stratum), strconv.Itoa(e.Slot))
}

// bindTo returns the associated data that bind a ciphertext to its place:
// each part with its length before it, so that no two places share one.
func bindTo(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func (t *Trial) allocationKey() vault.KeyID { return vault.KeyID(string(t.id) + "/allocation") }

func (t *Trial) participantKey(p trial.ParticipantID) vault.KeyID {
	return vault.KeyID(string(t.id) + "/participant/" + string(p))
}
