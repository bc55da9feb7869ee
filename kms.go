package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/tink-crypto/tink-go/v2/core/registry"

	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/keys/hcvault"
)

// kms returns the client of the service that the URI names. Any client of Tink
// can be added: it is one case more.
func (m masterKeyConfig) kms() (_ registry.KMSClient, err error) {
	if !strings.HasPrefix(m.URI, hcvault.Scheme) {
		return nil, fmt.Errorf("no key management service is known for %q: want hcvault://HOST:PORT/MOUNT/keys/NAME", m.URI)
	}
	c := hcvault.Config{URI: m.URI, Token: os.Getenv("VAULT_TOKEN")}
	if m.TokenFile != "" {
		if c.Token, err = keys.ReadSecret(m.TokenFile); err != nil {
			return nil, err
		}
	}
	if m.CAFile != "" {
		if c.CA, err = os.ReadFile(m.CAFile); err != nil {
			return nil, err
		}
	}
	return hcvault.New(c)
}
