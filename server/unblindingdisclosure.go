package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// disclosing is a request about a disclosure.
type disclosing interface {
	commanding
	GetParticipant() string
	GetTo() string
}

// disclosure returns the command of a request about a disclosure, and what it
// discloses to whom. Those who disclose act for the whole trial, so that no site
// is out of their reach.
func (s *unblindingService) disclosure(ctx context.Context, req disclosing) (*command, trial.DisclosureProposed, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, trial.DisclosureProposed{}, err
	}
	if s.everAssessed(req.GetTrialId(), c.access.User) { // older logs hold such people
		return nil, trial.DisclosureProposed{}, rpcerr.ErrDenied
	}
	return c, trial.DisclosureProposed{
		Participant: parse(&c.faults, "participant", req.GetParticipant(), trial.ParseParticipantID),
		To:          parse(&c.faults, "to", req.GetTo(), parseUser),
	}, nil
}

// mayBeShown reports why the arm of a disclosure can't be shown to whom it names.
func (s *unblindingService) mayBeShown(req disclosing) error {
	if err := s.mayLearn(req.GetTrialId(), req.GetTo(), trial.Auditor, trial.Clinician); err != nil {
		return rpcerr.Field("to", err)
	}
	return nil
}

func (s *unblindingService) ProposeDisclosure(ctx context.Context, req *loddv1.ProposeDisclosureRequest) (*loddv1.ProposeDisclosureResponse, error) {
	c, e, err := s.disclosure(ctx, req)
	if err != nil {
		return nil, err
	}
	e.Reason = parse(&c.faults, "reason", req.GetReason(), trial.ParseCode)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	r, err := c.trial.ProposeDisclosure(ctx, c.by(c.access.Role()), e, func() error { return s.mayBeShown(req) })
	if err != nil {
		return nil, err
	}
	return &loddv1.ProposeDisclosureResponse{Receipt: receipt(r), Expires: timestamppb.New(r.At.Add(proposal.Life))}, nil
}

func (s *unblindingService) ApproveDisclosure(ctx context.Context, req *loddv1.ApproveDisclosureRequest) (*loddv1.ApproveDisclosureResponse, error) {
	c, e, err := s.disclosure(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	r, err := c.trial.ApproveDisclosure(ctx, c.by(c.access.Role()), e, func() error {
		if err := s.disclosureStands(c.trial, e); err != nil {
			return err
		}
		if err := s.mayBeShown(req); err != nil {
			return err
		}
		method := loddv1.UnblindingService_ApproveDisclosure_FullMethodName
		return s.steppedUp(ctx, req.GetStepUp(), stepUpAction(method, req.GetTrialId(), req.GetParticipant()+"/"+req.GetTo()))
	})
	return &loddv1.ApproveDisclosureResponse{Receipt: receipt(r)}, err
}

// disclosureStands refuses to approve what somebody proposed who could not
// propose it now.
func (s *unblindingService) disclosureStands(t *ledger.Trial, d trial.DisclosureProposed) error {
	var proposed proposal.Proposal
	if err := t.View(func(st *trial.State) error {
		for _, waits := range st.Disclosures(s.now()) {
			if waits.Participant == d.Participant && waits.To == d.To {
				proposed = waits.Proposal
				return nil
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if !s.stillMay(string(t.ID()), proposed, loddv1.Permission_PERMISSION_UNSEAL) {
		return proposal.ErrNone
	}
	return nil
}
