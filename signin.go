package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/lodd-rct/lodd/server"
)

// A signInConfig says what people need to sign in.
type signInConfig struct {
	// SecondFactor is "required", which is the default: whoever runs the server,
	// or holds a role that can open an arm or seals the design, can do nothing
	// without a second factor. "off" is for trying Lodd out.
	SecondFactor string `toml:"second_factor"`
}

// An oidcConfig is an identity provider, see docs/sign-in.md.
type oidcConfig struct {
	// Issuer is the provider's address, as it stands in its tokens. Without it
	// there is no provider.
	Issuer string `toml:"issuer"`
	// ClientID is what the provider calls this server's program.
	ClientID string `toml:"client_id"`
	// Scopes are what programs ask for beside "openid".
	Scopes []string `toml:"scopes"`
	// ACR and AMR are values of these claims that count as a second factor.
	ACR []string `toml:"acr"`
	AMR []string `toml:"amr"`
	// Device lets people in who sign in on another device, which nothing ties to
	// the one that they get in from.
	Device bool `toml:"device"`
}

const (
	factorRequired = "required"
	factorOff      = "off"
)

// checkSignIn fills in the default and reports what cannot be right.
func (c *config) checkSignIn() error {
	switch c.SignIn.SecondFactor {
	case "":
		c.SignIn.SecondFactor = factorRequired
	case factorRequired, factorOff:
	default:
		return fmt.Errorf("sign_in: second_factor %q: want %q or %q", c.SignIn.SecondFactor, factorRequired, factorOff)
	}
	if (c.OIDC.Issuer == "") != (c.OIDC.ClientID == "") {
		return errors.New("oidc: issuer and client_id go together: name both, or leave out both")
	}
	return nil
}

// signIn returns what the server is told of it.
func (c *config) signIn() server.SignIn {
	o := c.OIDC
	return server.SignIn{
		WithoutFactor: c.SignIn.SecondFactor == factorOff,
		Provider:      server.Provider{Issuer: o.Issuer, ClientID: o.ClientID, Scopes: o.Scopes, ACR: o.ACR, AMR: o.AMR, Device: o.Device},
	}
}

// warn tells what an operator should not have overlooked.
func (c *config) warn(out io.Writer) {
	if c.SignIn.SecondFactor == factorOff {
		fmt.Fprintln(out, "lodd: warning: nobody needs a second factor here, not even who runs the server or sees arms; for a trial, leave out second_factor = \"off\"")
	}
}
