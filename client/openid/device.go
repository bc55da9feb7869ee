package openid

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Code is what a person types on another device.
type Code struct {
	Address  string    // where to type it
	Code     string    // what to type
	Complete string    // the address with the code in it; empty if the provider has none
	Expires  time.Time // when it ends
}

// Device has a person sign in on another device, and returns the ID token. It
// tells show where, once. A token that comes this way bears no nonce.
//
// Source: RFC 8628 (2019), section 3.
func Device(ctx context.Context, c Config, show func(Code)) (string, error) {
	ctx = withClient(ctx)
	p, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	if p.oauth.Endpoint.DeviceAuthURL == "" {
		return "", errors.New("openid: the identity provider lets nobody sign in on another device; sign in with the browser of this one")
	}
	d, err := p.oauth.DeviceAuth(ctx, c.acr()...)
	if err != nil {
		if refused := asRefusal(err); refused != nil {
			return "", refused
		}
		return "", fmt.Errorf("openid: ask for a code: %w", err)
	}
	show(Code{Address: d.VerificationURI, Code: d.UserCode, Complete: d.VerificationURIComplete, Expires: d.Expiry})
	return idToken(p.oauth.DeviceAccessToken(ctx, d))
}
