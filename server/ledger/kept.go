package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// Sealed designs are padded, so that their size tells nothing: all but a list
// to one length, a list to a multiple of another one.
const (
	designSize = 1024
	listStep   = 4096
	// maxDesign leaves room in a record for what an entry says of itself.
	maxDesign = 15 * listStep
)

// secrets are the bytes of seed and salt.
const secrets = 2 * randomization.SecretSize

// A keptDesign is what is sealed before the first participant. It does not
// print.
type keptDesign struct {
	design randomization.Design
	seed   randomization.Seed // as it was drawn
	salt   randomization.Salt
}

// Format implements [fmt.Formatter].
func (keptDesign) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// MarshalText implements [encoding.TextMarshaler], for JSON and structured logs.
func (keptDesign) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

func (k keptDesign) commitment(id trial.ID) [32]byte {
	return randomization.Commit(string(id), k.design, k.seed, k.salt)
}

// sealDesign draws seed and salt and returns the commitment to them and to the
// design, and all three sealed.
func (t *Trial) sealDesign(ctx context.Context, design randomization.Design) (commitment [32]byte, sealed []byte, err error) {
	code := design.Encode()
	size := designSize
	if n := 3 + len(code) + secrets; n >= designSize {
		size = (n/listStep + 1) * listStep
	}
	if size > maxDesign {
		return commitment, nil, &trial.Invalid{Field: "list", Problem: fmt.Sprintf("makes a sealed design of more than %d bytes, the most that are stored; an arm takes one byte, a stratum its name and 16: give shorter lists", maxDesign)}
	}
	k := keptDesign{design: design}
	if k.seed, err = randomization.NewSeed(t.config.Seeds); err != nil {
		return commitment, nil, err
	}
	if k.salt, err = randomization.NewSalt(t.config.Seeds); err != nil {
		return commitment, nil, err
	}
	plain := []byte{1} // version of this encoding
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(code)))
	plain = slices.Concat(plain, code, k.seed.Bytes(), k.salt.Bytes())
	if plain, err = vault.Pad(plain, size); err != nil {
		return commitment, nil, err
	}
	if err := t.config.Vault.Create(ctx, t.allocationKey()); err != nil {
		return commitment, nil, err
	}
	sealed, err = t.config.Vault.Seal(ctx, t.allocationKey(), plain, bindTo("design"))
	return k.commitment(t.id), sealed, err
}

// openDesign is the inverse of sealDesign.
func (t *Trial) openDesign(ctx context.Context, sealed []byte) (k keptDesign, err error) {
	plain, err := t.config.Vault.Open(ctx, t.allocationKey(), sealed, bindTo("design"))
	if err != nil {
		return k, fmt.Errorf("open design: %w", err)
	}
	if plain, err = vault.Unpad(plain); err != nil {
		return k, fmt.Errorf("open design: %w", err)
	}
	if len(plain) < 3+secrets || plain[0] != 1 || int(binary.BigEndian.Uint16(plain[1:]))+3+secrets != len(plain) {
		return k, errors.New("sealed design has an unknown form")
	}
	code, secret := plain[3:len(plain)-secrets], plain[len(plain)-secrets:]
	if k.design, err = randomization.DecodeDesign(code); err != nil {
		return k, err
	}
	if k.seed, err = randomization.SeedFromBytes(secret[:randomization.SecretSize]); err != nil {
		return k, err
	}
	k.salt, err = randomization.SaltFromBytes(secret[randomization.SecretSize:])
	return k, err
}

// openDeck opens a sealed design. It checks it against the commitment in the log
// and against the protocol.
func (t *Trial) openDeck(ctx context.Context, s *trial.State, sealed []byte) (*deck, error) {
	k, err := t.openDesign(ctx, sealed)
	if err != nil {
		return nil, err
	}
	if want, _ := s.Commitment(); k.commitment(t.id) != want {
		return nil, errors.New("sealed design is not the one that was committed to")
	}
	if err := suits(s.Protocol(), k.design); err != nil {
		return nil, fmt.Errorf("sealed design: %w", err)
	}
	return newDeck(string(t.id), k, k.seed)
}

// suits reports why a design, which can be used, doesn't fit a protocol.
func suits(p *trial.Protocol, design randomization.Design) error {
	var ratio []int
	for _, arm := range p.Arms {
		ratio = append(ratio, arm.Ratio)
	}
	if !slices.Equal(ratio, design.ArmRatio()) {
		return &trial.Invalid{Field: "design", Problem: fmt.Sprintf("ratio %v, but the protocol has %v", design.ArmRatio(), ratio)}
	}
	switch d := design.(type) {
	case randomization.Minimization:
		return suitsFactors(p, d)
	case randomization.List:
		return suitsStrata(p, d)
	default:
		return nil
	}
}

// suitsFactors demands of minimization the site and then the protocol's factors.
func suitsFactors(p *trial.Protocol, m randomization.Minimization) error {
	want, got := []int{len(p.Sites)}, []int(nil)
	for _, f := range p.Factors {
		want = append(want, len(f.Levels))
	}
	for _, f := range m.Factors {
		got = append(got, f.Levels)
	}
	if !slices.Equal(want, got) {
		return &trial.Invalid{Field: "design", Problem: fmt.Sprintf("factors with %v levels, but the protocol's sites and factors have %v", got, want)}
	}
	return nil
}

// suitsStrata demands of a list the protocol's strata.
func suitsStrata(p *trial.Protocol, l randomization.List) error {
	names := map[trial.Stratum]bool{}
	for _, s := range l.Strata {
		names[trial.Stratum(s.Name)] = true
	}
	if n := p.CountStrata(); n != len(names) {
		return &trial.Invalid{Field: "list", Problem: fmt.Sprintf("%d strata, but the protocol has %d", len(names), n)}
	}
	for _, s := range p.Strata() {
		if !names[s] {
			return &trial.Invalid{Field: "list", Problem: fmt.Sprintf("there is no stratum %q", s)}
		}
	}
	return nil
}
