// Package openid signs a person in at an identity provider, in the browser that
// they use anyway, or on another device, and brings back an ID token.
//
// It doesn't look into the token: the server verifies it, and trusts nothing
// that a client says about it.
package openid

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// RedirectPath is the path of the address to which the provider sends the
// browser back, http://127.0.0.1 with any port: it is registered with the
// provider without the port.
//
// Source: RFC 8252 (2017), section 7.3.
const RedirectPath = "/signed-in"

// timeout bounds one request to the provider.
const timeout = 20 * time.Second

// Config says where a person signs in.
type Config struct {
	Issuer   string   // the provider's address
	ClientID string   // what it knows Lodd by
	Scopes   []string // what is asked for beside "openid"
	ACR      []string // the authentication context classes that are asked for, best first

	Random io.Reader // for what protects the way back
}

// An Ask is one sign-in.
type Ask struct {
	Nonce string // from the server; it stands in the token
	Fresh bool   // the provider must ask who it is, although it may know
}

// A RefusedError says that the provider refused. Its code is one of OAuth 2.0,
// such as access_denied.
type RefusedError struct{ Code string }

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("openid: the identity provider refused the sign-in (%q)", e.Code)
}

// provider is what the provider says of itself.
type provider struct {
	oauth     oauth2.Config
	namesSelf bool // it puts its name into answers
}

// discover asks the provider where to sign in.
func (c Config) discover(ctx context.Context) (provider, error) {
	p, err := oidc.NewProvider(ctx, c.Issuer)
	if err != nil {
		return provider{}, fmt.Errorf("openid: the identity provider %s does not answer: %w", c.Issuer, err)
	}
	var says struct {
		NamesSelf bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&says); err != nil {
		return provider{}, fmt.Errorf("openid: the identity provider %s: %w", c.Issuer, err)
	}
	endpoint := p.Endpoint()
	if !secure(endpoint.AuthURL) || !secure(endpoint.TokenURL) {
		return provider{}, fmt.Errorf("openid: the identity provider %s names addresses that don't begin with https://", c.Issuer)
	}
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client has no secret
	return provider{
		oauth2.Config{ClientID: c.ClientID, Endpoint: endpoint, Scopes: append([]string{oidc.ScopeOpenID}, c.Scopes...)},
		says.NamesSelf,
	}, nil
}

// secure reports whether an address may be opened: others can't read along, and
// it is an address of the web.
func secure(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && ip != nil && ip.IsLoopback()
}

// withClient returns a context whose requests to the provider end some time and
// leave no connection behind.
func withClient(ctx context.Context) context.Context {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	return oidc.ClientContext(ctx, &http.Client{Transport: t, Timeout: timeout})
}

// A secret is 256 random bits in base64url.
func (c Config) secret() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(c.Random, b[:]); err != nil {
		return "", fmt.Errorf("openid: read secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// asRefusal returns the refusal of the provider that err holds; nil if it holds
// none.
func asRefusal(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.ErrorCode != "" {
		return &RefusedError{refused.ErrorCode}
	}
	return nil
}

// idToken returns the ID token of an answer.
func idToken(t *oauth2.Token, err error) (string, error) {
	if refused := asRefusal(err); refused != nil {
		return "", refused
	}
	if err != nil {
		return "", fmt.Errorf("openid: ask for the token: %w", err)
	}
	raw, ok := t.Extra("id_token").(string)
	if !ok {
		return "", errors.New("openid: the identity provider sent no ID token; is the scope openid allowed for this program?")
	}
	return raw, nil
}

// acr returns the parameter that asks for classes, if any.
func (c Config) acr() []oauth2.AuthCodeOption {
	if len(c.ACR) == 0 {
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("acr_values", strings.Join(c.ACR, " "))}
}

func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
