package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the type of a key that co-signs, in front of its bytes.
//
// Source: C2SP tlog-cosignature (2025), "Format".
const algCosignature = 0x04

// A Cosigner is a [note.Signer] by which a witness states that it has seen a
// checkpoint at some time, and that it continues all that it had seen before.
//
// Source: C2SP tlog-cosignature (2025), cosignature/v1.
type Cosigner struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
	at   int64 // seconds since 1970
}

// GenerateCosigner returns a new key pair for a witness of this name, as text:
// the private half for [NewCosigner], the public one for
// [NewCosignatureVerifier]. It takes 32 bytes from random.
func GenerateCosigner(random io.Reader, name string) (private, public string, err error) {
	if !validKeyName(name) {
		return "", "", fmt.Errorf("audit: name %q of a witness: want letters without spaces and +, for example witness.example.org", name)
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return "", "", fmt.Errorf("audit: read key of witness: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	public = keyText(name, key, key)
	private = privatePrefix + keyText(name, key, seed)
	return private, public, nil
}

const privatePrefix = "PRIVATE+KEY+"

// NewCosigner returns a signer for the instant at.
func NewCosigner(private string, at time.Time) (*Cosigner, error) {
	text, ok := strings.CutPrefix(private, privatePrefix)
	name, hash, seed, err := parseKey(text)
	if !ok || err != nil || at.Unix() < 0 {
		return nil, errors.New("audit: the private key of the witness is none, or its time is before 1970")
	}
	key := ed25519.NewKeyFromSeed(seed)
	if hash != keyHash(name, key.Public().(ed25519.PublicKey)) {
		return nil, errors.New("audit: the private key of the witness is damaged: its hash is another one")
	}
	return &Cosigner{name: name, hash: hash, key: key, at: at.Unix()}, nil
}

// Name implements [note.Signer].
func (c *Cosigner) Name() string { return c.name }

// KeyHash implements [note.Signer].
func (c *Cosigner) KeyHash() uint32 { return c.hash }

// Sign implements [note.Signer]: eight bytes of time, then the signature.
func (c *Cosigner) Sign(msg []byte) ([]byte, error) {
	sig := binary.BigEndian.AppendUint64(nil, uint64(c.at))
	return append(sig, ed25519.Sign(c.key, cosigned(uint64(c.at), msg))...), nil
}

// Format implements [fmt.Formatter]: a cosigner holds a key.
func (*Cosigner) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// Verifier returns the public half.
func (c *Cosigner) Verifier() *CosignatureVerifier {
	return &CosignatureVerifier{name: c.name, hash: c.hash, key: c.key.Public().(ed25519.PublicKey)}
}

// A CosignatureVerifier is a [note.Verifier] of the co-signatures of one
// witness.
type CosignatureVerifier struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// NewCosignatureVerifier returns the verifier of a public key of a witness:
// name, hash in hexadecimal, and type 4 with the key in base64, joined by "+".
//
// Source: C2SP signed-note (2025), "Verifier keys".
func NewCosignatureVerifier(public string) (*CosignatureVerifier, error) {
	name, hash, key, err := parseKey(public)
	if err == nil && hash != keyHash(name, key) {
		err = errors.New("its hash is that of another key")
	}
	if err == nil && !canonical(key) {
		err = errNotCanonical
	}
	if err != nil {
		return nil, fmt.Errorf("audit: public key of a witness %q: %w", public, err)
	}
	return &CosignatureVerifier{name: name, hash: hash, key: key}, nil
}

// Name implements [note.Verifier].
func (v *CosignatureVerifier) Name() string { return v.name }

// KeyHash implements [note.Verifier].
func (v *CosignatureVerifier) KeyHash() uint32 { return v.hash }

// Verify implements [note.Verifier].
func (v *CosignatureVerifier) Verify(msg, sig []byte) bool {
	at, ok := cosignatureTime(sig)
	return ok && ed25519.Verify(v.key, cosigned(at, msg), sig[timeBytes:])
}

// String returns the public key, as NewCosignatureVerifier reads it.
func (v *CosignatureVerifier) String() string { return keyText(v.name, v.key, v.key) }

const timeBytes = 8

// cosignatureTime returns the seconds since 1970 in a signature, which may be
// none.
func cosignatureTime(sig []byte) (uint64, bool) {
	if len(sig) != timeBytes+ed25519.SignatureSize {
		return 0, false
	}
	at := binary.BigEndian.Uint64(sig)
	return at, at <= math.MaxInt64
}

// cosigned returns what a witness signs of the text of a note.
func cosigned(at uint64, msg []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), msg...)
}

// parseKey parses the text of a key, whose last part is its type and 32 bytes.
func parseKey(text string) (name string, hash uint32, key []byte, err error) {
	name, rest, _ := strings.Cut(text, "+")
	hex, encoded, _ := strings.Cut(rest, "+")
	h, errHash := strconv.ParseUint(hex, 16, 32)
	b, errKey := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case !validKeyName(name) || len(hex) != 8 || errHash != nil || errKey != nil:
		return "", 0, nil, errors.New("it is no key: a key is name, hash and base64, joined by +, as in witness.example.org+1a2b3c4d+BAbC")
	case len(b) == 0 || b[0] != algCosignature:
		return "", 0, nil, errors.New("it is a key of another kind: that of a witness has a 4 as its type, and begins with B after the second +")
	case len(b) != 1+ed25519.PublicKeySize:
		return "", 0, nil, fmt.Errorf("it has %d bytes, want %d", len(b), 1+ed25519.PublicKeySize)
	}
	return name, uint32(h), b[1:], nil
}

// keyText returns the text of a key: its public half for the hash, and the half
// that the text is to hold.
func keyText(name string, public, half []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, public), base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, half...)))
}

// keyHash returns the first bytes of the hash of a key and its name.
//
// Source: C2SP signed-note (2025), "Signatures".
func keyHash(name string, public []byte) uint32 {
	h := sha256.Sum256(append([]byte(name+"\n\x04"), public...))
	return binary.BigEndian.Uint32(h[:])
}

// validKeyName reports whether a key may have a name: that of a note can't
// hold others.
func validKeyName(name string) bool {
	return name != "" && len(name) <= maxList && utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsSpace) < 0 && !strings.Contains(name, "+")
}

// interface checks
var (
	_ note.Signer   = (*Cosigner)(nil)
	_ note.Verifier = (*CosignatureVerifier)(nil)
)
