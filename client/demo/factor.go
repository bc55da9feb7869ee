package demo

import (
	"context"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// factorStep is how long a code of a second factor is good (RFC 6238, section
// 5.2). Each works once.
const factorStep = 30 * time.Second

// signIn begins a session with password and, once the person has one, a code of
// the second factor.
func (s *story) signIn(ctx context.Context, c *client.Client, user string) (*loddv1.LoginResponse, error) {
	code, err := s.code(user)
	if err != nil {
		return nil, err
	}
	return c.Session().Login(ctx, &loddv1.LoginRequest{User: user, Password: s.people[user].Password, Code: code})
}

// enrolFactor gives a person a second factor, in a session that can do nothing else.
func (s *story) enrolFactor(ctx context.Context, c *client.Client, user string) error {
	answer, err := c.Session().EnrolFactor(ctx, &loddv1.EnrolFactorRequest{Password: s.people[user].Password})
	if err != nil {
		return err
	}
	s.secrets[user] = answer.GetSecret()
	code, err := s.code(user)
	if err != nil {
		return err
	}
	_, err = c.Session().ConfirmFactor(ctx, &loddv1.ConfirmFactorRequest{Code: code})
	return err
}

// code returns a code that was not used yet, or nothing if the person has no
// second factor. For that the clock may have to go on.
func (s *story) code(user string) (string, error) {
	secret, ok := s.secrets[user]
	if !ok {
		return "", nil
	}
	if !s.now.Truncate(factorStep).After(s.lastCode[user]) {
		s.setClock(s.lastCode[user].Add(factorStep))
	}
	s.lastCode[user] = s.now.Truncate(factorStep)
	return totp.GenerateCode(secret, s.now)
}

// stepUp proves anew who a person is, for one act.
func (s *story) stepUp(ctx context.Context, c *client.Client, user string, act *loddv1.StepUpRequest) (token string, err error) {
	act.Password = s.people[user].Password
	if act.Code, err = s.code(user); err != nil {
		return "", err
	}
	answer, err := c.Session().StepUp(ctx, act)
	return answer.GetToken(), err
}
