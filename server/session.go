package server

import (
	"context"
	"errors"
	"time"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authn/openid"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
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
	j, err := s.joiner(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := s.join(ctx, j); err != nil {
		return nil, err
	}
	return &loddv1.JoinResponse{User: j.user}, nil
}

// joining is an account that somebody wants to make.
type joining struct {
	user, name string
	code       [32]byte // digest of the one-time code
	password   string
	vouched    *openid.Proof // who the identity provider says it is, instead of a password
}

// joiner returns what a request asks for.
func (s *sessionService) joiner(ctx context.Context, req *loddv1.JoinRequest) (joining, error) {
	var bad faults
	j := joining{user: parse(&bad, "user", req.GetUser(), parseUser), name: parse(&bad, "full_name", req.GetFullName(), parseFullName), password: req.GetPassword()}
	switch {
	case req.GetIdToken() == "":
		if err := authn.CheckPassword(j.password, authn.MinAlone, j.user, j.name, s.config.Name); err != nil {
			bad = append(bad, err)
		}
	case j.password != "":
		bad.add("password", errors.New("is one too many: the identity provider vouches for you"))
	}
	if err := bad.err(); err != nil {
		return joining{}, err
	}
	digest, err := s.codes.Digest(req.GetCode())
	if err != nil {
		return joining{}, err
	}
	j.code = [32]byte(digest)
	if req.GetIdToken() != "" {
		v, err := s.vouched(ctx, proof{token: req.GetIdToken(), nonce: req.GetNonce()})
		if err != nil {
			return joining{}, err
		}
		j.vouched = &v
	}
	return j, nil
}

// join keeps the password and then appends the account. A crash in between
// leaves a password without an account, which the next one to take the name
// replaces; the other order could leave an account that nobody can use. Whoever
// needs no password replaces it by none.
func (s *sessionService) join(ctx context.Context, j joining) error {
	s.joining.Lock()
	defer s.joining.Unlock()
	var err error
	s.people.View(func(p *people.State) { _, err = s.account(p, j, s.now()) })
	if err != nil {
		return err
	}
	if j.vouched == nil {
		err = s.keepPassword(ctx, j.user, j.password)
	} else if err = s.provider.Take(*j.vouched); err == nil {
		err = s.keepCredential(ctx, "cred/"+j.user, nil)
	}
	if err != nil {
		return err
	}
	_, err = s.people.Do(ctx, ledger.Caller{Actor: j.user}, func(p *people.State, at time.Time) ([]people.Event, error) {
		return s.account(p, j, at)
	})
	if err == nil {
		s.bootstrap = bootstrap{}
	}
	return err
}

// account returns the events that make the account, if the code is good and the
// name and the identity are free. The caller holds joining.
func (s *sessionService) account(p *people.State, j joining, at time.Time) ([]people.Event, error) {
	e := people.Created{User: j.user, FullName: j.name, Administrator: true}
	if !s.bootstrap.open() || j.code != s.bootstrap.digest {
		i, err := p.Invite(j.code, at)
		if err != nil {
			return nil, err
		}
		e.Invite, e.Administrator = i.Invite, i.Administrator
	}
	if _, taken := p.Account(j.user); taken {
		return nil, people.ErrTaken
	}
	if j.vouched == nil {
		return []people.Event{e}, nil
	}
	link := people.IdentityLinked{User: j.user, Issuer: j.vouched.Issuer, Subject: s.subject(j.vouched.Identity)}
	if _, taken := p.Identity(link.Issuer, link.Subject); taken {
		return nil, people.ErrTied
	}
	return []people.Event{e, link}, nil
}

func (s *sessionService) Login(ctx context.Context, req *loddv1.LoginRequest) (*loddv1.LoginResponse, error) {
	user, err := parseUser(req.GetUser())
	if err != nil {
		user = "" // no account has such a name, and all of them share one counter
	}
	a := s.knownAs(user)
	second, err := s.prove(ctx, user, proof{password: req.GetPassword(), code: req.GetCode()})
	if err != nil {
		return nil, err
	}
	return s.signIn(ctx, a, second)
}

// verify reports whether this is the password of an account in use. It takes as
// long if there is no such account.
func (k *core) verify(ctx context.Context, user, password string) (bool, error) {
	kept := ""
	if k.active(user) {
		var err error
		if kept, err = k.password(ctx, user); err != nil {
			return false, err
		}
	}
	ok, rehash, err := k.passwords.Verify(ctx, kept, password)
	if err != nil || !ok || !rehash {
		return ok, err
	}
	return ok, k.rehash(ctx, user, kept, password)
}

// knownAs returns the account of a user, or one that nobody has. What is proved
// after it counts in no later epoch of the account than this.
func (k *core) knownAs(user string) people.Account {
	a := people.Account{}
	k.people.View(func(p *people.State) { a, _ = p.Account(user) })
	a.User = user
	return a
}

func (k *core) active(user string) (active bool) {
	k.people.View(func(p *people.State) {
		a, ok := p.Account(user)
		active = ok && !a.Disabled
	})
	return active
}

func (s *sessionService) Logout(ctx context.Context, _ *loddv1.LogoutRequest) (*loddv1.LogoutResponse, error) {
	p, _ := authn.FromContext(ctx)
	s.sessions.End(authn.Token(ctx))
	_, err := s.people.Do(ctx, ledger.Caller{Actor: p.User}, func(*people.State, time.Time) ([]people.Event, error) {
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

func (s *sessionService) SetNoticeAddress(ctx context.Context, req *loddv1.SetNoticeAddressRequest) (*loddv1.SetNoticeAddressResponse, error) {
	address, err := parseAddress(req.GetAddress())
	if err != nil {
		return nil, err
	}
	p, _ := authn.FromContext(ctx)
	return &loddv1.SetNoticeAddressResponse{}, s.keepAddress(ctx, p.User, address)
}
