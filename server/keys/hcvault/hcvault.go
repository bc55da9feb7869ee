// Package hcvault reaches the transit engine of HashiCorp Vault as a key
// management service of Tink. It asks the service for nothing but to encrypt and
// to decrypt.
package hcvault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Scheme is how the URI of a key begins.
const Scheme = "hcvault://"

// How long a start waits for a service that doesn't answer: each of its tries so
// long, and a second or so between them.
const (
	answerWithin = 10 * time.Second
	retries      = 2
)

// Config says how to reach the service.
type Config struct {
	// URI names the key: hcvault://HOST:PORT/MOUNT/keys/NAME. The token is sent to
	// this host and, also if it redirects, to no other.
	URI string

	// Token is what the service lets the server in by. Its policy needs "update"
	// on MOUNT/encrypt/NAME and MOUNT/decrypt/NAME and nothing else.
	Token string

	// CA holds the certificates in PEM of those who vouch for the service. If it
	// is empty the system's do.
	CA []byte
}

// New returns a client for the one key that c names. It calls nobody yet.
func New(c Config) (registry.KMSClient, error) {
	u, err := url.Parse(c.URI)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(c.URI, Scheme) {
		return nil, badURI(c.URI)
	}
	if parts := strings.Split(u.Path, "/"); len(parts) < 4 || parts[len(parts)-2] != "keys" || parts[len(parts)-1] == "" {
		return nil, badURI(c.URI)
	}
	if c.Token == "" {
		return nil, errors.New("hcvault: there is no token: name its file with --kms-token-file, or set VAULT_TOKEN")
	}
	trusted := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.CA) > 0 {
		trusted.RootCAs = x509.NewCertPool()
		if !trusted.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("hcvault: the file of the certificate authority holds no certificate in PEM")
		}
	}
	client, err := api.NewClient(&api.Config{
		Address: "https://" + u.Host,
		HttpClient: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: trusted, Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: answerWithin, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Timeout: answerWithin, MaxRetries: retries, DisableRedirects: true,
	})
	if err != nil {
		return nil, fmt.Errorf("hcvault: %w", err)
	}
	client.SetToken(c.Token)
	kms, err := hcvault.NewClientWithAEADOptions(c.URI, client.Logical())
	if err != nil {
		return nil, fmt.Errorf("hcvault: %w", err)
	}
	return oneKey{kms, c.URI}, nil
}

func badURI(uri string) error {
	return fmt.Errorf("hcvault: key %q: want hcvault://HOST:PORT/MOUNT/keys/NAME, for example hcvault://vault.example.org:8200/transit/keys/lodd", uri)
}

// oneKey is a client that knows no key but one, of which the URI of another may
// be the beginning.
type oneKey struct {
	registry.KMSClient
	uri string
}

// Supported implements [registry.KMSClient].
func (k oneKey) Supported(uri string) bool { return uri == k.uri }

// GetAEAD implements [registry.KMSClient].
func (k oneKey) GetAEAD(uri string) (tink.AEAD, error) {
	if !k.Supported(uri) {
		return nil, fmt.Errorf("hcvault: this client is for %s alone", k.uri)
	}
	a, err := k.KMSClient.GetAEAD(uri)
	if err != nil {
		return nil, fmt.Errorf("hcvault: %w", err)
	}
	return oneLine{a}, nil
}

// oneLine is an AEAD whose errors, which the service's client writes as a list,
// take one line.
type oneLine struct{ tink.AEAD }

// Encrypt implements [tink.AEAD].
func (a oneLine) Encrypt(plaintext, ad []byte) ([]byte, error) {
	sealed, err := a.AEAD.Encrypt(plaintext, ad)
	return sealed, told(err)
}

// Decrypt implements [tink.AEAD].
func (a oneLine) Decrypt(sealed, ad []byte) ([]byte, error) {
	plaintext, err := a.AEAD.Decrypt(sealed, ad)
	return plaintext, told(err)
}

// told says in one line what the operator must know of an error.
func told(err error) error {
	refused, ok := errors.AsType[*api.ResponseError](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return &shortError{strings.Join(strings.Fields(err.Error()), " "), err}
	}
	text := fmt.Sprintf("it answered %d: %s", refused.StatusCode, strings.Join(strings.Fields(strings.Join(refused.Errors, "; ")), " "))
	if refused.StatusCode == http.StatusForbidden {
		text += " (is the token of this service, still valid, and may it use this key?)"
	}
	return &shortError{text, err}
}

// A shortError is another error, told in one line.
type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }

func (e *shortError) Unwrap() error { return e.err }
