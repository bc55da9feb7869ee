package server

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

func (s *assessmentService) SignForm(ctx context.Context, req *loddv1.SignFormRequest) (*loddv1.SignFormResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	p, role, err := place(c.trial, c.trial.Ahead, c.access, req)
	if err != nil {
		return nil, err
	}
	meaning := parse(&c.faults, "meaning", req.GetMeaning(), trial.ParseCode)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	signing := ledger.Signing{Version: req.GetVersion(), Meaning: meaning, Name: s.printedName(c.access.User)}
	a, err := c.trial.Sign(ctx, c.by(role), p, signing, func() error {
		subject := fmt.Sprintf("%s/%s/%s/%d/%s", p.Participant, p.Visit, p.Form, signing.Version, meaning)
		return s.steppedUp(ctx, req.GetStepUp(), stepUpAction(loddv1.AssessmentService_SignForm_FullMethodName, req.GetTrialId(), subject))
	})
	if err != nil {
		return nil, err
	}
	signed := signing
	if e, ok := a.Events[0].(trial.FormSigned); ok { // of a repeat, as it was
		signed.Name = e.Name
	}
	return &loddv1.SignFormResponse{
		Receipt: receipt(a.Receipt),
		Signature: &loddv1.Signature{
			Name: signed.Name, By: c.access.User, Meaning: string(meaning), At: timestamppb.New(a.Receipt.At),
		},
	}, nil
}

// printedName returns the printed name of an account.
func (k *core) printedName(user string) (name string) {
	k.people.View(func(p *people.State) {
		a, _ := p.Account(user)
		name = a.FullName
	})
	return name
}

func signatureMessages(signatures []trial.Signature) (out []*loddv1.Signature) {
	for _, g := range signatures {
		out = append(out, &loddv1.Signature{
			Name: g.Name, By: g.By, Meaning: string(g.Meaning), At: timestamppb.New(g.At), Void: g.Void,
		})
	}
	return out
}
