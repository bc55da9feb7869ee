// Package envelope prints the sheets of backup envelopes and seals them to two
// people, who can open them only together.
//
// It keeps nothing in clear: what is printed is wiped once it is sealed.
package envelope

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"filippo.io/age"
)

// Recipients are two people to whom sheets are sealed.
type Recipients struct{ first, second *age.X25519Recipient }

// ParseRecipients reads two age recipients, as in age1….
func ParseRecipients(texts []string) (Recipients, error) {
	if len(texts) != 2 {
		return Recipients{}, fmt.Errorf("%d given, want two: one of each of two people", len(texts))
	}
	var r Recipients
	for i, to := range []**age.X25519Recipient{&r.first, &r.second} {
		var err error
		if *to, err = age.ParseX25519Recipient(texts[i]); err != nil {
			return Recipients{}, fmt.Errorf("number %d is no age recipient, want one as age-keygen prints it: age1 and 58 more characters", i+1)
		}
	}
	return r, nil
}

// Digests returns the SHA-256 of the text of each recipient.
func (r Recipients) Digests() [2][32]byte {
	return [2][32]byte{sha256.Sum256([]byte(r.first.String())), sha256.Sum256([]byte(r.second.String()))}
}

// seal encrypts plain to the first recipient and what comes out to the second
// one: the second opens the outer one, the first what was in it. Texts of one
// length give files of one length.
func (r Recipients) seal(plain []byte) ([]byte, error) {
	inner, err := encrypt(r.first, plain)
	if err != nil {
		return nil, err
	}
	return encrypt(r.second, inner)
}

func encrypt(to age.Recipient, plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, fmt.Errorf("envelope: seal: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("envelope: seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("envelope: seal: %w", err)
	}
	return out.Bytes(), nil
}
