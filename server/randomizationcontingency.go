package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

func (s *randomizationService) RecordContingencyAllocation(ctx context.Context, req *loddv1.RecordContingencyAllocationRequest) (*loddv1.RecordContingencyAllocationResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.ContingencyUsed{
		Participant: id, Envelope: int(req.GetEnvelope()), Witness: req.GetWitness(),
		Reason: parse(&c.faults, "reason", req.GetReason(), trial.ParseCode),
	}
	if e.Envelope < 1 || e.Envelope > trial.MaxEnvelopes {
		c.faults.add("envelope", fmt.Errorf("%d, want the number on the envelope, 1 to %d", e.Envelope, trial.MaxEnvelopes))
	}
	stratum := trial.Stratum(req.GetStratum())
	if stratum == "" {
		c.faults.add("stratum", errors.New("is missing; give what stands on the envelope"))
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if req.GetConfirm() != string(id) {
		return nil, trial.ErrNotConfirmed
	}
	if err := s.seedSecret(ctx, c.trial); err != nil {
		return nil, err
	}
	if err := s.checkWitness(c, e); err != nil {
		return nil, err
	}
	var r ledger.Receipt
	err = c.on(on, func(on trial.Date) error {
		e.On = on
		r, err = c.trial.UseEnvelope(ctx, c.by(role), e, stratum)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &loddv1.RecordContingencyAllocationResponse{Participant: string(id), Receipt: receipt(r)}, nil
}

// checkWitness demands somebody of the trial who isn't the caller and never was an
// assessor in it: who opens an envelope knows an arm. An envelope that is recorded
// already needs no more: a repeat gets the same answer, whatever became of the
// witness.
func (s *randomizationService) checkWitness(c *command, e trial.ContingencyUsed) error {
	recorded := false
	if err := c.trial.View(func(st *trial.State) error {
		p, ok := st.Participant(e.Participant)
		recorded = ok && p.Envelope == e.Envelope
		return nil
	}); err != nil || recorded {
		return err
	}
	fits := false
	s.people.View(func(p *people.State) { // an account that is disabled holds no role
		fits = e.Witness != c.access.User &&
			slices.ContainsFunc(p.Grants(e.Witness, c.at), func(g people.Grant) bool { return g.Trial == string(c.trial.ID()) }) &&
			!slices.ContainsFunc(p.Tenures(string(c.trial.ID())), func(t people.Tenure) bool {
				return t.User == e.Witness && t.Role == string(trial.Assessor)
			})
	})
	if !fits {
		return rpcerr.Field("witness", errors.New("is no account, other than yours, that is active, has a role in this trial and never was an assessor in it; two people open an envelope, and then know an arm"))
	}
	return nil
}
