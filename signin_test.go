package main

import (
	"strings"
	"testing"
)

// A server that asks nobody for a second factor says so when it starts, and one
// that does says nothing.
func TestServerWarnsThatNobodyNeedsASecondFactor(t *testing.T) {
	for word, warns := range map[string]bool{"": false, "required": false, "off": true} {
		c := config{Data: "x", SignIn: signInConfig{SecondFactor: word}}
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		c.warn(&out)
		if strings.Contains(out.String(), "warning") != warns || c.signIn().WithoutFactor != warns {
			t.Errorf("second_factor = %q: says %q", word, out.String())
		}
	}
}

func TestSignInIsChecked(t *testing.T) {
	for name, c := range map[string]config{
		"a word that is none": {SignIn: signInConfig{SecondFactor: "no"}},
		"no client":           {OIDC: oidcConfig{Issuer: "https://id.example.org"}},
		"no issuer":           {OIDC: oidcConfig{ClientID: "lodd"}},
	} {
		c.Data = "x"
		if err := c.check(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
