package openid

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// browserLife is how long a person may take in the browser.
const browserLife = 5 * time.Minute

// Browser has a person sign in with a browser that open is told to show a page,
// and returns the ID token. It waits five minutes, on an address of this machine
// that takes one answer.
//
// Others on the same machine may reach that address. They learn nothing there:
// an answer counts only with the state that went through the person's browser,
// anything else leaves the wait as it is, and the code is worth nothing without
// the verifier, which never leaves this process. The path is fixed, because
// providers compare it with what was registered; the port is not.
//
// Source: RFC 8252 (2017), sections 7.3 and 8; RFC 7636 (2015), section 4;
// RFC 9207 (2022), section 2.4.
func Browser(ctx context.Context, c Config, a Ask, open func(address string) error) (string, error) {
	ctx, cancel := context.WithTimeout(withClient(ctx), browserLife)
	defer cancel()
	p, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	state, err := c.secret()
	if err != nil {
		return "", err
	}
	verifier, err := c.secret()
	if err != nil {
		return "", err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("openid: wait for the browser: %w", err)
	}
	p.oauth.RedirectURL = "http://" + l.Addr().String() + RedirectPath
	back := &landing{host: l.Addr().String(), state: state, answers: make(chan url.Values, 1)}
	stop := back.serve(l)
	defer stop()
	if err := open(p.oauth.AuthCodeURL(state, c.options(a, verifier)...)); err != nil {
		return "", fmt.Errorf("openid: open the browser: %w", err)
	}
	code, err := back.wait(ctx, c.Issuer, p.namesSelf)
	if err != nil {
		return "", err
	}
	return idToken(p.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier)))
}

// options returns what goes with the question beside the state.
func (c Config) options(a Ask, verifier string) []oauth2.AuthCodeOption {
	o := append(c.acr(), oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(verifier))
	if a.Fresh {
		o = append(o, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return o
}

// landing is where the browser comes back to.
type landing struct {
	host    string
	state   string
	answers chan url.Values // takes one
}

// serve answers on l until the function that it returns is called.
func (r *landing) serve(l net.Listener) (stop func()) {
	s := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	s.SetKeepAlivesEnabled(false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // it ends when it is told to, or the wait ends with the context
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.Shutdown(ctx) != nil { // the page has a second to arrive
			s.Close()
		}
		<-done
	}
}

// ServeHTTP takes the answer that bears the state, and no other.
func (r *landing) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	q := req.URL.Query()
	if req.Method != http.MethodGet || req.Host != r.host || req.URL.Path != RedirectPath || !same(q.Get("state"), r.state) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(pageWrong))
		return
	}
	select {
	case r.answers <- q:
	default: // somebody reloads the page
	}
	_, _ = w.Write([]byte(pageDone))
}

// wait returns the code of the answer. The issuer must be the one that was
// asked, if it says who it is, so that no other provider's code is taken to it.
func (r *landing) wait(ctx context.Context, issuer string, namesSelf bool) (string, error) {
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("openid: nobody signed in with the browser: %w", ctx.Err())
	case q := <-r.answers:
		if (namesSelf || q.Has("iss")) && q.Get("iss") != issuer {
			return "", errors.New("openid: the answer came from another identity provider than the one that was asked")
		}
		if code := q.Get("error"); code != "" {
			return "", &RefusedError{code}
		}
		if q.Get("code") == "" {
			return "", errors.New("openid: the answer of the identity provider has no code")
		}
		return q.Get("code"), nil
	}
}

// The pages say the same in both languages, as it isn't known yet which one the
// person reads. They don't tell whether it worked: the program does.
const (
	pageDone = `<!doctype html><html lang="nb"><meta charset="utf-8"><title>Lodd</title>
<h1>Du kan lukke dette vinduet</h1><p>Gå tilbake til Lodd. Der ser du om du er logget inn.</p>
<div lang="en"><h1>You can close this window</h1><p>Go back to Lodd. It tells whether you are signed in.</p></div></html>
`
	pageWrong = `<!doctype html><html lang="nb"><meta charset="utf-8"><title>Lodd</title>
<h1>Dette er ikke en innlogging som er i gang</h1><p>Begynn på nytt i Lodd.</p>
<div lang="en"><h1>This is no sign-in that is under way</h1><p>Begin anew in Lodd.</p></div></html>
`
)
