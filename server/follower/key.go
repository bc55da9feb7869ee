package follower

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/lodd-rct/lodd/audit/durable"
)

// certificateLife is how long a follower's certificate is valid. It is made anew
// at each start: only the key is kept, and only that is what the server knows.
const certificateLife = 825 * 24 * time.Hour

// Key returns the certificate of the key in the file path, which is made if there
// is none, and the pin by which a server knows it.
func Key(path string, random io.Reader, now time.Time) (tls.Certificate, string, error) {
	key, err := loadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path, random)
	}
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("the follower's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Lodd follower"},
		NotBefore:   now.Add(-24 * time.Hour), // for a server whose clock is behind
		NotAfter:    now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("the follower's certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("the follower's certificate: %w", err)
	}
	pin := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, base64.RawURLEncoding.EncodeToString(pin[:]), nil
}

func loadKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, rest := pem.Decode(text)
	if b == nil || len(rest) > 0 {
		return nil, fmt.Errorf("%s is no whole private key; with another key the server must list another pin", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is no Ed25519 key; with another key the server must list another pin", path)
	}
	return key, nil
}

// makeKey writes a new key. Killed at any point, it leaves none or a whole one.
func makeKey(path string, random io.Reader) (ed25519.PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(seed)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, durable.Create(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
