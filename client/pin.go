package client

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

// A CertificateError tells that whoever answered is not the server that was
// asked for, or cannot show that it is. Nothing was sent to it.
type CertificateError struct {
	// Host is the host that was asked for.
	Host string

	// Subject and Issuer are the names in the certificate that was shown.
	Subject, Issuer string

	// Want is the pin that was asked for, Got that of the authority that was
	// shown, or of the certificate if none was; empty if nothing was shown.
	Want, Got string

	// Err says what is wrong with a certificate of the right authority: it has
	// expired, for example, or is for another host. It is nil if the authority
	// is another one.
	Err error
}

// Error implements error.
func (e *CertificateError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("the certificate of %s is not valid: %v", e.Host, e.Err)
	}
	return fmt.Sprintf("the certificate of %s is not the trial's: it is of %q, issued by %q", e.Host, e.Subject, e.Issuer)
}

// Unwrap returns Err.
func (e *CertificateError) Unwrap() error { return e.Err }

// pinned knows a server by the pin of its certificate authority.
type pinned struct {
	pin [sha256.Size]byte

	// refused is why the last handshake failed; nil if it didn't.
	refused atomic.Pointer[CertificateError]
}

func newPinned(pin string) (*pinned, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(pin)
	if err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("client: the pin %q is no SHA-256 in base64url: use the one of the invite", pin)
	}
	return &pinned{pin: [sha256.Size]byte(b)}, nil
}

// transport returns TLS 1.3 that accepts the pinned server alone. The system's
// authorities play no part, so verification is done here and not by crypto/tls,
// which knows certificates and no pins. The server is shown the caller's own
// certificate, if there is one.
func (p *pinned) transport(own ...tls.Certificate) credentials.TransportCredentials {
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: own}
	return &pinnedTransport{credentials.NewTLS(config), p, config}
}

// pinnedTransport are the credentials of a connection to any of the server's
// addresses.
type pinnedTransport struct {
	credentials.TransportCredentials
	server *pinned
	config *tls.Config
}

// Clone implements credentials.TransportCredentials.
func (t *pinnedTransport) Clone() credentials.TransportCredentials {
	return &pinnedTransport{t.TransportCredentials.Clone(), t.server, t.config}
}

// ClientHandshake implements credentials.TransportCredentials. The authority is
// the address that is connected to.
func (t *pinnedTransport) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		host = authority
	}
	config := t.config.Clone()
	config.InsecureSkipVerify = true // VerifyConnection verifies, and against the pin alone
	config.VerifyConnection = func(s tls.ConnectionState) error {
		refused := t.server.verify(host, s.PeerCertificates)
		t.server.refused.Store(refused)
		if refused != nil {
			return refused
		}
		return nil
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, authority, conn)
}

// verify checks a chain: one certificate bears the pinned key, and the first
// one follows from it, for the host, today.
func (p *pinned) verify(host string, chain []*x509.Certificate) *CertificateError {
	refused := &CertificateError{Host: host, Want: encodePin(p.pin)}
	if len(chain) == 0 {
		return refused
	}
	refused.Subject, refused.Issuer = chain[0].Subject.String(), chain[0].Issuer.String()
	refused.Got = encodePin(sha256.Sum256(chain[len(chain)-1].RawSubjectPublicKeyInfo))
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, c := range chain[1:] {
		if sha256.Sum256(c.RawSubjectPublicKeyInfo) == p.pin {
			roots.AddCert(c)
			found = true
			continue
		}
		others.AddCert(c)
	}
	if !found {
		return refused
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: others}); err != nil {
		refused.Err = err
		return refused
	}
	return nil
}

func encodePin(pin [sha256.Size]byte) string { return base64.RawURLEncoding.EncodeToString(pin[:]) }
