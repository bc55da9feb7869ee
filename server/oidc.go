package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn/openid"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

func (s *sessionService) BeginOIDC(context.Context, *loddv1.BeginOIDCRequest) (*loddv1.BeginOIDCResponse, error) {
	if s.provider == nil {
		return nil, rpcerr.ErrNoProvider
	}
	nonce, err := s.provider.Nonce()
	if err != nil {
		return nil, err
	}
	p := s.config.SignIn.Provider
	return &loddv1.BeginOIDCResponse{Issuer: p.Issuer, ClientId: p.ClientID, Scopes: p.Scopes, Nonce: nonce}, nil
}

func (s *sessionService) LoginOIDC(ctx context.Context, req *loddv1.LoginOIDCRequest) (*loddv1.LoginOIDCResponse, error) {
	who, second, err := s.byToken(ctx, proof{token: req.GetIdToken(), nonce: req.GetNonce(), code: req.GetCode()})
	if err != nil {
		return nil, err
	}
	session, err := s.signIn(ctx, who, second)
	if err != nil {
		return nil, err
	}
	return &loddv1.LoginOIDCResponse{User: who.User, Session: session}, nil
}

// byToken returns whose token it is, and whether a second factor was given, to
// the provider or here. A token that wants a code beside it is not used up
// before one comes; a wrong code uses it up.
func (k *core) byToken(ctx context.Context, p proof) (who people.Account, second bool, err error) {
	vouched, err := k.vouched(ctx, p)
	if err != nil {
		return people.Account{}, false, err
	}
	known := false
	k.people.View(func(s *people.State) { who, known = s.Identity(vouched.Issuer, k.subject(vouched.Identity)) })
	switch {
	case !known:
		return people.Account{}, false, rpcerr.ErrIdentity
	case who.Factor && !vouched.SecondFactor && p.code == "":
		return people.Account{}, false, rpcerr.ErrCodeNeeded
	}
	if err := k.provider.Take(vouched); err != nil {
		return people.Account{}, false, err
	}
	if vouched.SecondFactor {
		return who, true, nil
	}
	second, err = k.counted(ctx, who.User, func() (bool, error) { return k.secondFactor(ctx, who.User, p.code) })
	return who, second, err
}

// vouched returns what the provider vouches for by a token.
func (k *core) vouched(ctx context.Context, p proof) (openid.Proof, error) {
	if k.provider == nil {
		return openid.Proof{}, rpcerr.ErrNoProvider
	}
	return k.provider.Verify(ctx, p.token, openid.Demand{Nonce: p.nonce, Fresh: p.fresh})
}

// subject returns the digest by which the log knows an identity. It is keyed:
// some providers name people by numbers that can be tried out.
func (k *core) subject(i openid.Identity) [32]byte {
	key := k.config.Vault.Subkey("identities")
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte("lodd identity v1\n"))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(i.Issuer)))) // so that the two parts can't shift
	m.Write([]byte(i.Issuer))
	m.Write([]byte(i.Subject))
	return [32]byte(m.Sum(nil))
}
