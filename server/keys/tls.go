package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
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
	"net"
	"slices"
	"strings"
	"time"
)

// The life of the certificates, which are made anew at each start: only the
// authority's key is kept, and only that is what clients remember. The server's
// key never touches the disk, and new hosts need nothing but a restart.
const (
	serverLife = 825 * 24 * time.Hour // the longest that Apple's systems accept
	skew       = 24 * time.Hour       // how far a client's clock may be behind
	keyType    = "PRIVATE KEY"
)

// TLS returns the configuration of a listener: TLS 1.3 only, the server's
// certificate and its authority's. The caller owns it.
func (k *Keys) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{k.server}}
}

// Authority returns the authority's certificate in PEM, for clients that want a
// file. It is made anew at each start; an older one serves as well until it
// expires, since the key is the same.
func (k *Keys) Authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.root.Raw})
}

// Pin returns what a client remembers the server by: the SHA-256 of the
// authority's SubjectPublicKeyInfo, in base64url without padding.
//
// Source: RFC 7469 (2015), section 2.4 for the digest.
func (k *Keys) Pin() string {
	sum := sha256.Sum256(k.root.RawSubjectPublicKeyInfo)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// newAuthority makes a key on P-256, which every client accepts; browsers
// refuse Ed25519. Its scalar is read from c.Random, so that the pin in a
// rehearsed invite repeats.
func (c Config) newAuthority() ([]byte, error) {
	scalar := make([]byte, 32)
	if _, err := io.ReadFull(c.Random, scalar); err != nil {
		return nil, err
	}
	// One scalar in 2^32 is out of range: that start fails, and the next works.
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der}), nil
}

func (k *Keys) readAuthority(text []byte) error {
	b, rest := pem.Decode(text)
	if b == nil || b.Type != keyType || len(rest) > 0 {
		return errors.New("this is no whole private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return err
	}
	authority, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("this is a %T, not an ECDSA key", key)
	}
	k.authority = authority
	return nil
}

// certify signs the authority's own certificate and then the server's.
func (k *Keys) certify(now time.Time, n names) error {
	root := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Lodd certificate authority"},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(serverLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	root, err := sign(root, root, &k.authority.PublicKey, k.authority)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Lodd server"},
		NotBefore:   root.NotBefore,
		NotAfter:    root.NotAfter,
		DNSNames:    n.dns,
		IPAddresses: n.ips,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leaf, err = sign(leaf, root, &key.PublicKey, k.authority)
	if err != nil {
		return err
	}
	k.root = root
	k.server = tls.Certificate{Certificate: [][]byte{leaf.Raw, root.Raw}, PrivateKey: key, Leaf: leaf}
	return nil
}

func sign(c, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// names are what a server certificate vouches for.
type names struct {
	dns []string
	ips []net.IP
}

func newNames(hosts []string) (names, error) {
	n := names{dns: []string{"localhost"}, ips: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip != nil && !slices.ContainsFunc(n.ips, ip.Equal):
			n.ips = append(n.ips, ip)
		case ip != nil || slices.Contains(n.dns, host):
		case !isHostName(host):
			return names{}, fmt.Errorf("keys: host %q is neither a name nor an address: write it without port or scheme, as in trial.example.org or 192.0.2.7", host)
		default:
			n.dns = append(n.dns, host)
		}
	}
	return n, nil
}

// isHostName reports whether host is made of labels of letters, digits and
// inner hyphens.
//
// Source: RFC 1123 (1989), section 2.1.
func isHostName(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		edge := strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-")
		if label == "" || len(label) > 63 || edge || strings.ContainsFunc(label, notHostRune) {
			return false
		}
	}
	return len(host) <= 253
}

func notHostRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
}
