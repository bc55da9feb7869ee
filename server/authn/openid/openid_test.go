package openid_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lodd-rct/lodd/server/authn/openid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		"iss": w.URL, "aud": "lodd", "sub": "kari", "nonce": w.nonce(t, ""),
		"iat": t0.Unix(), "exp": t0.Add(time.Hour).Unix(), "auth_time": t0.Unix(),
	}
}

func (w *world) nonce(t testing.TB, purpose string) string {
	t.Helper()
	n, err := w.verifier.Nonce(purpose)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// with returns the claims with others; nil takes one away.
func (c claims) with(others claims) claims {
	all := maps.Clone(c)
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func TestTokens(t *testing.T) {
	at := func(d time.Duration) int64 { return t0.Add(d).Unix() }
	for _, tt := range []struct {
		name  string
		claim claims
		want  error
	}{
		{"good", nil, nil},
		{"among several, for us", claims{"aud": []string{"lodd", "other"}, "azp": "lodd"}, nil},
		{"the provider's clock is a little ahead", claims{"iat": at(time.Minute)}, nil},
		{"of a sign-in yesterday", claims{"auth_time": at(-24 * time.Hour)}, nil},
		{"of nobody knows when", claims{"auth_time": nil}, nil},

		{"of another issuer", claims{"iss": "https://id.example.org"}, openid.ErrToken},
		{"of an issuer beside", claims{"iss": "http://127.0.0.1/"}, openid.ErrToken},
		{"of no issuer", claims{"iss": nil}, openid.ErrToken},
		{"for another program", claims{"aud": "other"}, openid.ErrToken},
		{"for nobody", claims{"aud": nil}, openid.ErrToken},
		{"among several, for another", claims{"aud": []string{"lodd", "other"}, "azp": "other"}, openid.ErrToken},
		{"among several, for nobody said", claims{"aud": []string{"lodd", "other"}}, openid.ErrToken},
		{"of another party", claims{"azp": "other"}, openid.ErrToken},
		{"expired", claims{"exp": at(0)}, openid.ErrToken},
		{"without an end", claims{"exp": nil}, openid.ErrToken},
		{"from the future", claims{"iat": at(2 * time.Minute)}, openid.ErrToken},
		{"not valid yet", claims{"nbf": at(time.Hour)}, openid.ErrToken},
		{"about nobody", claims{"sub": nil}, openid.ErrToken},
		{"about somebody with a long name", claims{"sub": strings.Repeat("k", 256)}, openid.ErrToken},
		{"without a nonce", claims{"nonce": nil}, openid.ErrToken},
		{"with an empty nonce", claims{"nonce": ""}, openid.ErrToken},
		{"with a made up nonce", claims{"nonce": b64(make([]byte, 56))}, openid.ErrToken},
		{"with claims of other kinds", claims{"amr": 7}, openid.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			got, err := w.verifier.Verify(t.Context(), w.sign(t, w.token(t).with(tt.claim)), openid.Demand{})
			if !errors.Is(err, tt.want) {
				t.Fatalf("Verify = %v, want %v", err, tt.want)
			}
			if want := (openid.Proof{Identity: openid.Identity{Issuer: w.URL, Subject: "kari"}}); err == nil && got != want {
				t.Errorf("Verify = %v, want %v", got, want)
			}
		})
	}
}

// Nobody but the provider makes tokens, in no way that JWTs have been forged.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t, nil)
	good := w.sign(t, w.token(t))
	body, signature := good[:strings.LastIndexByte(good, '.')], good[strings.LastIndexByte(good, '.')+1:]
	stranger := newIssuer(t)
	// The key that everybody has, as a shared secret.
	public, _ := w.key.PublicKey.Bytes()
	text := unsigned(t, "HS256", w.token(t))
	m := hmac.New(sha256.New, public)
	m.Write([]byte(text))

	for name, raw := range map[string]string{
		"nothing":              "",
		"no token":             "hello",
		"without a signature":  unsigned(t, "none", w.token(t)) + ".",
		"cut":                  body,
		"of another key":       stranger.sign(t, w.token(t)),
		"by a shared secret":   text + "." + b64(m.Sum(nil)),
		"of another content":   unsigned(t, "ES256", w.token(t).with(claims{"sub": "ola"})) + "." + signature,
		"a signature of zeros": body + "." + b64(make([]byte, 64)),
		"endless":              good + strings.Repeat("A", 40<<10),
	} {
		if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); !errors.Is(err, openid.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.verifier.Verify(t.Context(), good, openid.Demand{}); err != nil {
		t.Errorf("the true one: %v", err)
	}
}

// A token works once, however its signature is written, and so does a nonce.
func TestTokensWorkOnce(t *testing.T) {
	for name, change := range map[string]func(*openid.Config){"with a nonce": nil, "of a device": device} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change)
			c := w.token(t)
			if change != nil {
				delete(c, "nonce")
			}
			raw := w.sign(t, c)
			again := w.mirrored(t, raw)
			if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); err != nil {
				t.Fatal(err)
			}
			for after := time.Duration(0); after <= 2*time.Hour; after += 3 * time.Minute {
				w.clock.Store(int64(after))
				for _, raw := range []string{raw, again} {
					if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); !errors.Is(err, openid.ErrToken) {
						t.Fatalf("after %v: %v", after, err)
					}
				}
			}
		})
	}
	w := newWorld(t, nil)
	c := w.token(t)
	if _, err := w.verifier.Verify(t.Context(), w.sign(t, c), openid.Demand{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.verifier.Verify(t.Context(), w.sign(t, c.with(claims{"iat": t0.Unix() + 1})), openid.Demand{}); !errors.Is(err, openid.ErrToken) {
		t.Errorf("another token with the nonce of the first: %v", err)
	}
}

// mirrored returns a token with the other signature that is as good: for r and
// s, r and n-s.
func (w *world) mirrored(t *testing.T, raw string) string {
	t.Helper()
	at := strings.LastIndexByte(raw, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(raw[at:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	new(big.Int).Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	if b64(signature) == raw[at:] {
		t.Fatal("the signature is its own mirror")
	}
	return raw[:at] + b64(signature)
}

// Two who bring one token at the same moment don't both get in.
func TestTokensWorkOnceAtATime(t *testing.T) {
	w := newWorld(t, nil)
	raw := w.sign(t, w.token(t))
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); err == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if n := in.Load(); n != 1 {
		t.Errorf("%d got in", n)
	}
}

func TestNonces(t *testing.T) {
	for _, tt := range []struct {
		name    string
		purpose string // of the nonce; the demand is for "act"
		after   time.Duration
		want    error
	}{
		{"for this", "act", 0, nil},
		{"just in time", "act", 10*time.Minute - time.Millisecond, nil},
		{"too late", "act", 10 * time.Minute, openid.ErrToken},
		{"for something else", "act 2", 0, openid.ErrToken},
		{"for a sign-in", "", 0, openid.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			raw := w.sign(t, w.token(t).with(claims{"nonce": w.nonce(t, tt.purpose)}))
			w.clock.Store(int64(tt.after))
			if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{Purpose: "act"}); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
		})
	}
}

// A nonce is worth nothing at the next start, or at another server.
func TestNoncesDieWithTheProcess(t *testing.T) {
	w := newWorld(t, nil)
	raw := w.sign(t, w.token(t))
	again, err := openid.New(openid.Config{Issuer: w.URL, ClientID: "lodd", Now: func() time.Time { return t0 }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Verify(t.Context(), raw, openid.Demand{}); !errors.Is(err, openid.ErrToken) {
		t.Errorf("Verify = %v", err)
	}
}

func TestTokensOfDevices(t *testing.T) {
	at := func(d time.Duration) int64 { return t0.Add(d).Unix() }
	for _, tt := range []struct {
		name  string
		issue time.Duration // when it was made, after the start
		after time.Duration // when it comes
		d     openid.Demand
		want  error
	}{
		{"at once", 0, 0, openid.Demand{}, nil},
		{"in time", time.Minute, 6 * time.Minute, openid.Demand{}, nil},
		{"too late", time.Minute, 6*time.Minute + time.Second, openid.Demand{}, openid.ErrToken},
		{"from before the start", -time.Second, 0, openid.Demand{}, openid.ErrToken},
		{"for an act", 0, 0, openid.Demand{Purpose: "act"}, openid.ErrToken},
		{"for a fresh sign-in", 0, 0, openid.Demand{Fresh: true}, openid.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, device)
			raw := w.sign(t, w.token(t).with(claims{"nonce": nil, "iat": at(tt.issue), "auth_time": at(tt.issue)}))
			w.clock.Store(int64(tt.after))
			if _, err := w.verifier.Verify(t.Context(), raw, tt.d); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestFreshSignIns(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   any // of the sign-in, in seconds after t0
		want error
	}{
		{"now", 0, nil},
		{"a minute ago", -60, nil},
		{"longer ago", -61, openid.ErrStale},
		{"the provider's clock is ahead", 60, nil},
		{"far ahead", 61, openid.ErrStale},
		{"nobody knows when", nil, openid.ErrStale},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.token(t).with(claims{"nonce": w.nonce(t, "act"), "auth_time": nil})
			if seconds, ok := tt.at.(int); ok {
				c["auth_time"] = t0.Unix() + int64(seconds)
			}
			if _, err := w.verifier.Verify(t.Context(), w.sign(t, c), openid.Demand{Purpose: "act", Fresh: true}); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSecondFactorIsWhatWasConfigured(t *testing.T) {
	none := func(c *openid.Config) { c.ACR, c.AMR = nil, nil }
	for _, tt := range []struct {
		name   string
		config func(*openid.Config)
		claim  claims
		want   bool
	}{
		{"a class that counts", nil, claims{"acr": "high"}, true},
		{"a class that doesn't", nil, claims{"acr": "low"}, false},
		{"a method that counts", nil, claims{"amr": []string{"pwd", "otp"}}, true},
		{"methods that don't", nil, claims{"amr": []string{"pwd", "sms"}}, false},
		{"no word of it", nil, nil, false},
		{"a method as class", nil, claims{"acr": "otp"}, false},
		{"nothing counts", none, claims{"acr": "high", "amr": []string{"otp"}}, false},
		{"nothing counts, nothing said", none, claims{"acr": "", "amr": []string{""}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.config)
			got, err := w.verifier.Verify(t.Context(), w.sign(t, w.token(t).with(tt.claim)), openid.Demand{})
			if err != nil || got.SecondFactor != tt.want {
				t.Errorf("Verify = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// The provider is asked for its keys once, and silence isn't told as a bad
// token: that would send people the wrong way.
func TestProviderIsAskedOnce(t *testing.T) {
	w := newWorld(t, nil)
	if n := w.asked.Load(); n != 0 {
		t.Errorf("the provider was asked %d times before the first token", n)
	}
	for range 3 {
		if _, err := w.verifier.Verify(t.Context(), w.sign(t, w.token(t)), openid.Demand{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.asked.Load(); n != 1 {
		t.Errorf("the provider was asked for its keys %d times", n)
	}
}

func TestProviderDoesNotAnswer(t *testing.T) {
	t.Run("at all", func(t *testing.T) {
		w := newWorld(t, nil)
		raw := w.sign(t, w.token(t))
		w.Close()
		if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); !errors.Is(err, openid.ErrProvider) {
			t.Errorf("Verify = %v", err)
		}
	})
	t.Run("with its keys, and then does", func(t *testing.T) {
		w := newWorld(t, nil)
		raw := w.sign(t, w.token(t))
		w.broken.Store(true)
		if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); !errors.Is(err, openid.ErrProvider) {
			t.Errorf("Verify = %v", err)
		}
		w.broken.Store(false)
		if _, err := w.verifier.Verify(t.Context(), raw, openid.Demand{}); err != nil {
			t.Errorf("once it answers: %v", err)
		}
	})
	t.Run("as the one that was named", func(t *testing.T) {
		w := newWorld(t, nil)
		other, err := openid.New(openid.Config{
			Issuer: w.URL + "/", ClientID: "lodd", Now: func() time.Time { return t0 }, Random: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Verify(t.Context(), w.sign(t, w.token(t)), openid.Demand{}); !errors.Is(err, openid.ErrProvider) {
			t.Errorf("Verify = %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := openid.Config{
		Issuer: "https://id.example.org/realm", ClientID: "lodd", Now: func() time.Time { return t0 }, Random: rand.Reader,
	}
	if _, err := openid.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*openid.Config){
		"no issuer":         func(c *openid.Config) { c.Issuer = "" },
		"no address":        func(c *openid.Config) { c.Issuer = "id.example.org" },
		"in the clear":      func(c *openid.Config) { c.Issuer = "http://id.example.org" },
		"with a question":   func(c *openid.Config) { c.Issuer = "https://id.example.org?x=1" },
		"with a password":   func(c *openid.Config) { c.Issuer = "https://a:b@id.example.org" },
		"no client":         func(c *openid.Config) { c.ClientID = "" },
		"no clock":          func(c *openid.Config) { c.Now = nil },
		"too little chance": func(c *openid.Config) { c.Random = bytes.NewReader(nil) },
	} {
		c := good
		change(&c)
		if _, err := openid.New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
