package randomization

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// SecretSize is the length of a seed and of a salt in bytes.
const SecretSize = 32

// A Seed is the secret from which all sequences of a trial are drawn. It
// doesn't print: package fmt, JSON, text and slog show it as "sealed". The zero
// Seed is no seed, and [NewSequence] refuses it. Seeds can't be compared by ==,
// but by their bytes.
type Seed struct {
	sealed
	// open returns the bytes. They are kept in a closure because package fmt
	// doesn't ask Format about %p, %w and unexported fields: it shows an array
	// there, and follows a pointer for some verbs. Of a function it shows the
	// address.
	open func() [SecretSize]byte
}

// NewSeed reads 32 bytes from random, which is crypto/rand.Reader outside
// tests. It refuses 32 zeros: that is a broken source.
func NewSeed(random io.Reader) (Seed, error) {
	open, err := readSecret(random)
	if err != nil {
		return Seed{}, fmt.Errorf("randomization: draw seed: %w", err)
	}
	return Seed{open: open}, nil
}

// SeedFromBytes returns the seed that was sealed or revealed as b: 32 bytes,
// not all zero. It copies b.
func SeedFromBytes(b []byte) (Seed, error) {
	open, err := copySecret(b)
	if err != nil {
		return Seed{}, fmt.Errorf("randomization: read seed: %w", err)
	}
	return Seed{open: open}, nil
}

// Bytes returns a copy of the secret, for sealing and for the reveal only. It
// is nil for the zero Seed.
func (s Seed) Bytes() []byte { return secretBytes(s.open) }

// Contribute returns the seed that s and the trial statistician's own entropy
// make together, neither of which alone decides it: s is committed to before
// the statistician gives entropy, which may be of any length. A trial without
// such a step uses s as drawn. The reveal needs s and entropy.
func (s Seed) Contribute(entropy []byte) Seed {
	if s.open == nil {
		return Seed{}
	}
	key := [SecretSize]byte(s.derive(pack([]byte(tagContribution), entropy)))
	return Seed{open: func() [SecretSize]byte { return key }}
}

// derive returns 32 bytes that only the holder of s, which isn't zero, can
// tell from random ones. Each use has an info of its own.
//
// Source: RFC 5869 (2010), section 2, HKDF-SHA-256 without salt.
func (s Seed) derive(info []byte) []byte {
	key, err := hkdf.Key(sha256.New, s.Bytes(), nil, string(info), SecretSize)
	if err != nil {
		panic(err) // only for lengths beyond 255 hashes
	}
	return key
}

// A Salt hides a commitment from whoever guesses the rest. It prints like a
// [Seed] and is revealed with it.
type Salt struct {
	sealed
	open func() [SecretSize]byte // a closure as in Seed
}

// NewSalt reads 32 bytes from random, which is crypto/rand.Reader outside
// tests. It refuses 32 zeros: that is a broken source.
func NewSalt(random io.Reader) (Salt, error) {
	open, err := readSecret(random)
	if err != nil {
		return Salt{}, fmt.Errorf("randomization: draw salt: %w", err)
	}
	return Salt{open: open}, nil
}

// SaltFromBytes returns the salt that was sealed or revealed as b: 32 bytes,
// not all zero. It copies b.
func SaltFromBytes(b []byte) (Salt, error) {
	open, err := copySecret(b)
	if err != nil {
		return Salt{}, fmt.Errorf("randomization: read salt: %w", err)
	}
	return Salt{open: open}, nil
}

// Bytes returns a copy of the secret, for sealing and for the reveal only. It
// is nil for the zero Salt.
func (s Salt) Bytes() []byte { return secretBytes(s.open) }

func readSecret(random io.Reader) (open func() [SecretSize]byte, err error) {
	b := make([]byte, SecretSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, err
	}
	return copySecret(b)
}

func copySecret(b []byte) (open func() [SecretSize]byte, err error) {
	if len(b) != SecretSize {
		return nil, fmt.Errorf("%d bytes, want %d", len(b), SecretSize)
	}
	secret := [SecretSize]byte(b)
	if secret == [SecretSize]byte{} {
		return nil, errors.New("all bytes are zero: the source of random numbers is broken")
	}
	return func() [SecretSize]byte { return secret }, nil
}

func secretBytes(open func() [SecretSize]byte) []byte {
	if open == nil {
		return nil
	}
	b := open()
	return b[:]
}

// sealed makes the type that embeds it print as "sealed".
type sealed struct{}

const sealedText = "sealed"

// Format implements [fmt.Formatter]. A String method would not do: %d and %#v
// walk around it.
func (sealed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, sealedText) }

// MarshalJSON implements [encoding/json.Marshaler].
func (sealed) MarshalJSON() ([]byte, error) { return []byte(`"` + sealedText + `"`), nil }

// MarshalText implements [encoding.TextMarshaler].
func (sealed) MarshalText() ([]byte, error) { return []byte(sealedText), nil }

// LogValue implements [slog.LogValuer].
func (sealed) LogValue() slog.Value { return slog.StringValue(sealedText) }
