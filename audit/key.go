package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NewVerifier returns the verifier of a public key of a log or of exports, as
// [note.NewVerifier] does, but refuses a key that is written as Ed25519 keys
// aren't: the standard has verifiers refuse it, and not all do, so that two of
// them could disagree about one archive.
//
// Source: C2SP signed-note (2025), "Verifier keys".
func NewVerifier(key string) (note.Verifier, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("audit: key %q: %w", key, err)
	}
	b, err := base64.StdEncoding.DecodeString(strings.SplitN(key, "+", 3)[2])
	if err != nil || !canonical(b[1:]) { // the first byte is the type
		return nil, fmt.Errorf("audit: key %q: %w", key, errNotCanonical)
	}
	return v, nil
}

var errNotCanonical = errors.New("it isn't written as Ed25519 keys are")

// canonical reports whether 32 bytes are the one way to write a point: y, least
// byte first, below the prime 2^255 - 19, and in the highest bit the sign of x,
// which 0 doesn't have. Whether there is a point with this y, whoever verifies a
// signature finds out.
//
// Source: RFC 8032 (2017), section 5.1.3, steps 1 and 4.
func canonical(key []byte) bool {
	b := slices.Clone(key)
	slices.Reverse(b)
	negative := b[0]&0x80 != 0
	b[0] &= 0x7f
	one := big.NewInt(1)
	prime := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	y := new(big.Int).SetBytes(b)
	// x is 0 for the two roots of y² = 1.
	zero := y.Cmp(one) == 0 || y.Cmp(new(big.Int).Sub(prime, one)) == 0
	return y.Cmp(prime) < 0 && (!negative || !zero)
}
