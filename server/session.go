package server

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// sessionService implements lodd.v1.SessionService.
type sessionService struct {
	loddv1.UnimplementedSessionServiceServer
	*core
}

// deviceHeader carries the token by which a device is known again: the server
// sends it after a sign-in, a client may bring it to the next one.
const deviceHeader = "lodd-device"

func (s *sessionService) Join(ctx context.Context, req *loddv1.JoinRequest) (*loddv1.JoinResponse, error) {
	var bad faults
	user := parse(&bad, "user", req.GetUser(), parseUser)
	name := parse(&bad, "full_name", req.GetFullName(), parseFullName)
	if err := authn.CheckPassword(req.GetPassword(), authn.MinAlone, user, name, s.config.Name); err != nil {
		bad = append(bad, err)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	digest, err := s.codes.Digest(req.GetCode())
	if err != nil {
		return nil, err
	}
	j := joining{user: user, name: name, code: [32]byte(digest)}
	if err := s.join(ctx, j, req.GetPassword()); err != nil {
		return nil, err
	}
	return &loddv1.JoinResponse{User: user}, nil
}

// joining is an account that somebody wants to make.
type joining struct {
	user, name string
	code       [32]byte // digest of the one-time code
}

// join keeps the password and then appends the account. A crash in between
// leaves a password without an account, which the next one to take the name
// replaces; the other order could leave an account that nobody can use.
func (s *sessionService) join(ctx context.Context, j joining, password string) error {
	s.joining.Lock()
	defer s.joining.Unlock()
	var err error
	s.people.View(func(p *people.State) { _, err = s.account(p, j, s.now()) })
	if err != nil {
		return err
	}
	if err := s.keepPassword(ctx, j.user, password); err != nil {
		return err
	}
	err = s.people.Do(ctx, ledger.Caller{Actor: j.user}, func(p *people.State, at time.Time) ([]people.Event, error) {
		e, err := s.account(p, j, at)
		if err != nil {
			return nil, err
		}
		return []people.Event{e}, nil
	})
	if err == nil {
		s.bootstrap = bootstrap{}
	}
	return err
}

// account returns the event that makes the account, if the code is good and the
// name is free. The caller holds joining.
func (s *sessionService) account(p *people.State, j joining, at time.Time) (people.Created, error) {
	e := people.Created{User: j.user, FullName: j.name}
	if s.bootstrap.open() && j.code == s.bootstrap.digest {
		e.Administrator = true
		return e, nil
	}
	i, err := p.Invite(j.code, at)
	if err != nil {
		return people.Created{}, err
	}
	if _, taken := p.Account(j.user); taken {
		return people.Created{}, people.ErrTaken
	}
	e.Invite, e.Administrator = i.Invite, i.Administrator
	return e, nil
}

func (s *sessionService) Login(ctx context.Context, req *loddv1.LoginRequest) (*loddv1.LoginResponse, error) {
	user, err := parseUser(req.GetUser())
	if err != nil {
		user = "" // no account has such a name, and all of them share one counter
	}
	device := s.devices.ID(user, first(metadata.ValueFromIncomingContext(ctx, deviceHeader)))
	if err := s.limiter.Try(user, device, s.now()); err != nil {
		return nil, err
	}
	known, err := s.verify(ctx, user, req.GetPassword())
	if errors.Is(err, authn.ErrBusy) {
		s.limiter.Withdraw(user, device)
	}
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, s.refuseSignIn(ctx, user)
	}
	token, session, err := s.signIn(ctx, user)
	if err != nil {
		return nil, err
	}
	s.limiter.Succeeded(user, device)
	if err := s.remember(ctx, user, device); err != nil {
		return nil, err
	}
	return &loddv1.LoginResponse{
		Token: token, Expires: timestamppb.New(session.CreatedAt.Add(s.config.Sessions.Absolute)),
		IdleSeconds: int64(s.config.Sessions.Idle / time.Second),
	}, nil
}

// verify reports whether this is the password of an account in use. It takes as
// long if there is no such account.
func (s *sessionService) verify(ctx context.Context, user, password string) (bool, error) {
	kept := ""
	if s.active(user) {
		var err error
		if kept, err = s.password(ctx, user); err != nil {
			return false, err
		}
	}
	ok, rehash, err := s.passwords.Verify(ctx, kept, password)
	if err != nil || !ok || !rehash {
		return ok, err
	}
	return ok, s.keepPassword(ctx, user, password)
}

func (s *sessionService) active(user string) (active bool) {
	s.people.View(func(p *people.State) {
		a, ok := p.Account(user)
		active = ok && !a.Disabled
	})
	return active
}

// refuseSignIn returns the refusal and records it if there is such an account.
// What was mistyped for a name isn't kept, and strangers can't make the log grow
// with names that nobody has.
func (s *sessionService) refuseSignIn(ctx context.Context, user string) error {
	return s.people.Do(ctx, ledger.Caller{Actor: trial.ServerActor}, func(p *people.State, _ time.Time) ([]people.Event, error) {
		if _, known := p.Account(user); !known {
			return nil, rpcerr.ErrSignIn
		}
		return []people.Event{people.SignInRefused{User: user}}, rpcerr.ErrSignIn
	})
}

// signIn begins a session and records it. Whoever disables the account later
// ends the session with it.
func (s *sessionService) signIn(ctx context.Context, user string) (string, authn.Session, error) {
	token, session, err := s.sessions.New(user, s.now())
	if err != nil {
		return "", authn.Session{}, err
	}
	err = s.people.Do(ctx, ledger.Caller{Actor: user}, func(p *people.State, _ time.Time) ([]people.Event, error) {
		if a, ok := p.Account(user); !ok || a.Disabled {
			return nil, rpcerr.ErrSignIn
		}
		return []people.Event{people.SignedIn{Session: session.ID}}, nil
	})
	if err != nil {
		s.sessions.End(token)
		return "", authn.Session{}, err
	}
	return token, session, nil
}

// remember gives a device that is not known yet a token.
func (s *sessionService) remember(ctx context.Context, user, device string) error {
	if device != "" {
		return nil
	}
	token, err := s.devices.New(user)
	if err != nil {
		return err
	}
	return grpc.SetHeader(ctx, metadata.Pairs(deviceHeader, token))
}

func (s *sessionService) Logout(ctx context.Context, _ *loddv1.LogoutRequest) (*loddv1.LogoutResponse, error) {
	p, _ := authn.FromContext(ctx)
	s.sessions.End(authn.Token(ctx))
	err := s.people.Do(ctx, ledger.Caller{Actor: p.User}, func(*people.State, time.Time) ([]people.Event, error) {
		return []people.Event{people.SignedOut{Session: p.Session}}, nil
	})
	return &loddv1.LogoutResponse{}, err
}

func (s *sessionService) WhoAmI(ctx context.Context, _ *loddv1.WhoAmIRequest) (*loddv1.WhoAmIResponse, error) {
	a := authz.FromContext(ctx)
	resp := &loddv1.WhoAmIResponse{
		User: a.User, Administrator: a.Administrator, LogKey: s.config.Keys.LogVerifier, ExportKey: s.config.Keys.ExportVerifier,
	}
	s.people.View(func(p *people.State) {
		account, _ := p.Account(a.User)
		resp.FullName = account.FullName
		for _, g := range p.Grants(a.User, s.now()) {
			resp.Roles = append(resp.Roles, &loddv1.HeldRole{TrialId: g.Trial, Role: g.Role, Site: g.Site})
		}
	})
	return resp, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
