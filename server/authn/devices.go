package authn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

const (
	deviceSize = 16 // random bytes in a device token
	markSize   = 16 // bytes of its digest
)

// Devices gives out tokens by which a device is known again. A token opens
// nothing: it only gives its bearer an attempt counter of their own, see
// [Limiter]. Nothing is kept: the server knows its own tokens by their digest,
// also after a restart. All methods may be called concurrently.
type Devices struct {
	key    [32]byte
	random io.Reader
}

// NewDevices returns devices whose tokens depend on key, a secret of the server.
func NewDevices(key [32]byte, random io.Reader) *Devices { return &Devices{key, random} }

// Format implements [fmt.Formatter]: the key doesn't print.
func (*Devices) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// New returns a token for a device from which account has just logged in, and
// which the client keeps.
func (d *Devices) New(account string) (string, error) {
	token := make([]byte, deviceSize, deviceSize+markSize)
	if _, err := io.ReadFull(d.random, token); err != nil {
		return "", fmt.Errorf("authn: read device token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(token, d.mark(account, token)...)), nil
}

// ID returns the device that a token of account stands for, or "" for a
// stranger: no token, another account's, or a forged one.
func (d *Devices) ID(account, token string) string {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != deviceSize+markSize || !hmac.Equal(b[deviceSize:], d.mark(account, b[:deviceSize])) {
		return ""
	}
	// Not the token as it came: the decoder skips line breaks, and each way of
	// writing it would have a counter of its own.
	return base64.RawURLEncoding.EncodeToString(b)
}

func (d *Devices) mark(account string, device []byte) []byte {
	m := hmac.New(sha256.New, d.key[:])
	m.Write([]byte("lodd device v1\n"))
	m.Write(device) // of fixed length, so that the two parts can't shift
	m.Write([]byte(account))
	return m.Sum(nil)[:markSize]
}
