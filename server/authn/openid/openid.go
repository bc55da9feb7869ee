// Package openid believes what an identity provider says about who signed in,
// as OpenID Connect has it.
//
// It verifies ID tokens, which clients bring; it never sees a password or an
// access token, and needs no secret at the provider. What it remembers, the
// tokens that were used, is in memory: a verifier that starts anew believes no
// token from before its start.
package openid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	nonceLife  = 10 * time.Minute // from the first page of the provider to its answer
	deviceLife = 5 * time.Minute  // how old a token without a nonce may be
	freshLife  = time.Minute      // how long ago somebody who steps up may have signed in
	skew       = time.Minute      // how far the provider's clock may be ahead
	maxToken   = 32 << 10         // bytes
	timeout    = 10 * time.Second // of one request to the provider
)

// ErrProvider is returned if the provider doesn't answer, or not as one.
var ErrProvider = errors.New("openid: the identity provider does not answer; nothing was done, try again in a while")

// ErrToken is returned for a token that proves nothing here: not the
// provider's, for another program, expired, used before, or not asked for.
var ErrToken = errors.New("openid: what the identity provider said about this sign-in can't be used; begin the sign-in anew")

// ErrStale is returned for the token of somebody who didn't sign in at the
// provider just now, although that was asked for.
var ErrStale = errors.New("openid: the identity provider did not ask who you are just now; begin anew, and sign in there")

// Config says which provider is believed, and what.
type Config struct {
	// Issuer is the provider's address, as it stands in its tokens. It begins
	// with https, save on this machine.
	Issuer string
	// ClientID is what the provider knows Lodd by: a public client, of the type
	// native.
	ClientID string
	// ACR and AMR are the values of these claims by which the provider says that
	// it asked for a second factor: one of either is enough. Without any, it
	// never did.
	ACR, AMR []string
	// Device lets people in who sign in on another device (RFC 8628). Their
	// tokens can't be bound to what was begun here: somebody may talk a person
	// into signing in for somebody else.
	Device bool

	Now    func() time.Time
	Random io.Reader // read once, for the key of nonces, and for each nonce
}

// check reports what can't be right.
func (c Config) check() error {
	u, err := url.Parse(c.Issuer)
	switch {
	case c.Now == nil || c.Random == nil:
		return errors.New("openid: Now and Random are needed")
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("openid: issuer %q is not an address as https://id.example.org", c.Issuer)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return fmt.Errorf("openid: issuer %q must begin with https://", c.Issuer)
	case c.ClientID == "":
		return errors.New("openid: client_id is missing: it is what the identity provider calls this program")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// An Identity is a person as a provider knows them. The subject means nothing
// without the issuer.
//
// Source: OpenID Connect Core 1.0 (2023), section 5.7.
type Identity struct{ Issuer, Subject string }

// A Proof is what a token proves, once.
type Proof struct {
	Identity
	SecondFactor bool // the provider asked for one

	marks [][32]byte // by which the token is known again
	until time.Time  // when it is refused anyway
}

// A Demand is what a token has to be.
type Demand struct {
	Nonce string // the nonce in it; none for a token of another device
	Fresh bool   // the person signed in at the provider just now
}

// A Verifier verifies the tokens of one provider. It may be used concurrently.
type Verifier struct {
	config Config
	http   *http.Client
	begun  time.Time
	nonces nonces

	mu    sync.Mutex // guards what follows
	keys  oidc.KeySet
	check *oidc.IDTokenVerifier
	used  map[[32]byte]time.Time // what was used, until it would be refused anyway
}

// New returns a verifier. It asks the provider nothing before the first token.
func New(c Config) (*Verifier, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n, err := newNonces(c.Random)
	if err != nil {
		return nil, err
	}
	return &Verifier{config: c, http: newClient(), nonces: n, begun: c.Now(), used: map[[32]byte]time.Time{}}, nil
}

// Nonce returns a nonce, to be used once and within ten minutes. Nothing of it
// is kept.
func (v *Verifier) Nonce() (string, error) { return v.nonces.make(v.config.Now().Add(nonceLife)) }

// Verify returns who signed in, by the ID token that a client brings. Nothing
// may be done by it before [Verifier.Take]. The error is [ErrProvider],
// [ErrToken] or [ErrStale], with the cause for the log behind it.
//
// Source: OpenID Connect Core 1.0 (2023), sections 3.1.3.7 and 2.
func (v *Verifier) Verify(ctx context.Context, raw string, d Demand) (Proof, error) {
	if len(raw) > maxToken {
		return Proof{}, refuse("the token has %d bytes", len(raw))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	token, err := v.verify(ctx, raw)
	if err != nil {
		return Proof{}, err
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return Proof{}, refuse("%w", err)
	}
	now := v.config.Now()
	if err := v.accept(token, c, now); err != nil {
		return Proof{}, err
	}
	until, err := v.bound(token, d, now)
	if err != nil {
		return Proof{}, err
	}
	if d.Fresh && !c.fresh(now) {
		return Proof{}, ErrStale
	}
	return Proof{Identity{token.Issuer, token.Subject}, v.secondFactor(c), marks(raw, token.Nonce), until}, nil
}

// Take takes a proof, after which neither its token nor another one with its
// nonce is taken again. It returns [ErrToken] if one was.
func (v *Verifier) Take(p Proof) error {
	if len(p.marks) == 0 || !v.use(p.marks, p.until, v.config.Now()) {
		return refuse("the token was used before")
	}
	return nil
}

// claims are what go-oidc leaves to us.
type claims struct {
	Party    string   `json:"azp"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	AuthTime float64  `json:"auth_time"` // seconds since 1970
}

// fresh reports whether the person signed in just now.
func (c claims) fresh(now time.Time) bool {
	at := time.Unix(int64(c.AuthTime), 0)
	return c.AuthTime > 0 && now.Sub(at) <= freshLife && at.Sub(now) <= skew
}

// accept checks for whom the token was made, and when.
func (v *Verifier) accept(t *oidc.IDToken, c claims, now time.Time) error {
	switch {
	case c.Party != "" && c.Party != v.config.ClientID, c.Party == "" && len(t.Audience) > 1:
		return refuse("the token was made for %q", c.Party)
	case t.Subject == "" || len(t.Subject) > 255:
		return refuse("the subject has %d bytes", len(t.Subject))
	case !now.Before(t.Expiry): // go-oidc lets the last instant pass, at which we forget the token
		return refuse("the token expired at %v", t.Expiry)
	case t.IssuedAt.Sub(now) > skew:
		return refuse("the token was made %v ahead of our clock", t.IssuedAt.Sub(now))
	}
	return nil
}

// bound checks that the token answers to what was begun here, and returns until
// when it would. A nonce must be ours; a token without one is of a device.
func (v *Verifier) bound(t *oidc.IDToken, d Demand, now time.Time) (time.Time, error) {
	if t.Nonce != d.Nonce {
		return time.Time{}, refuse("the token has another nonce")
	}
	if t.Nonce != "" {
		expires, ok := v.nonces.check(t.Nonce)
		if !ok || !now.Before(expires) {
			return time.Time{}, refuse("the nonce is none of ours, or too old")
		}
		return later(expires, t.Expiry), nil
	}
	switch {
	case !v.config.Device:
		return time.Time{}, refuse("the token has no nonce")
	case d.Fresh:
		return time.Time{}, refuse("a token without a nonce is no step-up")
	case t.IssuedAt.Before(v.begun.Truncate(time.Second)) || now.Sub(t.IssuedAt) > deviceLife:
		return time.Time{}, refuse("the token has no nonce and is too old, or from before our start")
	}
	return t.Expiry, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (v *Verifier) secondFactor(c claims) bool {
	return c.ACR != "" && slices.Contains(v.config.ACR, c.ACR) ||
		slices.ContainsFunc(c.AMR, func(m string) bool { return slices.Contains(v.config.AMR, m) })
}

// use takes the marks, all or none, and reports whether none was taken before.
func (v *Verifier) use(marks [][32]byte, until, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for m, end := range v.used {
		if !now.Before(end) {
			delete(v.used, m)
		}
	}
	for _, m := range marks {
		if _, used := v.used[m]; used {
			return false
		}
	}
	for _, m := range marks {
		v.used[m] = until
	}
	return true
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w (%w)", ErrToken, fmt.Errorf(format, args...))
}
