package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// Sealed texts are padded to these lengths, so that their size tells nothing.
const (
	designSize = 1024
	armSize    = 32
)

// A deck is the opened design of a trial: it knows the arm of every slot. It is
// held in memory only and does not print.
type deck struct {
	trial  string
	design randomization.Design
	seed   randomization.Seed

	mu        sync.Mutex // guards sequences, which draw as they are asked
	sequences map[trial.Stratum]*randomization.Sequence
}

// Format implements [fmt.Formatter].
func (*deck) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// arm returns the arm of a slot, as an index into the protocol's arms.
func (d *deck) arm(s trial.Stratum, slot int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq, ok := d.sequences[s]
	if !ok {
		var err error
		if seq, err = randomization.NewSequence(d.seed, d.design, d.trial, string(s)); err != nil {
			return 0, err
		}
		d.sequences[s] = seq
	}
	arm := seq.At(slot)
	if arm == randomization.NoArm {
		return 0, fmt.Errorf("ledger: stratum has no slot %d", slot)
	}
	return int(arm), nil
}

func newDeck(id trial.ID, design randomization.Design, seed randomization.Seed) *deck {
	return &deck{trial: string(id), design: design, seed: seed, sequences: map[trial.Stratum]*randomization.Sequence{}}
}

// sealDeck draws seed and salt and returns the commitment to them and to the
// design, and all three sealed.
func (t *Trial) sealDeck(ctx context.Context, design randomization.Design) (commitment [32]byte, sealed []byte, err error) {
	seed, err := randomization.NewSeed(t.config.Seeds)
	if err != nil {
		return commitment, nil, err
	}
	salt, err := randomization.NewSalt(t.config.Seeds)
	if err != nil {
		return commitment, nil, err
	}
	code := design.Encode()
	plain := []byte{1} // version of this encoding
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(code)))
	plain = append(append(append(plain, code...), seed.Bytes()...), salt.Bytes()...)
	if plain, err = vault.Pad(plain, designSize); err != nil {
		return commitment, nil, fmt.Errorf("ledger: design is too large to seal: %w", err)
	}
	if err := t.config.Vault.Create(ctx, t.allocationKey()); err != nil {
		return commitment, nil, err
	}
	sealed, err = t.config.Vault.Seal(ctx, t.allocationKey(), plain, bindTo("design"))
	return randomization.Commit(string(t.id), design, seed, salt), sealed, err
}

// openDeck is the inverse of sealDeck. It checks the design against the
// commitment in the log and the ratio against the protocol.
func (t *Trial) openDeck(ctx context.Context, s *trial.State, sealed []byte) (*deck, error) {
	plain, err := t.config.Vault.Open(ctx, t.allocationKey(), sealed, bindTo("design"))
	if err != nil {
		return nil, fmt.Errorf("open design: %w", err)
	}
	if plain, err = vault.Unpad(plain); err != nil {
		return nil, fmt.Errorf("open design: %w", err)
	}
	const secrets = 2 * randomization.SecretSize
	if len(plain) < 3+secrets || plain[0] != 1 || int(binary.BigEndian.Uint16(plain[1:]))+3+secrets != len(plain) {
		return nil, fmt.Errorf("sealed design has an unknown form")
	}
	code, secret := plain[3:len(plain)-secrets], plain[len(plain)-secrets:]
	design, err := randomization.DecodeDesign(code)
	if err != nil {
		return nil, err
	}
	seed, err := randomization.SeedFromBytes(secret[:randomization.SecretSize])
	if err != nil {
		return nil, err
	}
	salt, err := randomization.SaltFromBytes(secret[randomization.SecretSize:])
	if err != nil {
		return nil, err
	}
	if want, _ := s.Commitment(); [32]byte(randomization.Commit(string(t.id), design, seed, salt)) != want {
		return nil, fmt.Errorf("sealed design is not the one that was committed to")
	}
	return newDeck(t.id, design, seed), nil
}

// sealArm draws the arm of the slot and seals it.
func (t *Trial) sealArm(ctx context.Context, d *deck, e trial.Allocated) ([]byte, error) {
	if d == nil {
		return nil, trial.ErrNotSealed
	}
	arm, err := d.arm(e.Stratum, e.Slot)
	if err != nil {
		return nil, err
	}
	plain, err := vault.Pad([]byte{byte(arm)}, armSize)
	if err != nil {
		return nil, err
	}
	return t.config.Vault.Seal(ctx, t.allocationKey(), plain, armContext(e))
}

// checkArm opens a sealed arm and compares it with the one that the design
// gives: whoever changed either is found when the log is read.
func (t *Trial) checkArm(ctx context.Context, f *fold, index int64, e trial.Allocated) error {
	plain, err := t.config.Vault.Open(ctx, t.allocationKey(), e.Sealed, armContext(e))
	if err != nil {
		return fmt.Errorf("entry %d of %s: open allocation: %w", index, trial.Allocation, err)
	}
	if plain, err = vault.Unpad(plain); err != nil || len(plain) != 1 || f.deck == nil {
		return fmt.Errorf("entry %d of %s: sealed allocation has an unknown form", index, trial.Allocation)
	}
	want, err := f.deck.arm(e.Stratum, e.Slot)
	if err != nil || int(plain[0]) != want {
		return fmt.Errorf("entry %d of %s: sealed allocation does not follow from the sealed design", index, trial.Allocation)
	}
	return nil
}

func armContext(e trial.Allocated) []byte {
	return bindTo("arm", string(e.Participant), string(e.Stratum), strconv.Itoa(e.Slot))
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
