package openid_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lodd-rct/lodd/server/authn/openid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
			got, err := w.verify(t, w.token(t).with(tt.claim))
			if !errors.Is(err, tt.want) {
				t.Fatalf("Verify = %v, want %v", err, tt.want)
			}
			if want := (openid.Identity{Issuer: w.URL, Subject: "kari"}); err == nil && (got.Identity != want || got.SecondFactor) {
				t.Errorf("Verify = %v, want %v", got, want)
			}
		})
	}
}

// Nobody but the provider makes tokens, in no way that JWTs have been forged.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t, nil)
	c := w.token(t)
	demand := openid.Demand{Nonce: c["nonce"].(string)}
	good := w.sign(t, c)
	body, signature := good[:strings.LastIndexByte(good, '.')], good[strings.LastIndexByte(good, '.')+1:]
	stranger := newIssuer(t)
	// The key that everybody has, as a shared secret.
	public, _ := w.key.PublicKey.Bytes()
	text := unsigned(t, "HS256", c)
	m := hmac.New(sha256.New, public)
	m.Write([]byte(text))

	for name, raw := range map[string]string{
		"nothing":              "",
		"no token":             "hello",
		"without a signature":  unsigned(t, "none", c) + ".",
		"cut":                  body,
		"of another key":       stranger.sign(t, c),
		"by a shared secret":   text + "." + b64(m.Sum(nil)),
		"of another content":   unsigned(t, "ES256", c.with(claims{"sub": "ola"})) + "." + signature,
		"a signature of zeros": body + "." + b64(make([]byte, 64)),
		"endless":              good + strings.Repeat("A", 40<<10),
	} {
		if _, err := w.bring(t, raw, demand); !errors.Is(err, openid.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.bring(t, good, demand); err != nil {
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
			nonce, _ := c["nonce"].(string)
			demand, raw := openid.Demand{Nonce: nonce}, w.sign(t, c)
			again := w.mirrored(t, raw)
			if _, err := w.bring(t, raw, demand); err != nil {
				t.Fatal(err)
			}
			for after := time.Duration(0); after <= 2*time.Hour; after += 3 * time.Minute {
				w.clock.Store(int64(after))
				for _, raw := range []string{raw, again} {
					if _, err := w.bring(t, raw, demand); !errors.Is(err, openid.ErrToken) {
						t.Fatalf("after %v: %v", after, err)
					}
				}
			}
		})
	}
	w := newWorld(t, nil)
	c := w.token(t)
	if _, err := w.verify(t, c); err != nil {
		t.Fatal(err)
	}
	if _, err := w.verify(t, c.with(claims{"iat": t0.Unix() + 1})); !errors.Is(err, openid.ErrToken) {
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
	c := w.token(t)
	raw, demand := w.sign(t, c), openid.Demand{Nonce: c["nonce"].(string)}
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.bring(t, raw, demand); err == nil {
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
		name   string
		device bool
		change func(*openid.Demand)
		after  time.Duration
		want   error
	}{
		{"the one", false, nil, 0, nil},
		{"just in time", false, nil, 10*time.Minute - time.Millisecond, nil},
		{"too late", false, nil, 10 * time.Minute, openid.ErrToken},
		{"of another sign-in", false, func(d *openid.Demand) { d.Nonce = "another" }, 0, openid.ErrToken},
		{"as if of a device", true, func(d *openid.Demand) { d.Nonce = "" }, 0, openid.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *openid.Config) { c.Device = tt.device })
			c := w.token(t)
			d, raw := openid.Demand{Nonce: c["nonce"].(string)}, w.sign(t, c)
			if tt.change != nil {
				tt.change(&d)
			}
			w.clock.Store(int64(tt.after))
			if _, err := w.bring(t, raw, d); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
		})
	}
}

// A nonce is worth nothing at the next start, or at another server.
func TestNoncesDieWithTheProcess(t *testing.T) {
	w := newWorld(t, nil)
	c := w.token(t)
	var err error
	w.verifier, err = openid.New(openid.Config{Issuer: w.URL, ClientID: "lodd", Now: func() time.Time { return t0 }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.verify(t, c); !errors.Is(err, openid.ErrToken) {
		t.Errorf("Verify = %v", err)
	}
}

// What was only looked at isn't used up, and nothing but a proof can be taken.
func TestProofsAreTakenOnce(t *testing.T) {
	w := newWorld(t, nil)
	c := w.token(t)
	for i := range 2 {
		if _, err := w.verifier.Verify(t.Context(), w.sign(t, c), openid.Demand{Nonce: c["nonce"].(string)}); err != nil {
			t.Errorf("look %d: %v", i+1, err)
		}
	}
	if _, err := w.verify(t, c); err != nil {
		t.Errorf("taken: %v", err)
	}
	if err := w.verifier.Take(openid.Proof{Identity: openid.Identity{Issuer: w.URL, Subject: "kari"}}); !errors.Is(err, openid.ErrToken) {
		t.Errorf("a proof of no token: %v", err)
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
		{"with a nonce", 0, 0, openid.Demand{Nonce: "one"}, openid.ErrToken},
		{"for a fresh sign-in", 0, 0, openid.Demand{Fresh: true}, openid.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, device)
			raw := w.sign(t, w.token(t).with(claims{"nonce": nil, "iat": at(tt.issue), "auth_time": at(tt.issue)}))
			w.clock.Store(int64(tt.after))
			if _, err := w.bring(t, raw, tt.d); !errors.Is(err, tt.want) {
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
			c := w.token(t).with(claims{"auth_time": nil})
			if seconds, ok := tt.at.(int); ok {
				c["auth_time"] = t0.Unix() + int64(seconds)
			}
			if _, err := w.bring(t, w.sign(t, c), openid.Demand{Nonce: c["nonce"].(string), Fresh: true}); !errors.Is(err, tt.want) {
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
			got, err := w.verify(t, w.token(t).with(tt.claim))
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
		if _, err := w.verify(t, w.token(t)); err != nil {
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
		c := w.token(t)
		w.Close()
		if _, err := w.verify(t, c); !errors.Is(err, openid.ErrProvider) {
			t.Errorf("Verify = %v", err)
		}
	})
	t.Run("with its keys, and then does", func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.token(t)
		w.broken.Store(true)
		if _, err := w.verify(t, c); !errors.Is(err, openid.ErrProvider) {
			t.Errorf("Verify = %v", err)
		}
		w.broken.Store(false)
		if _, err := w.verify(t, c); err != nil {
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
