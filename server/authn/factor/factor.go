// Package factor is the second factor of an account: codes that an app computes
// from a shared secret and the time, and recovery codes for the day when the
// app is gone.
//
// It keeps nothing. The caller keeps the bytes of a [Factor], sealed, and writes
// them again after each code that was taken, before anybody is let in by it.
package factor

import (
	"crypto/hmac"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/lodd-rct/lodd/server/authn"
)

const (
	secretSize = 20               // bytes of a secret: those of the hash, as RFC 4226 wants
	period     = 30 * time.Second // how long a code is shown
	window     = 1                // steps that a clock may be off, in both directions

	// Recoveries is how many recovery codes a person gets.
	Recoveries = 10
)

// A Factor is what is kept of one account's second factor. It doesn't print: it
// shows as "sealed". It must not be used concurrently.
//
// Source: RFC 6238 (2011), sections 4 and 5.2, with its defaults: SHA-1, six
// digits, steps of 30 seconds; NIST SP 800-63B-4 (2025), section 3.1.4.
type Factor struct {
	secret   [secretSize]byte
	used     int64      // the step of the last code that was taken; no earlier one is
	recovery [][32]byte // digests of the recovery codes that are left
}

// New returns a factor whose secret is read from random. It has no recovery
// codes yet.
func New(random io.Reader) (Factor, error) {
	var f Factor
	if _, err := io.ReadFull(random, f.secret[:]); err != nil {
		return Factor{}, fmt.Errorf("factor: read secret: %w", err)
	}
	return f, nil
}

// Format implements [fmt.Formatter]: a factor doesn't print.
func (Factor) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// Secret returns the secret as a person types it into an app: 32 letters and
// digits.
func (f Factor) Secret() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(f.secret[:])
}

// URI returns the secret as an app reads it from a picture. The issuer is the
// name of the server. Neither may be empty.
func (f Factor) URI(issuer, account string) (string, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: strings.ReplaceAll(issuer, ":", " "), AccountName: account, Secret: f.secret[:],
	})
	if err != nil {
		return "", fmt.Errorf("factor: make URI: %w", err)
	}
	return key.URL(), nil
}

// Take reports whether code is that of the time at, of the step before or of
// the step after, and takes it: neither it nor an earlier one is taken again,
// also if the clock steps back. Spaces don't matter. The time it takes doesn't
// depend on which digits are right.
func (f *Factor) Take(code string, at time.Time) bool {
	code = strings.Join(strings.Fields(code), "")
	now, found := at.Unix()/int64(period/time.Second), int64(-1)
	for step := max(0, now-window); step <= now+window; step++ {
		if hmac.Equal([]byte(f.code(step)), []byte(code)) && step > f.used {
			found = step
		}
	}
	if found < 0 {
		return false
	}
	f.used = found
	return true
}

// code returns the code of a step.
func (f Factor) code(step int64) string {
	code, err := hotp.GenerateCodeCustom(f.Secret(), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		panic("factor: " + err.Error()) // only of a secret that isn't base32, and ours is
	}
	return code
}

// NewRecovery replaces the recovery codes by new ones and returns them. Nobody
// can be told them again.
func (f *Factor) NewRecovery(c *authn.Codes) ([]string, error) {
	var codes []string
	var digests [][32]byte
	for range Recoveries {
		code, digest, err := c.New()
		if err != nil {
			return nil, fmt.Errorf("factor: make recovery codes: %w", err)
		}
		codes, digests = append(codes, code), append(digests, [32]byte(digest))
	}
	f.recovery = digests
	return codes, nil
}

// Recover reports whether code is one of the recovery codes that are left, and
// takes it.
func (f *Factor) Recover(c *authn.Codes, code string) bool {
	digest, err := c.Digest(code)
	if err != nil {
		return false
	}
	at := -1
	for i, kept := range f.recovery {
		if hmac.Equal(kept[:], digest) {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	f.recovery = slices.Concat(f.recovery[:at], f.recovery[at+1:])
	return true
}

// Left returns how many recovery codes are left.
func (f Factor) Left() int { return len(f.recovery) }

// IsRecovery reports whether a text is rather a recovery code than one of an
// app: those have six digits.
func IsRecovery(code string) bool { return len(strings.Join(strings.Fields(code), "")) > 10 }

// errBytes says that what was kept isn't a factor.
var errBytes = errors.New("factor: these bytes are not a second factor of this version")
