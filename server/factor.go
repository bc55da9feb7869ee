package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authn/factor"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

const (
	enrolmentLife  = 10 * time.Minute // from the secret to the first code of it
	enrolmentTries = 5                // wrong codes, after which the secret is thrown away
)

// enrolments are second factors whose secrets are on their way into an app, at
// most one for a user. They end with the process.
type enrolments struct {
	mu      sync.Mutex // guards waiting
	waiting map[string]*enrolment
}

type enrolment struct {
	factor  factor.Factor
	session string
	expires time.Time
	epoch   int64 // of the account, when its owner proved to be it
	tries   int
}

func (e *enrolments) begin(user string, n enrolment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting[user] = &n
}

func (e *enrolments) end(user string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, user)
}

// confirm returns the factor that waits in a session, if the code is one of it.
func (e *enrolments) confirm(p authn.Principal, code string, at time.Time) (enrolment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, ok := e.waiting[p.User]
	if !ok || n.session != p.Session || !at.Before(n.expires) {
		return enrolment{}, rpcerr.ErrNoEnrolment
	}
	if !n.factor.Take(code, at) {
		if n.tries++; n.tries == enrolmentTries {
			delete(e.waiting, p.User)
		}
		return enrolment{}, rpcerr.ErrCodeWrong
	}
	delete(e.waiting, p.User)
	return *n, nil
}

// secondFactor reports whether the account has a second factor, and fails unless
// the code is one of it, or a recovery code. The code is used up before anything
// is done by it.
func (k *core) secondFactor(ctx context.Context, user, code string) (bool, error) {
	has := false
	k.people.View(func(p *people.State) {
		a, _ := p.Account(user)
		has = a.Factor
	})
	switch {
	case !has:
		return false, nil
	case code == "":
		return false, rpcerr.ErrCodeNeeded
	}
	k.proving.Lock()
	defer k.proving.Unlock()
	f, err := k.factor(ctx, user)
	if err != nil {
		return false, err
	}
	taken := false
	if factor.IsRecovery(code) {
		taken = f.Recover(k.codes, code)
	} else {
		taken = f.Take(code, k.now())
	}
	if !taken {
		return false, rpcerr.ErrCodeWrong
	}
	return true, k.keepFactor(ctx, user, f)
}

// factor returns what is kept of a user's second factor. The caller holds
// proving.
func (k *core) factor(ctx context.Context, user string) (factor.Factor, error) {
	var f factor.Factor
	b, err := k.credential(ctx, "factor/"+user)
	if err == nil && b == nil {
		err = errors.New("it is missing")
	}
	if err == nil {
		err = f.UnmarshalBinary(b)
	}
	if err != nil {
		return factor.Factor{}, fmt.Errorf("server: second factor of %s: %w", user, err)
	}
	return f, nil
}

func (k *core) keepFactor(ctx context.Context, user string, f factor.Factor) error {
	b, err := f.MarshalBinary()
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return k.keepCredential(ctx, "factor/"+user, b)
}

func (s *sessionService) EnrolFactor(ctx context.Context, req *loddv1.EnrolFactorRequest) (*loddv1.EnrolFactorResponse, error) {
	p, _ := authn.FromContext(ctx)
	a := s.knownAs(p.User)
	if _, err := s.prove(ctx, p.User, proof{
		password: req.GetPassword(), token: req.GetIdToken(), nonce: req.GetNonce(), code: req.GetCode(), fresh: true,
	}); err != nil {
		return nil, err
	}
	f, err := factor.New(s.config.Random)
	if err != nil {
		return nil, err
	}
	uri, err := f.URI(s.config.Name, p.User)
	if err != nil {
		return nil, err
	}
	s.enrolments.begin(p.User, enrolment{factor: f, session: p.Session, expires: s.now().Add(enrolmentLife), epoch: a.Epoch})
	return &loddv1.EnrolFactorResponse{Secret: f.Secret(), Uri: uri}, nil
}

// replaces returns the decision to append an event that replaces a password or a
// second factor, if the account is in an epoch still. In another, somebody else
// has replaced one since the caller proved to be the owner.
func replaces(user string, epoch int64, e people.Event) func(*people.State, time.Time) ([]people.Event, error) {
	return func(p *people.State, _ time.Time) ([]people.Event, error) {
		if a, ok := p.Account(user); !ok || a.Disabled || a.Epoch != epoch {
			return nil, rpcerr.ErrSignIn
		}
		return []people.Event{e}, nil
	}
}

// ConfirmFactor keeps the factor and then appends the entry that makes it count.
// Whoever stole a session before loses it here.
func (s *sessionService) ConfirmFactor(ctx context.Context, req *loddv1.ConfirmFactorRequest) (*loddv1.ConfirmFactorResponse, error) {
	p, _ := authn.FromContext(ctx)
	n, err := s.enrolments.confirm(p, req.GetCode(), s.now())
	if err != nil {
		return nil, err
	}
	recovery, err := n.factor.NewRecovery(s.codes)
	if err != nil {
		return nil, err
	}
	s.proving.Lock()
	defer s.proving.Unlock()
	if s.knownAs(p.User).Epoch != n.epoch { // the factor that is there stays
		return nil, rpcerr.ErrNoEnrolment
	}
	if err := s.keepFactor(ctx, p.User, n.factor); err != nil {
		return nil, err
	}
	if _, err := s.people.Do(ctx, ledger.Caller{Actor: p.User}, replaces(p.User, n.epoch, people.FactorEnrolled{})); err != nil {
		return nil, err
	}
	s.endOthers(p.User, p.Session)
	s.sessions.Strengthen(p.User, p.Session)
	return &loddv1.ConfirmFactorResponse{RecoveryCodes: recovery}, nil
}

// ChangePassword appends the entry before it replaces the password: what is told
// as undone has changed nothing that opens a door.
func (s *sessionService) ChangePassword(ctx context.Context, req *loddv1.ChangePasswordRequest) (*loddv1.ChangePasswordResponse, error) {
	p, _ := authn.FromContext(ctx)
	if err := s.newPassword(p.User, "new_password", req.GetNewPassword()); err != nil {
		return nil, err
	}
	a := s.knownAs(p.User)
	if _, err := s.prove(ctx, p.User, proof{password: req.GetOldPassword(), code: req.GetCode()}); err != nil {
		return nil, err
	}
	hash, err := s.passwords.Hash(ctx, req.GetNewPassword())
	if err != nil {
		return nil, err
	}
	s.replacing.Lock()
	defer s.replacing.Unlock()
	if _, err := s.people.Do(ctx, ledger.Caller{Actor: p.User}, replaces(p.User, a.Epoch, people.PasswordChanged{})); err != nil {
		return nil, err
	}
	if err := s.keepHash(ctx, p.User, hash); err != nil {
		return nil, err
	}
	s.endOthers(p.User, p.Session)
	return &loddv1.ChangePasswordResponse{}, nil
}

// newPassword reports why a text can't be the password of a user.
func (k *core) newPassword(user, field, text string) error {
	name := ""
	k.people.View(func(p *people.State) {
		a, _ := p.Account(user)
		name = a.FullName
	})
	err := authn.CheckPassword(text, authn.MinAlone, user, name, k.config.Name)
	if bad, ok := errors.AsType[*authn.PasswordError](err); ok {
		return rpcerr.Field(field, errors.New(bad.Text))
	}
	return err
}
