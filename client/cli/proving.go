package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/client/openid"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// proving is how somebody proves who they are.
type proving struct {
	fromStdin bool // password and code are lines of standard input
	oidc      bool // at the identity provider, with the browser
	device    bool // there, on another device
}

func (p proving) atProvider() bool { return p.oidc || p.device }

// begin begins a session. The user of the request is who it was the last time,
// if the identity provider says who it is.
func (a *app) begin(ctx context.Context, c *client.Client, how proving, req *loddv1.LoginRequest) (*loddv1.LoginResponse, error) {
	known := a.dirs.LoadDevice(a.settings.pin, req.GetUser())
	device, answer := "", (*loddv1.LoginResponse)(nil)
	try := func(code string) (err error) {
		req.Code = code
		answer, device, err = c.Login(ctx, req, known)
		return err
	}
	if how.atProvider() {
		token, nonce, err := a.vouched(ctx, c, how, false)
		if err != nil {
			return nil, err
		}
		try = func(code string) (err error) {
			var who *loddv1.LoginOIDCResponse
			who, device, err = c.LoginOIDC(ctx, &loddv1.LoginOIDCRequest{IdToken: token, Nonce: nonce, Code: code}, known)
			answer, req.User = who.GetSession(), first(who.GetUser(), req.GetUser())
			if client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_SIGN_IN) {
				err = &rewordedError{err, a.words.say("error.not-tied"), a.words.say("hint.not-tied")}
			}
			return err
		}
	}
	if err := a.withCode(ctx, how, try); err != nil {
		return nil, err
	}
	if device == known {
		return answer, nil
	}
	return answer, a.dirs.SaveDevice(a.settings.pin, req.GetUser(), device)
}

// withCode tries without a code of the second factor, and with one if the
// server wants it.
func (a *app) withCode(ctx context.Context, how proving, try func(code string) error) error {
	err := try("")
	if !client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_CODE_NEEDED) {
		return err
	}
	code, asked := a.code(ctx, how, "ask.code")
	if asked != nil {
		return asked
	}
	if code == "" {
		return err
	}
	return try(code)
}

// code returns a code of the second factor. It is shown while it is typed: it
// works once.
func (a *app) code(ctx context.Context, how proving, key string) (string, error) {
	if how.fromStdin {
		return a.nextLine()
	}
	if a.console == nil {
		return "", &usageError{a.words.say("error.no-terminal")}
	}
	return a.typed(ctx, "", key)
}

// vouched has a person sign in at the server's identity provider and returns
// what it says about them, and the nonce, if it goes with it.
func (a *app) vouched(ctx context.Context, c *client.Client, how proving, fresh bool) (token, nonce string, err error) {
	begun, err := c.Session().BeginOIDC(ctx, &loddv1.BeginOIDCRequest{})
	if err != nil {
		return "", "", err
	}
	config := openid.Config{Issuer: begun.GetIssuer(), ClientID: begun.GetClientId(), Scopes: begun.GetScopes(), Random: a.deps.Random}
	if how.device {
		token, err = openid.Device(ctx, config, a.showCode)
	} else {
		nonce = begun.GetNonce()
		token, err = openid.Browser(ctx, config, openid.Ask{Nonce: nonce, Fresh: fresh}, a.openPage)
	}
	if err != nil {
		err = &rewordedError{err, a.words.say("error.oidc", strings.TrimPrefix(err.Error(), "openid: ")), a.words.say("hint.oidc")}
	}
	return token, nonce, err
}

// openPage shows a page in the browser, and tells where it is: there may be no
// browser, or another one is wanted. It is told to whoever asked for quiet, too.
func (a *app) openPage(address string) error {
	fmt.Fprintf(a.deps.Stderr, "lodd: %s\n  %s\n", a.words.say("note.browser"), visible(address))
	if a.deps.OpenPage != nil {
		_ = a.deps.OpenPage(address) // if it didn't open, the person has the address
	}
	return nil
}

// showCode tells what to type on another device.
func (a *app) showCode(code openid.Code) {
	fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say("note.device", visible(code.Address), visible(code.Code)))
	if code.Complete != "" {
		fmt.Fprintf(a.deps.Stderr, "  %s\n", visible(code.Complete))
	}
}

// again is how somebody who is signed in proves anew who they are, for one act.
type again struct{ proving }

func (g *again) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&g.fromStdin, "password-stdin", false, "confirm with the password from the first line of standard input, and a code, if one is needed, from the second")
}

// stepUp returns the token of a step-up for an act: a method by its full name,
// its trial, and what it is about. Whoever signed in at the identity provider
// proves it there.
func (g *again) stepUp(a *app, c call, req *loddv1.StepUpRequest) (string, error) {
	var err error
	if a.vouching {
		req.IdToken, req.Nonce, err = a.vouched(c.ctx, c.Client, g.proving, true)
	} else {
		req.Password, err = a.secret(c.ctx, g.fromStdin, false, "ask.password-act")
	}
	if err != nil {
		return "", err
	}
	var answer *loddv1.StepUpResponse
	err = a.withCode(c.ctx, g.proving, func(code string) (err error) {
		req.Code = code
		answer, err = c.Session().StepUp(c.ctx, req)
		return err
	})
	if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Reason == loddv1.ErrorReason_ERROR_REASON_SIGN_IN {
		err = &rewordedError{err, a.words.say("error.not-you"), a.words.say("hint.not-you")}
	}
	return answer.GetToken(), err
}
