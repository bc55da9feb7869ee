package server

import (
	"context"
	"errors"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// participantService implements lodd.v1.ParticipantService.
type participantService struct {
	loddv1.UnimplementedParticipantServiceServer
	*core
}

func (s *participantService) RecordWithdrawal(ctx context.Context, req *loddv1.RecordWithdrawalRequest) (*loddv1.RecordWithdrawalResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.Withdrawn{
		Participant: id,
		Scope:       parse(&c.faults, "scope", req.GetScope(), code[trial.Scope]),
		Reason:      parse(&c.faults, "reason", req.GetReason(), trial.ParseCode),
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if e.Scope == trial.FromData && req.GetConfirm() != string(id) {
		return nil, trial.ErrNotConfirmed
	}
	var a ledger.Answer
	err = c.on(on, func(on trial.Date) error {
		e.On = on
		a, err = c.trial.Do(ctx, c.by(role), e)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := &loddv1.RecordWithdrawalResponse{Receipt: receipt(a.Receipt)}
	if e.Scope != trial.FromData {
		return resp, nil
	}
	return resp, c.trial.View(func(st *trial.State) error {
		for _, n := range st.LocksHolding(id) {
			resp.DestroyInLocks = append(resp.DestroyInLocks, int32(n))
		}
		return nil
	})
}

func (s *participantService) EraseParticipant(ctx context.Context, req *loddv1.EraseParticipantRequest) (*loddv1.EraseParticipantResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	if req.GetConfirm() != string(id) {
		return nil, trial.ErrNotConfirmed
	}
	r, err := c.trial.Erase(ctx, c.by(role), id)
	return &loddv1.EraseParticipantResponse{Receipt: receipt(r)}, err
}

func (s *participantService) RecordDeath(ctx context.Context, req *loddv1.RecordDeathRequest) (*loddv1.RecordDeathResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	var a ledger.Answer
	err = c.on(on, func(on trial.Date) error {
		a, err = c.trial.Do(ctx, c.by(role), trial.Died{Participant: id, On: on})
		return err
	})
	return &loddv1.RecordDeathResponse{Receipt: receipt(a.Receipt)}, err
}

func (s *participantService) RecordError(ctx context.Context, req *loddv1.RecordErrorRequest) (*loddv1.RecordErrorResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	kind := parse(&c.faults, "kind", req.GetKind(), trial.ParseCode)
	of := optional(&c.faults, "of", req.GetOf(), trial.ParseParticipantID)
	switch {
	case kind == "duplicate" && req.GetOf() == "":
		c.faults.add("of", errors.New("is missing: name the participant who is the same person"))
	case kind != "duplicate" && req.GetOf() != "":
		c.faults.add("of", errors.New("belongs to a duplicate"))
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if of != "" {
		if role, err = c.roleForBoth(id, of); err != nil {
			return nil, err
		}
	}
	a, err := c.trial.DoSealed(ctx, c.by(role), trial.ErrorRecorded{Participant: id, Kind: kind, Of: of})
	return &loddv1.RecordErrorResponse{Receipt: receipt(a.Receipt)}, err
}

func (s *participantService) CorrectLevels(ctx context.Context, req *loddv1.CorrectLevelsRequest) (*loddv1.CorrectLevelsResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.LevelsCorrected{Participant: id, Reason: parse(&c.faults, "reason", req.GetReason(), trial.ParseCode)}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if e.Levels, err = levels(c.trial, req.GetLevels()); err != nil {
		return nil, err
	}
	a, err := c.trial.DoSealed(ctx, c.by(role), e)
	return &loddv1.CorrectLevelsResponse{Receipt: receipt(a.Receipt)}, err
}

func (s *participantService) RecordReplacement(ctx context.Context, req *loddv1.RecordReplacementRequest) (*loddv1.RecordReplacementResponse, error) {
	c, id, _, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	by := parse(&c.faults, "by", req.GetBy(), trial.ParseParticipantID)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	role, err := c.roleForBoth(id, by)
	if err != nil {
		return nil, err
	}
	a, err := c.trial.DoSealed(ctx, c.by(role), trial.Replaced{Participant: id, By: by})
	return &loddv1.RecordReplacementResponse{Receipt: receipt(a.Receipt)}, err
}

// roleForBoth returns the role in which the caller acts on two participants at
// once: one role that reaches both, so that two of different sites are for a
// role at both of them or in the whole trial. It fails like [roleFor], whichever
// of them isn't there.
func (c *command) roleForBoth(id, other trial.ParticipantID) (trial.Role, error) {
	role := trial.Role("")
	err := c.trial.View(func(s *trial.State) error {
		p, known := s.Participant(id)
		q, also := s.Participant(other)
		if !known || !also {
			return errNoParticipant
		}
		for _, r := range []trial.Role{c.access.RoleAt(p.Site), c.access.RoleAt(q.Site)} {
			if r != "" && c.access.HoldsAt(r, p.Site) && c.access.HoldsAt(r, q.Site) {
				role = r
				return nil
			}
		}
		return errNoParticipant
	})
	return role, err
}
