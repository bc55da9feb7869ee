package openid

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
)

// verify checks signature, issuer, audience and expiry.
func (v *Verifier) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	keys, check, err := v.provider(ctx)
	if err != nil {
		return nil, err
	}
	// The second check of the signature, by keys that are here now, is the price
	// of telling the provider's silence from a bad token.
	if _, err := keys.VerifySignature(ctx, raw); err != nil {
		if errors.Is(err, errNoAnswer) || ctx.Err() != nil {
			return nil, fmt.Errorf("%w (%w)", ErrProvider, err)
		}
		return nil, refuse("%w", err)
	}
	token, err := check.Verify(ctx, raw)
	if err != nil {
		return nil, refuse("%w", err)
	}
	return token, nil
}

// provider returns the provider's keys and what checks its tokens. What it says
// of itself is asked for once; its keys are asked for again when a token names
// one that isn't known. Whoever comes first may come in twos: nothing is locked
// while the provider is asked.
func (v *Verifier) provider(ctx context.Context) (oidc.KeySet, *oidc.IDTokenVerifier, error) {
	v.mu.Lock()
	keys, check := v.keys, v.check
	v.mu.Unlock()
	if check != nil {
		return keys, check, nil
	}
	ctx = oidc.ClientContext(ctx, v.http)
	p, err := oidc.NewProvider(ctx, v.config.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", ErrProvider, err)
	}
	var says struct {
		Keys string   `json:"jwks_uri"`
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := p.Claims(&says); err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", ErrProvider, err)
	}
	keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), v.http), says.Keys)
	check = oidc.NewVerifier(v.config.Issuer, keys, &oidc.Config{
		ClientID: v.config.ClientID, SupportedSigningAlgs: asymmetric(says.Algs), Now: v.config.Now,
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys, v.check = keys, check
	return keys, check, nil
}

// asymmetric returns the algorithms that need a key of the provider's own. With
// a shared secret the client could make tokens itself, and this one has none.
func asymmetric(algs []string) []string {
	var some []string
	for _, a := range algs {
		switch a {
		case oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA:
			some = append(some, a)
		}
	}
	return some
}

// errNoAnswer marks what is the network's fault, or the provider's.
var errNoAnswer = errors.New("no answer")

// answers is a transport for which only an answer of success is one.
type answers struct{ http.RoundTripper }

// newClient returns what asks the provider. It keeps no connection: the next
// request comes in weeks.
func newClient() *http.Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSHandshakeTimeout: timeout}
	return &http.Client{Transport: answers{t}, Timeout: timeout}
}

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if resp.StatusCode >= 400 {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: status %d", errNoAnswer, resp.StatusCode)
	}
	return resp, nil
}
