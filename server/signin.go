package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authn/openid"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// SignIn says how people sign in.
type SignIn struct {
	// WithoutFactor lets those in with a password alone who would need a second
	// factor: who runs the server, and whoever holds a role that can open an arm
	// or seals the design. Those who have one are asked for it all the same.
	WithoutFactor bool
	// Provider is the identity provider; without an issuer there is none.
	Provider Provider
}

// A Provider is an identity provider that vouches for people. The fields are
// those of [openid.Config], and the scopes that clients ask for beside "openid".
type Provider struct {
	Issuer, ClientID string
	Scopes           []string
	ACR, AMR         []string
	Device           bool
}

// verifier returns what believes the provider, nil if there is none.
func (c Config) verifier() (*openid.Verifier, error) {
	p := c.SignIn.Provider
	if p.Issuer == "" {
		return nil, nil
	}
	v, err := openid.New(openid.Config{
		Issuer: p.Issuer, ClientID: p.ClientID, ACR: p.ACR, AMR: p.AMR, Device: p.Device, Now: c.Now, Random: c.Random,
	})
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return v, nil
}

// demanding reports whether a role needs a second factor: that of whoever sees an
// arm, may open one or be shown one, of whoever has a say in opening one or all, of
// the custodian, who gives roles and seals, and of the monitoring board.
func demanding(r trial.Role) bool {
	return r == trial.DSMB || slices.ContainsFunc(authz.Permissions(r), func(p loddv1.Permission) bool {
		switch p {
		case loddv1.Permission_PERMISSION_UNBLIND, loddv1.Permission_PERMISSION_EMERGENCY, loddv1.Permission_PERMISSION_COLLECT,
			loddv1.Permission_PERMISSION_REVIEW, loddv1.Permission_PERMISSION_SEAL, loddv1.Permission_PERMISSION_UNSEAL,
			loddv1.Permission_PERMISSION_REVEAL:
			return true
		default:
			return false
		}
	})
}

// demands reports whether an account needs a second factor.
func (k *core) demands(user string) (needs bool) {
	if k.config.SignIn.WithoutFactor {
		return false
	}
	at := k.now()
	k.people.View(func(p *people.State) {
		a, _ := p.Account(user)
		needs = a.Administrator || slices.ContainsFunc(p.Grants(user, at), func(g people.Grant) bool {
			return demanding(trial.Role(g.Role))
		})
	})
	return needs
}

// weak are the methods of a session in which no second factor was given, though
// the account needs one.
var weak = map[string]bool{
	loddv1.SessionService_WhoAmI_FullMethodName:        true,
	loddv1.SessionService_EnrolFactor_FullMethodName:   true,
	loddv1.SessionService_ConfirmFactor_FullMethodName: true,
	loddv1.SessionService_Logout_FullMethodName:        true,
}

// strong is a [check] that refuses what needs a second factor. It looks at each
// call: a role that was given a moment ago counts.
func (k *core) strong(ctx context.Context, method string, _ any) (context.Context, error) {
	p, ok := authn.FromContext(ctx)
	if ok && !p.SecondFactor && !weak[method] && k.demands(p.User) {
		return nil, rpcerr.Wire(rpcerr.ErrFactorNeeded)
	}
	return ctx, nil
}

// A proof is what somebody brings to show who they are.
type proof struct {
	password string
	token    string // of the identity provider, instead of a password
	nonce    string // in the token
	code     string // of the second factor
	fresh    bool   // the token must be of a sign-in just now
}

// prove reports whether p proves that the caller is user, and whether a second
// factor is a part of it. It counts against guessing.
func (k *core) prove(ctx context.Context, user string, p proof) (second bool, err error) {
	if p.token != "" {
		who, second, err := k.byToken(ctx, p)
		if err == nil && who.User != user {
			err = rpcerr.ErrIdentity
		}
		return second, err
	}
	return k.counted(ctx, user, func() (bool, error) {
		known, err := k.verify(ctx, user, p.password)
		if err == nil && !known {
			err = rpcerr.ErrSignIn
		}
		if err != nil {
			return false, err
		}
		return k.secondFactor(ctx, user, p.code)
	})
}

// counted tries something that somebody could guess. What is refused before
// anybody could learn from it costs no attempt; a password alone that wants a
// code doesn't end the row of wrong ones, either.
func (k *core) counted(ctx context.Context, user string, try func() (bool, error)) (bool, error) {
	device := k.device(ctx, user)
	if err := k.limiter.Try(user, device, k.now()); err != nil {
		return false, err
	}
	second, err := try()
	switch {
	case err == nil:
		k.limiter.Succeeded(user, device)
	case errors.Is(err, authn.ErrBusy), errors.Is(err, rpcerr.ErrCodeNeeded):
		k.limiter.Withdraw(user, device)
	case errors.Is(err, rpcerr.ErrSignIn), errors.Is(err, rpcerr.ErrCodeWrong):
		return false, k.refuseSignIn(ctx, user, err)
	}
	return second, err
}

// refuseSignIn returns the refusal and records it if there is such an account.
// What was mistyped for a name isn't kept, and strangers can't make the log grow
// with names that nobody has.
func (k *core) refuseSignIn(ctx context.Context, user string, refusal error) error {
	_, err := k.people.Do(ctx, ledger.Caller{Actor: trial.ServerActor}, func(p *people.State, _ time.Time) ([]people.Event, error) {
		if _, known := p.Account(user); !known {
			return nil, refusal
		}
		return []people.Event{people.SignInRefused{User: user}}, refusal
	})
	return err
}

// signIn begins a session of an account, as it was before the caller proved to
// have it, and records it. Whoever disables the account later, or replaces its
// password or second factor, ends the session with it; if that was done since the
// proof, there is none to end, and the proof is worth nothing.
func (k *core) signIn(ctx context.Context, as people.Account, second bool) (*loddv1.LoginResponse, error) {
	user := as.User
	token, session, err := k.sessions.New(user, k.now())
	if err != nil {
		return nil, err
	}
	if second {
		k.sessions.Strengthen(user, session.ID)
	}
	_, err = k.people.Do(ctx, ledger.Caller{Actor: user}, func(p *people.State, _ time.Time) ([]people.Event, error) {
		if a, ok := p.Account(user); !ok || a.Disabled || a.Epoch != as.Epoch {
			return nil, rpcerr.ErrSignIn
		}
		return []people.Event{people.SignedIn{Session: session.ID}}, nil
	})
	if err == nil {
		err = k.remember(ctx, user)
	}
	if err != nil {
		k.sessions.End(token)
		return nil, err
	}
	return &loddv1.LoginResponse{
		Token: token, Expires: timestamppb.New(session.CreatedAt.Add(k.config.Sessions.Absolute)),
		IdleSeconds: int64(k.config.Sessions.Idle / time.Second), Limited: !second && k.demands(user),
	}, nil
}

// device returns the device from which a call comes, or "" for a stranger.
func (k *core) device(ctx context.Context, user string) string {
	return k.devices.ID(user, first(metadata.ValueFromIncomingContext(ctx, deviceHeader)))
}

// remember gives a device that is not known yet a token.
func (k *core) remember(ctx context.Context, user string) error {
	if k.device(ctx, user) != "" {
		return nil
	}
	token, err := k.devices.New(user)
	if err != nil {
		return err
	}
	return grpc.SetHeader(ctx, metadata.Pairs(deviceHeader, token))
}

// endAll ends everything that a user has begun: sessions with their streams,
// step-ups, and a second factor that isn't confirmed.
func (k *core) endAll(user string) {
	k.sessions.EndAll(user)
	k.stepUps.EndAll(user)
	k.enrolments.end(user)
}

// endOthers ends every session of a user but the one with this id, and all
// step-ups.
func (k *core) endOthers(user, session string) {
	k.sessions.EndOthers(user, session)
	k.stepUps.EndAll(user)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
