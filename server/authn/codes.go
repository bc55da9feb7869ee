package authn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
)

// codeSize is the number of random bytes in a code: 160 bits, which fill eight
// groups of four letters.
const codeSize = 20

// ErrCode is returned for a text that can't be a one-time code.
var ErrCode = errors.New("authn: this is not a one-time code: it has 32 letters and digits in groups of four; copy all of it")

// Codes makes and checks one-time codes. Only their digests are kept, by the
// caller, who also sees to it that each works once. All methods may be called
// concurrently.
type Codes struct {
	key    [32]byte
	random io.Reader
}

// NewCodes returns codes whose digests depend on key, a secret of the server,
// so that a stolen list of digests can't be tried elsewhere.
func NewCodes(key [32]byte, random io.Reader) *Codes { return &Codes{key, random} }

// Format implements [fmt.Formatter]: the key doesn't print.
func (*Codes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// New returns a code for a person, as ABCD-EFGH-… in eight groups, and the
// digest to keep.
func (c *Codes) New() (code string, digest []byte, err error) {
	secret := make([]byte, codeSize)
	if _, err := io.ReadFull(c.random, secret); err != nil {
		return "", nil, fmt.Errorf("authn: read one-time code: %w", err)
	}
	text := base32.StdEncoding.EncodeToString(secret)
	var groups []string
	for i := 0; i < len(text); i += 4 {
		groups = append(groups, text[i:i+4])
	}
	return strings.Join(groups, "-"), c.digest(secret), nil
}

// Digest returns what New returned beside code, or [ErrCode]. Case, spaces and
// dashes don't matter, and 0, 1 and 8, which no code has, are read as the
// letters O, I and B.
func (c *Codes) Digest(code string) ([]byte, error) {
	if len(code) > 4*codeSize {
		return nil, ErrCode
	}
	code = strings.NewReplacer(" ", "", "-", "", "\t", "", "\n", "", "\r", "", "0", "O", "1", "I", "8", "B").Replace(strings.ToUpper(code))
	secret, err := base32.StdEncoding.DecodeString(code)
	if err != nil || len(secret) != codeSize {
		return nil, ErrCode
	}
	return c.digest(secret), nil
}

// Matches reports whether code is the one whose digest was kept. The time it
// takes doesn't depend on how much of the digest agrees.
func (c *Codes) Matches(code string, digest []byte) bool {
	got, err := c.Digest(code)
	return err == nil && hmac.Equal(got, digest)
}

func (c *Codes) digest(secret []byte) []byte {
	m := hmac.New(sha256.New, c.key[:])
	m.Write([]byte("lodd one-time code v1\n"))
	m.Write(secret)
	return m.Sum(nil)
}
