package randomization

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A Commitment binds a trial's design and seed without telling either. It is
// published before the first participant is randomized.
type Commitment [sha256.Size]byte

// Commit returns the commitment to a trial's design and seed, the seed as it
// was drawn, before any [Seed.Contribute]. The salt hides the design from
// whoever tries all likely ones, should the seed alone become known.
//
// After the reveal, whoever has the four arguments calls Commit again and
// compares.
func Commit(trial string, design Design, seed Seed, salt Salt) Commitment {
	return sha256.Sum256(pack([]byte(tagCommitment), []byte(trial), design.Encode(), seed.Bytes(), salt.Bytes()))
}

// String returns the commitment as 64 hexadecimal digits in lower case.
func (c Commitment) String() string { return hex.EncodeToString(c[:]) }

// ParseCommitment is the inverse of [Commitment.String]. It takes upper case
// too, since people copy commitments from paper.
func ParseCommitment(s string) (Commitment, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size {
		return Commitment{}, fmt.Errorf("randomization: %q is no commitment: want 64 digits from 0-9 and a-f", s)
	}
	return Commitment(b), nil
}
