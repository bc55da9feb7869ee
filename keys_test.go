package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/keys/hcvault/hcvaulttest"
)

// transits are the services that scripts have started, by the folder of the
// script.
var transits sync.Map

// cmdTransit plays the transit engine of HashiCorp Vault: "transit up" starts one
// and sets KMS and KMS2 to the URIs of two keys; files ca.pem and token are what
// reaches them. "transit rotate" gives the first key another version, "transit
// revoke" makes the token worthless, and "transit down" ends the service.
func cmdTransit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: transit up|rotate|revoke|down")
	}
	work := ts.Getenv("WORK")
	if args[0] == "up" {
		t := hcvaulttest.Start("the-token-of-this-server")
		ts.Defer(t.Close)
		transits.Store(work, t)
		ts.Check(t.Rotate("lodd"))
		ts.Check(t.Rotate("second"))
		ts.Setenv("KMS", t.URI("lodd"))
		ts.Setenv("KMS2", t.URI("second"))
		ts.Check(os.WriteFile(filepath.Join(work, "ca.pem"), t.CA(), 0o600))
		ts.Check(os.WriteFile(filepath.Join(work, "token"), []byte("the-token-of-this-server\n"), 0o600))
		return
	}
	v, ok := transits.Load(work)
	if !ok {
		ts.Fatalf("there is no service: transit up comes first")
	}
	t := v.(*hcvaulttest.Transit)
	switch args[0] {
	case "rotate":
		ts.Check(t.Rotate("lodd"))
	case "revoke":
		t.Revoke("another token")
	case "down":
		t.Close()
	default:
		ts.Fatalf("unknown: transit %s", args[0])
	}
}

// Flags come before the configuration, and that before the environment; a flag
// for one way puts away the other.
func TestMasterKeySettings(t *testing.T) {
	t.Setenv("LODD_PASSPHRASE_FILE", "env")
	for _, tt := range []struct {
		name              string
		flags, file, want masterKeyConfig
	}{
		{"environment", masterKeyConfig{}, masterKeyConfig{}, masterKeyConfig{PassphraseFile: "env"}},
		{"file", masterKeyConfig{}, masterKeyConfig{PassphraseFile: "f"}, masterKeyConfig{PassphraseFile: "f"}},
		{"service in the file", masterKeyConfig{}, masterKeyConfig{URI: "u", TokenFile: "t"}, masterKeyConfig{URI: "u", TokenFile: "t"}},
		{"flag over file", masterKeyConfig{PassphraseFile: "flag"}, masterKeyConfig{URI: "u", CAFile: "ca"}, masterKeyConfig{PassphraseFile: "flag", CAFile: "ca"}},
		{"service over file", masterKeyConfig{URI: "flag", TokenFile: "t2"}, masterKeyConfig{PassphraseFile: "f", TokenFile: "t"}, masterKeyConfig{URI: "flag", TokenFile: "t2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.flags.over(tt.file); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestMasterKeySeals(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(token, []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_TOKEN", "")
	const uri = "hcvault://vault.example.org:8200/transit/keys/lodd"
	for _, tt := range []struct {
		name   string
		config masterKeyConfig
		want   string // in the error; "" for none
	}{
		{"nothing", masterKeyConfig{}, ""},
		{"a passphrase", masterKeyConfig{PassphraseFile: token}, ""},
		{"a service", masterKeyConfig{URI: uri, TokenFile: token}, ""},
		{"both", masterKeyConfig{PassphraseFile: token, URI: uri}, "name one"},
		{"no token", masterKeyConfig{URI: uri}, "there is no token"},
		{"a token that all may read", masterKeyConfig{URI: uri, TokenFile: open}, "chmod 600"},
		{"no such token", masterKeyConfig{URI: uri, TokenFile: "absent"}, "absent"},
		{"no such authority", masterKeyConfig{URI: uri, TokenFile: token, CAFile: "absent"}, "absent"},
		{"an authority that is none", masterKeyConfig{URI: uri, TokenFile: token, CAFile: token}, "no certificate"},
		{"another service", masterKeyConfig{URI: "aws-kms://arn"}, "no key management service is known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.config.seal()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("seal: %v, want %q", err, tt.want)
			}
		})
	}
}

// A new key of the same set is what rotating means if nothing else is said.
func TestMasterKeyAfter(t *testing.T) {
	from := keys.KeySet{URI: "u"}
	seal, err := masterKeyConfig{}.after(t.Context(), masterKeyConfig{URI: "u"}, from)
	if err != nil || seal != keys.Seal(from) {
		t.Errorf("after = %v, %v", seal, err)
	}
}
