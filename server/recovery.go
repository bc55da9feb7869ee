package server

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// ProposeRecovery is safe to repeat: what is proposed already stays as it is.
func (s *peopleService) ProposeRecovery(ctx context.Context, req *loddv1.ProposeRecoveryRequest) (*loddv1.ProposeRecoveryResponse, error) {
	by, user := authz.FromContext(ctx).User, req.GetUser()
	reason, err := parseReason(req.GetReason())
	if err != nil {
		return nil, rpcerr.Field("reason", err)
	}
	var p proposal.Proposal
	_, err = s.people.Do(ctx, ledger.Caller{Actor: by}, func(state *people.State, at time.Time) ([]people.Event, error) {
		live := false
		switch a, ok := state.Account(user); {
		case !ok:
			return nil, people.ErrNoAccount
		case a.Disabled:
			return nil, people.ErrDisabled
		case user == by:
			return nil, rpcerr.Field("user", errors.New("is your own account; lodd session password changes your password"))
		}
		if p, live = state.Recovery(user, at); live {
			return nil, nil
		}
		p = proposal.New(by, at)
		return []people.Event{people.RecoveryProposed{User: user, Reason: reason}}, nil
	})
	if err != nil {
		return nil, err
	}
	return &loddv1.ProposeRecoveryResponse{Expires: timestamppb.New(p.Expires)}, nil
}

func (s *peopleService) ApproveRecovery(ctx context.Context, req *loddv1.ApproveRecoveryRequest) (*loddv1.ApproveRecoveryResponse, error) {
	by, user := authz.FromContext(ctx).User, req.GetUser()
	var err error
	s.people.View(func(p *people.State) { err = mayRecover(p, by, user, s.now()) })
	if err != nil {
		return nil, err
	}
	action := stepUpAction(loddv1.PeopleService_ApproveRecovery_FullMethodName, "", user)
	if err := s.steppedUp(ctx, req.GetStepUp(), action); err != nil {
		return nil, err
	}
	code, digest, err := s.codes.New()
	if err != nil {
		return nil, err
	}
	e := people.RecoveryApproved{User: user, CodeHash: [32]byte(digest)}
	_, err = s.people.Do(ctx, ledger.Caller{Actor: by}, func(p *people.State, at time.Time) ([]people.Event, error) {
		if err := mayRecover(p, by, user, at); err != nil {
			return nil, err
		}
		e.Expires = at.Add(people.RecoveryLife)
		return []people.Event{e}, nil
	})
	if err != nil {
		return nil, err
	}
	return &loddv1.ApproveRecoveryResponse{Code: code, Expires: timestamppb.New(e.Expires)}, nil
}

// mayRecover reports why somebody can't approve a recovery at an instant. Whoever
// may not approve learns nothing about the account.
func mayRecover(p *people.State, by, user string, at time.Time) error {
	if !p.ApprovesRecovery(by, user, at) {
		return rpcerr.ErrDenied
	}
	waiting, _ := p.Recovery(user, at)
	if a, ok := p.Account(waiting.By); !ok || a.Disabled || !a.Administrator {
		return proposal.ErrNone // who proposed it could not propose it now
	}
	return waiting.Approve(by, at)
}

// Recover keeps the password and then appends the entry that uses up the code,
// as join does: a crash in between leaves the code as good as it was. Whoever
// has got hold of the account loses it here.
func (s *sessionService) Recover(ctx context.Context, req *loddv1.RecoverRequest) (*loddv1.RecoverResponse, error) {
	user := req.GetUser()
	digest, err := s.codes.Digest(req.GetCode())
	if err != nil {
		return nil, people.ErrRecovery
	}
	good := func(p *people.State, at time.Time) error { return p.Recover(user, [32]byte(digest), at) }
	s.joining.Lock()
	defer s.joining.Unlock()
	s.people.View(func(p *people.State) { err = good(p, s.now()) })
	if err != nil {
		return nil, err
	}
	// The rules come after the code: they know the name of whoever has the account.
	if err := s.newPassword(user, "password", req.GetPassword()); err != nil {
		return nil, err
	}
	hash, err := s.passwords.Hash(ctx, req.GetPassword())
	if err != nil {
		return nil, err
	}
	s.replacing.Lock()
	defer s.replacing.Unlock()
	if err := s.keepHash(ctx, user, hash); err != nil {
		return nil, err
	}
	_, err = s.people.Do(ctx, ledger.Caller{Actor: user}, func(p *people.State, at time.Time) ([]people.Event, error) {
		if err := good(p, at); err != nil {
			return nil, err
		}
		return []people.Event{people.Recovered{}}, nil
	})
	if err != nil {
		return nil, err
	}
	s.endAll(user)
	return &loddv1.RecoverResponse{}, nil
}
