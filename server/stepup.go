package server

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// stepUpAction names the act that a step-up is for: a method by its full name,
// as in "/lodd.v1.UnblindingService/Unblind", the trial, and what it is about.
// StepUp and the act itself both make it, each of its own request.
func stepUpAction(method, trialID, subject string) string {
	return authn.Action(method, []byte(trialID), []byte(subject))
}

// steppedUp demands that the caller has proved anew who they are, for exactly
// this act. A token works once; whoever repeats a request that was carried out
// needs none, see [ledger.Trial.CarriedOut].
func (k *core) steppedUp(ctx context.Context, token, action string) error {
	p, _ := authn.FromContext(ctx)
	return k.stepUps.Use(token, authn.Act{User: p.User, Session: p.Session, Action: action}, k.now())
}

// StepUp proves by all that a sign-in asks for. Whoever needs a second factor
// gives one here, too, whatever the session began with.
func (s *sessionService) StepUp(ctx context.Context, req *loddv1.StepUpRequest) (*loddv1.StepUpResponse, error) {
	if !strings.HasPrefix(req.GetAct(), "/lodd.v1.") {
		return nil, rpcerr.Field("act", errors.New("want the full name of a method, as /lodd.v1.UnblindingService/Unblind"))
	}
	p, _ := authn.FromContext(ctx)
	second, err := s.prove(ctx, p.User, proof{
		password: req.GetPassword(), token: req.GetIdToken(), nonce: req.GetNonce(), code: req.GetCode(), fresh: true,
	})
	if err != nil {
		return nil, err
	}
	if !second && s.demands(p.User) {
		return nil, rpcerr.ErrFactorNeeded
	}
	act := authn.Act{User: p.User, Session: p.Session, Action: stepUpAction(req.GetAct(), req.GetTrial(), req.GetSubject())}
	token, expires, err := s.stepUps.New(act, s.now())
	if err != nil {
		return nil, err
	}
	return &loddv1.StepUpResponse{Token: token, Expires: timestamppb.New(expires)}, nil
}
