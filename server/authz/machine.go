package authz

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// A Pin is the SHA-256 of the SubjectPublicKeyInfo of a machine's certificate.
//
// Source: RFC 7469 (2015), section 2.4 for the digest.
type Pin [sha256.Size]byte

// ParsePin parses a pin in base64url without padding.
func ParsePin(text string) (Pin, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != sha256.Size {
		return Pin{}, fmt.Errorf("%q is no pin: want the 43 characters that the machine prints", text)
	}
	return Pin(b), nil
}

// machine reports whether the caller is one of the followers of the
// configuration. The handshake has shown that it holds the certificate's key;
// nobody vouches for it, and nobody needs to: the pin is of the key itself.
func (g *Guard) machine(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	tls, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(tls.State.PeerCertificates) == 0 {
		return false
	}
	sum := sha256.Sum256(tls.State.PeerCertificates[0].RawSubjectPublicKeyInfo)
	found := 0
	for _, pin := range g.config.Followers {
		found |= subtle.ConstantTimeCompare(pin[:], sum[:])
	}
	return found == 1
}
