package server

import (
	"context"

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
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(role), trial.ErrorRecorded{Participant: id, Kind: kind})
	return &loddv1.RecordErrorResponse{Receipt: receipt(a.Receipt)}, err
}
