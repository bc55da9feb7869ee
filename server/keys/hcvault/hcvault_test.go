package hcvault_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/keys/hcvault"
	"github.com/lodd-rct/lodd/server/keys/hcvault/hcvaulttest"
)

func start(t *testing.T) *hcvaulttest.Transit {
	t.Helper()
	transit := hcvaulttest.Start("token")
	t.Cleanup(transit.Close)
	if err := transit.Rotate("lodd"); err != nil {
		t.Fatal(err)
	}
	return transit
}

// What an older version of the service's key has sealed opens after the service
// has rotated it.
func TestSealedOpensAlsoAfterTheServiceRotates(t *testing.T) {
	transit := start(t)
	uri := transit.URI("lodd")
	kms, err := hcvault.New(hcvault.Config{URI: uri, Token: "token", CA: transit.CA()})
	if err != nil {
		t.Fatal(err)
	}
	kek, err := kms.GetAEAD(uri)
	if err != nil {
		t.Fatal(err)
	}
	for version := range 3 {
		sealed, err := kek.Encrypt([]byte("key set"), []byte("purpose"))
		if err != nil || !strings.HasPrefix(string(sealed), "vault:v"+string(rune('1'+version))+":") {
			t.Fatalf("Encrypt = %.12q, %v", sealed, err)
		}
		if err := transit.Rotate("lodd"); err != nil {
			t.Fatal(err)
		}
		if got, err := kek.Decrypt(sealed, []byte("purpose")); err != nil || string(got) != "key set" {
			t.Errorf("Decrypt = %q, %v", got, err)
		}
		if _, err := kek.Decrypt(sealed, []byte("other")); err == nil || !strings.Contains(err.Error(), "400: cipher: message authentication failed") {
			t.Errorf("with other associated data: %v", err)
		}
		if _, err := kek.Decrypt(append(bytes.Clone(sealed[:len(sealed)-4]), "AAA="...), []byte("purpose")); err == nil {
			t.Error("a changed text opens")
		}
	}
}

// Every error is one line, says what was wrong, and shows no token.
func TestErrorsSayWhatWasWrong(t *testing.T) {
	transit := start(t)
	gone := hcvaulttest.Start("token")
	gone.Close()
	other := start(t)
	for _, tt := range []struct {
		name, uri, token string
		ca               []byte
		want             string
	}{
		{"wrong token", transit.URI("lodd"), "stolen-token", transit.CA(), "403: permission denied (is the token"},
		{"no such key", transit.URI("ghost"), "token", transit.CA(), "400: encryption key not found"},
		{"unreachable", gone.URI("lodd"), "secret-token", gone.CA(), "connection refused"},
		{"somebody else", strings.Replace(transit.URI("lodd"), "127.0.0.1", "localhost", 1), "secret-token", other.CA(), "certificate is valid for"},
		{"nobody vouches", transit.URI("lodd"), "secret-token", nil, "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			kms, err := hcvault.New(hcvault.Config{URI: tt.uri, Token: tt.token, CA: tt.ca})
			if err != nil {
				t.Fatal(err)
			}
			kek, err := kms.GetAEAD(tt.uri)
			if err != nil {
				t.Fatal(err)
			}
			_, err = kek.Encrypt([]byte("the key set"), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n\t") {
				t.Errorf("Encrypt: %v, want %q in one line", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "-token") || strings.Contains(err.Error(), "dGhlIGtleSBzZXQ")) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct{ name, uri, token, ca, want string }{
		{"another scheme", "https://vault.example.org/transit/keys/lodd", "token", "", "want hcvault://"},
		{"no host", "hcvault:///transit/keys/lodd", "token", "", "want hcvault://"},
		{"no mount", "hcvault://vault.example.org/keys/lodd", "token", "", "want hcvault://"},
		{"no keys", "hcvault://vault.example.org/transit/lodd", "token", "", "want hcvault://"},
		{"no name", "hcvault://vault.example.org/transit/keys/", "token", "", "want hcvault://"},
		{"a token in it", "hcvault://user@vault.example.org/transit/keys/lodd", "token", "", "want hcvault://"},
		{"a query", "hcvault://vault.example.org/transit/keys/lodd?x=1", "token", "", "want hcvault://"},
		{"no token", "hcvault://vault.example.org/transit/keys/lodd", "", "", "no token"},
		{"no authority", "hcvault://vault.example.org/transit/keys/lodd", "token", "x", "no certificate in PEM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := hcvault.New(hcvault.Config{URI: tt.uri, Token: tt.token, CA: []byte(tt.ca)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New = %v, want %q", err, tt.want)
			}
		})
	}
}

// The token goes to the host that the operator named and to no other.
func TestTokenFollowsNoRedirect(t *testing.T) {
	asked := make(chan string, 8)
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("X-Vault-Token") }))
	defer thief.Close()
	named := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer named.Close()
	transit := start(t) // the same authority vouches for every server of httptest
	uri := "hcvault://" + named.Listener.Addr().String() + "/transit/keys/lodd"
	kms, err := hcvault.New(hcvault.Config{URI: uri, Token: "token", CA: transit.CA()})
	if err != nil {
		t.Fatal(err)
	}
	kek, err := kms.GetAEAD(uri)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kek.Encrypt([]byte("key set"), nil); err == nil {
		t.Error("a redirect is an answer")
	}
	if len(asked) > 0 {
		t.Errorf("another host was sent %q", <-asked)
	}
}

// A client answers for the key that it was made for, not for one whose name
// begins like it.
func TestClientKnowsOneKey(t *testing.T) {
	transit := start(t)
	kms, err := hcvault.New(hcvault.Config{URI: transit.URI("lodd"), Token: "token", CA: transit.CA()})
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{transit.URI("lodd2"), transit.URI("lod"), "fake-kms://x", ""} {
		if _, err := kms.GetAEAD(uri); err == nil || kms.Supported(uri) {
			t.Errorf("key %q: %v", uri, err)
		}
	}
}
