package openid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

const nonceSize = 16 + 8 // random bytes, and the end in milliseconds since 1970

// nonces makes nonces that are known again without being kept: strangers may
// ask for as many as they like. The key is of this process, so that no nonce
// outlives it.
type nonces struct {
	key    [32]byte
	random io.Reader
}

func newNonces(random io.Reader) (nonces, error) {
	n := nonces{random: random}
	if _, err := io.ReadFull(random, n.key[:]); err != nil {
		return nonces{}, fmt.Errorf("openid: read key of nonces: %w", err)
	}
	return n, nil
}

func (n nonces) make(expires time.Time) (string, error) {
	b := make([]byte, nonceSize, nonceSize+sha256.Size)
	if _, err := io.ReadFull(n.random, b[:16]); err != nil {
		return "", fmt.Errorf("openid: read nonce: %w", err)
	}
	binary.BigEndian.PutUint64(b[16:], uint64(expires.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, n.mac(b)...)), nil
}

// check reports whether a nonce was made here, and when it ends.
func (n nonces) check(text string) (expires time.Time, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != nonceSize+sha256.Size || !hmac.Equal(b[nonceSize:], n.mac(b[:nonceSize])) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[16:]))), true
}

func (n nonces) mac(b []byte) []byte {
	m := hmac.New(sha256.New, n.key[:])
	m.Write([]byte("lodd nonce v1\n"))
	m.Write(b)
	return m.Sum(nil)
}

// marks returns what a token is known again by: the part of it that is signed,
// because the signature can be written in more than one way, and its nonce.
func marks(raw, nonce string) [][32]byte {
	signed := raw[:max(0, strings.LastIndexByte(raw, '.'))]
	m := [][32]byte{sha256.Sum256([]byte("token\n" + signed))}
	if nonce != "" {
		m = append(m, sha256.Sum256([]byte("nonce\n"+nonce)))
	}
	return m
}
