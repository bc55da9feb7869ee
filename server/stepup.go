package server

import (
	"context"
	"errors"

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
	if token == "" {
		return rpcerr.ErrStepUp
	}
	p, _ := authn.FromContext(ctx)
	err := k.stepUps.Use(token, authn.Act{User: p.User, Session: p.Session, Action: action}, k.now())
	if errors.Is(err, authn.ErrStepUp) {
		return rpcerr.ErrStepUp
	}
	return err
}
