package openid_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lodd-rct/lodd/client/openid"
	server "github.com/lodd-rct/lodd/server/authn/openid"
	"github.com/lodd-rct/lodd/server/authn/openid/openidtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a provider, a server that believes it, and a client.
type world struct {
	*openidtest.Provider
	verifier *server.Verifier
	client   openid.Config
	ahead    atomic.Int64 // how far the server's clock is ahead, in nanoseconds
}

func newWorld(t *testing.T, p *openidtest.Provider) *world {
	t.Helper()
	w := &world{Provider: p, client: openid.Config{Issuer: p.Issuer, ClientID: openidtest.ClientID, Random: rand.Reader}}
	w.verifier = w.server(t, p.Issuer)
	return w
}

// server returns who believes an issuer.
func (w *world) server(t *testing.T, issuer string) *server.Verifier {
	t.Helper()
	v, err := server.New(server.Config{
		Issuer: issuer, ClientID: openidtest.ClientID, ACR: []string{"high"}, AMR: []string{"otp"}, Device: true, Random: rand.Reader,
		Now: func() time.Time {
			return time.Now().Add(time.Duration(w.ahead.Load())) //nolint:forbidigo // a real provider lives in our time
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ask begins a sign-in at the server.
func (w *world) ask(t *testing.T) openid.Ask {
	t.Helper()
	n, err := w.verifier.Nonce()
	if err != nil {
		t.Fatal(err)
	}
	return openid.Ask{Nonce: n}
}

// verify brings a token to the server, which takes it.
func (w *world) verify(t *testing.T, token string, d server.Demand) (server.Proof, error) {
	t.Helper()
	p, err := w.verifier.Verify(t.Context(), token, d)
	if err == nil {
		err = w.verifier.Take(p)
	}
	return p, err
}

// signIn returns the token of a sign-in with a browser.
func signIn(t *testing.T, c openid.Config, a openid.Ask, b *openidtest.Browser) string {
	t.Helper()
	token, err := openid.Browser(t.Context(), c, a, opener(t, b))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// opener returns how a browser is opened: beside the program, as a real one.
func opener(t *testing.T, b *openidtest.Browser) func(string) error {
	ctx := context.WithoutCancel(t.Context()) // the browser reads to the end
	opened := make(chan error, 1)
	t.Cleanup(func() {
		if err := <-opened; err != nil {
			t.Error(err)
		}
	})
	return func(address string) error {
		go func() {
			page, err := b.Open(ctx, address)
			if err == nil && !strings.Contains(page, "You can close this window") {
				err = errors.New("the last page says " + page)
			}
			opened <- err
		}()
		return nil
	}
}

var (
	kari   = openidtest.Person{Name: "kari", ACR: "low"}
	strong = openidtest.Person{Name: "kari", ACR: "high", AMR: []string{"pwd", "otp"}}
)

// One provider for all: it takes half a second to start.
func TestRealProvider(t *testing.T) {
	p := openidtest.Start(t)
	for name, test := range map[string]func(*testing.T, *world){
		"browser":                browserFlow,
		"second factor":          secondFactor,
		"replay":                 replay,
		"wrong nonce":            wrongNonce,
		"expired":                expired,
		"wrong audience":         wrongAudience,
		"other issuer":           otherIssuer,
		"step-up":                stepUp,
		"refused":                refused,
		"device":                 deviceFlow,
		"device, refused":        deviceRefused,
		"strangers at the door":  strangers,
		"provider mixed up":      mixedUp,
		"nobody comes":           nobodyComes,
		"the browser won't open": noBrowser,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, p))
		})
	}
}

func browserFlow(t *testing.T, w *world) {
	ask := w.ask(t)
	got, err := w.verify(t, signIn(t, w.client, ask, openidtest.NewBrowser(kari)), server.Demand{Nonce: ask.Nonce})
	if want := (server.Identity{Issuer: w.Issuer, Subject: "kari"}); err != nil || got.Identity != want || got.SecondFactor {
		t.Errorf("Verify = %v, %v, want %v", got, err, want)
	}
}

// What counts as a second factor is asked for, and seen in the token.
func secondFactor(t *testing.T, w *world) {
	w.client.ACR = []string{"high"}
	ask := w.ask(t)
	got, err := w.verify(t, signIn(t, w.client, ask, openidtest.NewBrowser(strong)), server.Demand{Nonce: ask.Nonce})
	if err != nil || !got.SecondFactor {
		t.Errorf("Verify = %v, %v", got, err)
	}
}

func replay(t *testing.T, w *world) {
	ask := w.ask(t)
	token := signIn(t, w.client, ask, openidtest.NewBrowser(kari))
	for i, want := range []error{nil, server.ErrToken} {
		if _, err := w.verify(t, token, server.Demand{Nonce: ask.Nonce}); !errors.Is(err, want) {
			t.Errorf("use %d: %v, want %v", i+1, err, want)
		}
	}
}

func wrongNonce(t *testing.T, w *world) {
	elsewhere, err := w.server(t, w.Issuer).Nonce()
	if err != nil {
		t.Fatal(err)
	}
	for name, nonces := range map[string]struct{ of, with string }{
		"another server's":   {elsewhere, elsewhere},
		"made up":            {"hello", "hello"},
		"of another sign-in": {w.ask(t).Nonce, w.ask(t).Nonce},
		"as if of a device":  {w.ask(t).Nonce, ""},
		"not asked for":      {"", w.ask(t).Nonce},
	} {
		token := signIn(t, w.client, openid.Ask{Nonce: nonces.of}, openidtest.NewBrowser(kari))
		if _, err := w.verify(t, token, server.Demand{Nonce: nonces.with}); !errors.Is(err, server.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func expired(t *testing.T, w *world) {
	ask := w.ask(t)
	token := signIn(t, w.client, ask, openidtest.NewBrowser(kari))
	w.ahead.Store(int64(2 * time.Hour))
	if _, err := w.verify(t, token, server.Demand{Nonce: ask.Nonce}); !errors.Is(err, server.ErrToken) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Verify = %v", err)
	}
}

func wrongAudience(t *testing.T, w *world) {
	w.client.ClientID = openidtest.AnotherClient
	ask := w.ask(t)
	_, err := w.verify(t, signIn(t, w.client, ask, openidtest.NewBrowser(kari)), server.Demand{Nonce: ask.Nonce})
	if !errors.Is(err, server.ErrToken) || !strings.Contains(err.Error(), "audience") {
		t.Errorf("Verify = %v", err)
	}
}

// Both providers sign with the same keys, so that it is the issuer that differs.
func otherIssuer(t *testing.T, w *world) {
	w.client.Issuer = w.Other
	ask := w.ask(t)
	_, err := w.verify(t, signIn(t, w.client, ask, openidtest.NewBrowser(kari)), server.Demand{Nonce: ask.Nonce})
	if !errors.Is(err, server.ErrToken) || !strings.Contains(err.Error(), "different provider") {
		t.Errorf("Verify = %v", err)
	}
}

// The provider knows the person by a cookie, and asks nevertheless. Whoever
// leaves out the asking gets a token that is no step-up.
func stepUp(t *testing.T, w *world) {
	b := openidtest.NewBrowser(strong)
	signIn(t, w.client, w.ask(t), b)
	b.Person.Name = "" // says no if asked

	lazy := w.ask(t)
	token := signIn(t, w.client, lazy, b)
	if _, err := w.verify(t, token, server.Demand{Nonce: lazy.Nonce, Fresh: true}); !errors.Is(err, server.ErrStale) {
		t.Errorf("without being asked: %v", err)
	}
	ask := w.ask(t)
	ask.Fresh = true
	if _, err := openid.Browser(t.Context(), w.client, ask, opener(t, b)); err == nil {
		t.Error("the provider didn't ask anew")
	}
	b.Person.Name = "kari"
	token = signIn(t, w.client, ask, b)
	if _, err := w.verify(t, token, server.Demand{Nonce: ask.Nonce, Fresh: true}); err != nil {
		t.Errorf("asked anew: %v", err)
	}
	late := w.ask(t)
	late.Fresh = true
	token = signIn(t, w.client, late, b)
	w.ahead.Store(int64(2 * time.Minute))
	if _, err := w.verify(t, token, server.Demand{Nonce: late.Nonce, Fresh: true}); !errors.Is(err, server.ErrStale) {
		t.Errorf("two minutes later: %v", err)
	}
}

func refused(t *testing.T, w *world) {
	_, err := openid.Browser(t.Context(), w.client, w.ask(t), opener(t, openidtest.NewBrowser(openidtest.Person{})))
	if r, ok := errors.AsType[*openid.RefusedError](err); !ok || r.Code != "access_denied" {
		t.Errorf("Browser = %v", err)
	}
}

func deviceFlow(t *testing.T, w *world) {
	var shown openid.Code
	token, err := openid.Device(t.Context(), w.client, func(c openid.Code) {
		shown = c
		if err := openidtest.NewBrowser(strong).Approve(t.Context(), c.Complete); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if shown.Code == "" || !strings.HasPrefix(shown.Address, w.Issuer) || shown.Expires.IsZero() {
		t.Errorf("the person was shown %+v", shown)
	}
	got, err := w.verify(t, token, server.Demand{})
	if want := (server.Identity{Issuer: w.Issuer, Subject: "kari"}); err != nil || got.Identity != want || !got.SecondFactor {
		t.Errorf("Verify = %v, %v, want %v", got, err, want)
	}
	if _, err := w.verify(t, token, server.Demand{}); !errors.Is(err, server.ErrToken) {
		t.Errorf("the second use: %v", err)
	}
}

func deviceRefused(t *testing.T, w *world) {
	_, err := openid.Device(t.Context(), w.client, func(c openid.Code) {
		_ = openidtest.NewBrowser(openidtest.Person{}).Approve(t.Context(), c.Complete)
	})
	if r, ok := errors.AsType[*openid.RefusedError](err); !ok || r.Code != "access_denied" {
		t.Errorf("Device = %v", err)
	}
}

// A provider that gives out no code is told as just that, once.
func TestProviderWithoutACode(t *testing.T) {
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %[1]q, "authorization_endpoint": "%[1]s/auth", "token_endpoint": "%[1]s/token", "device_authorization_endpoint": "%[1]s/device"}`, s.URL)
	})
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	_, err := openid.Device(t.Context(), openid.Config{Issuer: s.URL, ClientID: openidtest.ClientID, Random: rand.Reader}, func(openid.Code) {})
	if err == nil || strings.Count(err.Error(), "openid: ") != 1 || !strings.HasPrefix(err.Error(), "openid: ask for a code") || strings.Contains(err.Error(), "ask for the token") {
		t.Errorf("Device = %v", err)
	}
}

// Whoever else reaches the address on which the program waits neither gets an
// answer in nor ends the wait.
func strangers(t *testing.T, w *world) {
	b := openidtest.NewBrowser(kari)
	stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	open := opener(t, b)
	ask := w.ask(t)
	token, err := openid.Browser(t.Context(), w.client, ask, func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := u.Query()
		back, state := q.Get("redirect_uri"), url.QueryEscape(q.Get("state"))
		for _, other := range []struct{ method, address, host string }{
			{http.MethodGet, back, ""},
			{http.MethodGet, back + "?code=stolen", ""},
			{http.MethodGet, back + "?code=stolen&state=", ""},
			{http.MethodGet, back + "?error=access_denied&state=guessed", ""},
			{http.MethodPost, back + "?code=stolen&state=" + state, ""},
			{http.MethodGet, back + "/x?code=stolen&state=" + state, ""},
			{http.MethodGet, back + "?code=stolen&state=" + state, "evil.example.org"},
		} {
			req, err := http.NewRequestWithContext(t.Context(), other.method, other.address, nil)
			if err != nil {
				return err
			}
			req.Host = other.host
			resp, err := stranger.Do(req)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s answers %s, %v", other.method, other.address, resp.Status, resp.Header)
			}
		}
		return open(address)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.verify(t, token, server.Demand{Nonce: ask.Nonce}); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// An answer that says that it is another provider's is taken to none.
func mixedUp(t *testing.T, w *world) {
	stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, iss := range map[string]string{"another": "&iss=https%3A%2F%2Fid.example.org", "none": ""} {
		_, err := openid.Browser(t.Context(), w.client, w.ask(t), func(address string) error {
			u, err := url.Parse(address)
			if err != nil {
				return err
			}
			q := u.Query()
			resp, err := stranger.Get(q.Get("redirect_uri") + "?code=x&state=" + url.QueryEscape(q.Get("state")) + iss)
			if err == nil {
				resp.Body.Close()
			}
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "another identity provider") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func nobodyComes(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := openid.Browser(ctx, w.client, openid.Ask{}, func(string) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Browser = %v", err)
	}
}

func noBrowser(t *testing.T, w *world) {
	none := errors.New("no browser here")
	if _, err := openid.Browser(t.Context(), w.client, openid.Ask{}, func(string) error { return none }); !errors.Is(err, none) {
		t.Errorf("Browser = %v", err)
	}
}
