package openid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/authn/openid"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// An issuer is a provider that signs whatever it is told to, which a real one
// does not.
type issuer struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	broken atomic.Bool
	asked  atomic.Int64 // for its keys
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := any(nil)
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}}
	case "/keys":
		i.asked.Add(1)
		if !i.broken.Load() {
			point, _ := i.key.PublicKey.Bytes() // 4, x and y
			answer = map[string]any{"keys": []any{map[string]any{
				"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": b64(point[1:33]), "y": b64(point[33:]),
			}}}
		}
	}
	if answer == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type claims map[string]any

// sign returns a token of the claims.
func (i *issuer) sign(t testing.TB, c claims) string {
	t.Helper()
	text := unsigned(t, "ES256", c)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func unsigned(t testing.TB, alg string, c claims) string {
	t.Helper()
	head, err := json.Marshal(claims{"alg": alg, "kid": "one"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b64(head) + "." + b64(body)
}

// world is an issuer and who believes it, with a clock.
type world struct {
	*issuer
	verifier *openid.Verifier
	clock    atomic.Int64 // nanoseconds since t0
}

func newWorld(t *testing.T, change func(*openid.Config)) *world {
	t.Helper()
	w := &world{issuer: newIssuer(t)}
	c := openid.Config{
		Issuer: w.URL, ClientID: "lodd", ACR: []string{"high"}, AMR: []string{"otp", "hwk"}, Random: rand.Reader,
		Now: func() time.Time { return t0.Add(time.Duration(w.clock.Load())) },
	}
	if change != nil {
		change(&c)
	}
	var err error
	if w.verifier, err = openid.New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func device(c *openid.Config) { c.Device = true }

// token returns the claims of a good token for a sign-in.
func (w *world) token(t testing.TB) claims {
	t.Helper()
	return claims{
		"iss": w.URL, "aud": "lodd", "sub": "kari", "nonce": w.nonce(t),
		"iat": t0.Unix(), "exp": t0.Add(time.Hour).Unix(), "auth_time": t0.Unix(),
	}
}

func (w *world) nonce(t testing.TB) string {
	t.Helper()
	n, err := w.verifier.Nonce()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// verify brings a token of the claims as a client does, and takes it.
func (w *world) verify(t testing.TB, c claims) (openid.Proof, error) {
	t.Helper()
	nonce, _ := c["nonce"].(string)
	return w.bring(t, w.sign(t, c), openid.Demand{Nonce: nonce})
}

func (w *world) bring(t testing.TB, raw string, d openid.Demand) (openid.Proof, error) {
	t.Helper()
	p, err := w.verifier.Verify(t.Context(), raw, d)
	if err == nil {
		err = w.verifier.Take(p)
	}
	return p, err
}

// with returns the claims with others; nil takes one away.
func (c claims) with(others claims) claims {
	all := maps.Clone(c)
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}
