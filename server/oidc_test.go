package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/lodd-rct/lodd/client/openid"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn/openid/openidtest"
)

// An oidcWorld is a world with a real identity provider.
type oidcWorld struct {
	*world
	provider *openidtest.Provider
}

func newOIDC(t *testing.T, p *openidtest.Provider, config func(*server.Config)) *oidcWorld {
	t.Helper()
	w := newWorld(t, func(c *server.Config) {
		c.SignIn.Provider = server.Provider{
			Issuer: p.Issuer, ClientID: openidtest.ClientID, Scopes: []string{"profile"}, ACR: []string{"high"}, AMR: []string{"otp"}, Device: true,
		}
		if config != nil {
			config(c)
		}
	})
	w.wait(time.Since(w.clock.now())) //nolint:forbidigo // a real provider lives in our time
	return &oidcWorld{w, p}
}

// token signs a person in at the provider.
func (w *oidcWorld) token(p openidtest.Person, fresh bool) (token, nonce string) {
	w.t.Helper()
	begun, err := w.session().BeginOIDC(w.t.Context(), &loddv1.BeginOIDCRequest{})
	w.must(err)
	c := openid.Config{Issuer: begun.GetIssuer(), ClientID: begun.GetClientId(), Scopes: begun.GetScopes(), Random: rand.Reader}
	opened := make(chan error, 1)
	token, err = openid.Browser(w.t.Context(), c, openid.Ask{Nonce: begun.GetNonce(), Fresh: fresh}, func(address string) error {
		go func() {
			_, err := openidtest.NewBrowser(p).Open(w.t.Context(), address)
			opened <- err
		}()
		return nil
	})
	w.must(err)
	w.must(<-opened)
	return token, begun.GetNonce()
}

// enter begins a session by a fresh token.
func (w *oidcWorld) enter(p openidtest.Person, code string) (context.Context, *loddv1.LoginOIDCResponse, error) {
	w.t.Helper()
	token, nonce := w.token(p, false)
	resp, err := w.session().LoginOIDC(w.t.Context(), &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce, Code: code})
	return metadata.AppendToOutgoingContext(w.t.Context(), "authorization", "Bearer "+resp.GetSession().GetToken()), resp, err
}

// joinAs makes an account that is tied to a person's identity.
func (w *oidcWorld) joinAs(code, user string, p openidtest.Person) error {
	w.t.Helper()
	token, nonce := w.token(p, false)
	_, err := w.session().Join(w.t.Context(), &loddv1.JoinRequest{Code: code, User: user, FullName: "Person " + user, IdToken: token, Nonce: nonce})
	return err
}

func (w *oidcWorld) bootstrapAs(p openidtest.Person) {
	w.t.Helper()
	text, _ := w.server.BootstrapInvite()
	w.must(w.joinAs(w.code(text), "admin", p))
}

var (
	weakly   = openidtest.Person{Name: "sub-1", ACR: "low", AMR: []string{"pwd"}}
	strongly = openidtest.Person{Name: "sub-1", ACR: "high", AMR: []string{"pwd", "otp"}}
	stranger = openidtest.Person{Name: "sub-2", ACR: "high"}
)

// One provider for all: it takes half a second to start.
func TestOIDC(t *testing.T) {
	p := openidtest.Start(t)
	for name, test := range map[string]func(*testing.T, *openidtest.Provider){
		"sign-in": oidcSignIn, "second factor": oidcSecondFactor, "joining": oidcJoining, "step-up": oidcStepUp, "disabled": oidcDisabled,
	} {
		t.Run(name, func(t *testing.T) { test(t, p) })
	}
}

// The provider's word lets in whoever has an account, once for each token, and
// the log doesn't name whom it knows.
func oidcSignIn(t *testing.T, p *openidtest.Provider) {
	w := newOIDC(t, p, nil)
	w.bootstrapAs(weakly)
	token, nonce := w.token(weakly, false)
	for _, wrong := range []*loddv1.LoginOIDCRequest{
		{IdToken: token}, {IdToken: token, Nonce: "another"}, {IdToken: token[1:], Nonce: nonce}, {Nonce: nonce},
	} {
		_, err := w.session().LoginOIDC(t.Context(), wrong)
		refused(t, err, codes.Unauthenticated, "SIGN_IN")
	}
	resp, err := w.session().LoginOIDC(t.Context(), &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce})
	w.must(err)
	if resp.GetUser() != "admin" || resp.GetSession().GetLimited() {
		t.Errorf("LoginOIDC = %v", resp)
	}
	_, err = w.session().LoginOIDC(t.Context(), &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce})
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, _, err = w.enter(stranger, "")
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, _, err = w.login("admin", "")
	refused(t, err, codes.Unauthenticated, "SIGN_IN") // there is no password, of whatever text

	if got := w.kinds("system"); !slices.Equal(got, []string{"account_created admin", "identity_linked admin", "signed_in ", "sign_in_refused admin"}) {
		t.Errorf("entries = %q", got)
	}
	w.entriesTellNothing("sub-1")
}

// entriesTellNothing demands that no entry of the system holds a text.
func (w *world) entriesTellNothing(secret string) {
	w.t.Helper()
	entries, err := w.log.Read(w.t.Context(), "system", 0, w.log.Len("system"))
	w.must(err)
	for i, e := range entries {
		if bytes.Contains(e, []byte(secret)) {
			w.t.Errorf("entry %d holds %q", i, secret)
		}
	}
}

// Where a second factor is demanded, the provider's counts, or Lodd's own.
func oidcSecondFactor(t *testing.T, p *openidtest.Provider) {
	w := newOIDC(t, p, withFactor)
	w.bootstrapAs(weakly)
	ctx, resp, err := w.enter(weakly, "")
	w.must(err)
	if !resp.GetSession().GetLimited() {
		t.Error("a session without a second factor isn't limited")
	}
	_, err = w.people().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
	refused(t, err, codes.PermissionDenied, "FACTOR_NEEDED")

	strong, resp, err := w.enter(strongly, "")
	w.must(err)
	if resp.GetSession().GetLimited() {
		t.Error("a session with the provider's second factor is limited")
	}
	_, err = w.people().CreateInvite(strong, &loddv1.CreateInviteRequest{})
	w.must(err)

	enrol := func(p openidtest.Person, fresh bool) (*loddv1.EnrolFactorResponse, error) {
		token, nonce := w.token(p, fresh)
		return w.session().EnrolFactor(ctx, &loddv1.EnrolFactorRequest{IdToken: token, Nonce: nonce})
	}
	_, err = w.session().EnrolFactor(ctx, &loddv1.EnrolFactorRequest{}) // there is no password, but a session isn't enough
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, err = enrol(weakly, false)
	refused(t, err, codes.PermissionDenied, "STEP_UP")
	_, err = enrol(stranger, true)
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	begun, err := enrol(weakly, true)
	w.must(err)
	_, err = w.session().ConfirmFactor(ctx, &loddv1.ConfirmFactorRequest{Code: w.totp(begun.GetSecret())})
	w.must(err)
	w.wait(30 * time.Second)

	// A token that wants a code is not used up before one comes, and then it is.
	token, nonce := w.token(weakly, false)
	with := func(code string) error {
		_, err := w.session().LoginOIDC(t.Context(), &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce, Code: code})
		return err
	}
	refused(t, with(""), codes.Unauthenticated, "CODE_NEEDED")
	w.must(with(w.totp(begun.GetSecret())))
	w.wait(30 * time.Second)
	token, nonce = w.token(weakly, false)
	refused(t, with("000000"), codes.Unauthenticated, "CODE_NEEDED")
	refused(t, with(w.totp(begun.GetSecret())), codes.Unauthenticated, "SIGN_IN")
	_, resp, err = w.enter(strongly, "") // no second code for whoever gave one there
	w.must(err)
	if resp.GetSession().GetLimited() {
		t.Error("a session with the provider's second factor is limited")
	}
}

func oidcJoining(t *testing.T, p *openidtest.Provider) {
	w := newOIDC(t, p, nil)
	w.bootstrap()
	code := w.invite()
	token, nonce := w.token(weakly, false)
	join := func(req *loddv1.JoinRequest) error {
		req.Code, req.User, req.FullName = code, "kari", "Kari"
		_, err := w.session().Join(t.Context(), req)
		return err
	}
	refused(t, join(&loddv1.JoinRequest{IdToken: token, Nonce: nonce, Password: password}), codes.InvalidArgument, "")
	refused(t, join(&loddv1.JoinRequest{IdToken: token}), codes.Unauthenticated, "SIGN_IN")
	left, err := w.store.Get(t.Context(), "cred/admin") // what a crash left of somebody who wanted the name
	w.must(err)
	w.must(w.store.Put(t.Context(), "cred/kari", left))
	w.must(join(&loddv1.JoinRequest{IdToken: token, Nonce: nonce}))
	_, _, err = w.login("kari", "")
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, err = w.session().LoginOIDC(t.Context(), &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce})
	refused(t, err, codes.Unauthenticated, "SIGN_IN") // the token was for joining
	refused(t, w.joinAs(w.invite(), "kari2", weakly), codes.AlreadyExists, "EXISTS")
	w.must(w.joinAs(w.invite(), "ola", stranger))
	for person, user := range map[string]string{"sub-1": "kari", "sub-2": "ola"} {
		_, resp, err := w.enter(openidtest.Person{Name: person}, "")
		w.must(err)
		if resp.GetUser() != user {
			t.Errorf("%s is %s", person, resp.GetUser())
		}
	}

	none := newWorld(t, nil) // a server without a provider
	_, err = none.session().BeginOIDC(t.Context(), &loddv1.BeginOIDCRequest{})
	refused(t, err, codes.FailedPrecondition, "NO_PROVIDER")
	_, err = none.session().LoginOIDC(t.Context(), &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce})
	refused(t, err, codes.FailedPrecondition, "NO_PROVIDER")
}

// A step-up is a sign-in at the provider just now, by the same person, with a
// second factor where one is demanded.
func oidcStepUp(t *testing.T, p *openidtest.Provider) {
	w := newOIDC(t, p, withFactor)
	w.bootstrapAs(strongly)
	ctx, _, err := w.enter(strongly, "")
	w.must(err)
	step := func(p openidtest.Person, fresh bool) error {
		token, nonce := w.token(p, fresh)
		_, err := w.session().StepUp(ctx, &loddv1.StepUpRequest{Act: approving, Subject: "kari", IdToken: token, Nonce: nonce})
		return err
	}
	w.must(step(strongly, true))
	refused(t, step(strongly, false), codes.PermissionDenied, "STEP_UP") // the provider doesn't say when
	refused(t, step(stranger, true), codes.Unauthenticated, "SIGN_IN")
	refused(t, step(weakly, true), codes.PermissionDenied, "FACTOR_NEEDED")
	_, err = w.session().StepUp(ctx, &loddv1.StepUpRequest{Act: approving, Subject: "kari", Password: password})
	refused(t, err, codes.Unauthenticated, "SIGN_IN")

	text, err := w.people().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
	w.must(err)
	w.must(w.joinAs(w.code(text.GetInvite()), "ola", stranger))
	refused(t, step(stranger, true), codes.Unauthenticated, "SIGN_IN") // who is somebody else here
}

// Who is disabled here is out, whatever the provider says.
func oidcDisabled(t *testing.T, p *openidtest.Provider) {
	w := newOIDC(t, p, nil)
	w.bootstrap()
	w.must(w.joinAs(w.invite(), "kari", weakly))
	ctx, _, err := w.enter(weakly, "")
	w.must(err)
	_, err = w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "kari", Reason: "left"})
	w.must(err)
	_, err = w.session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")
	_, _, err = w.enter(weakly, "")
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
}
