package server

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// trialService implements lodd.v1.TrialService.
type trialService struct {
	loddv1.UnimplementedTrialServiceServer
	*core
}

func (s *trialService) CreateTrial(ctx context.Context, req *loddv1.CreateTrialRequest) (*loddv1.CreateTrialResponse, error) {
	request, err := trial.ParseRequestID(req.GetRequestId())
	if err != nil {
		return nil, rpcerr.Field("request_id", err)
	}
	p, err := protocol.Parse(fileName(req.GetFileName(), "protocol"), req.GetProtocol())
	if err != nil {
		return nil, err
	}
	if err := s.roomFor(p.ID); err != nil {
		return nil, err
	}
	a := authz.FromContext(ctx)
	r, err := s.ledger.Create(ctx, ledger.Caller{Actor: a.User, Role: a.Role(), Request: request}, p)
	if err != nil {
		return nil, err
	}
	return &loddv1.CreateTrialResponse{TrialId: string(p.ID), Receipt: receipt(r)}, nil
}

// roomFor refuses a new trial on a disk that is nearly full: it can wait, and what
// is left belongs to the trials that run. A repeated request gets its receipt.
func (s *trialService) roomFor(id trial.ID) error {
	if _, err := s.ledger.Trial(id); err == nil || !s.diskLow() {
		return nil
	}
	return rpcerr.ErrDiskLow
}

func (s *trialService) SealDesign(ctx context.Context, req *loddv1.SealDesignRequest) (*loddv1.SealDesignResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := s.seedSecret(ctx, c.trial); err != nil {
		return nil, err
	}
	var p trial.Protocol
	if err := c.trial.View(func(t *trial.State) error { p = *t.Protocol(); return nil }); err != nil {
		return nil, err
	}
	list := protocol.List{Data: req.GetList(), Format: req.GetListFormat()}
	design, err := protocol.ParseDesign(fileName(req.GetFileName(), "design"), req.GetDesign(), list, &p)
	if err != nil {
		return nil, err
	}
	then, r, err := c.trial.Seal(ctx, c.by(c.access.Role()), design, req.GetSecondParty())
	if err != nil {
		return nil, err
	}
	record := s.sealing(c.trial.ID(), then, r)
	return &loddv1.SealDesignResponse{Commitment: record.commitment(), Receipt: receipt(r), Record: record.String()}, nil
}

func (s *trialService) OpenEnrolment(ctx context.Context, req *loddv1.OpenEnrolmentRequest) (*loddv1.OpenEnrolmentResponse, error) {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := s.seedSecret(ctx, t); err != nil {
		return nil, err
	}
	r, err := s.simple(ctx, req, trial.EnrolmentOpened{})
	return &loddv1.OpenEnrolmentResponse{Receipt: r}, err
}

func (s *trialService) CloseEnrolment(ctx context.Context, req *loddv1.CloseEnrolmentRequest) (*loddv1.CloseEnrolmentResponse, error) {
	r, err := s.simple(ctx, req, trial.EnrolmentClosed{})
	return &loddv1.CloseEnrolmentResponse{Receipt: r}, err
}

func (s *trialService) Reconcile(ctx context.Context, req *loddv1.ReconcileRequest) (*loddv1.ReconcileResponse, error) {
	if req.GetConfirm() != req.GetTrialId() {
		return nil, rpcerr.Field("confirm", fmt.Errorf("%q is not the trial; nothing was done", req.GetConfirm()))
	}
	e := trial.Reconciled{}
	for _, l := range req.GetLost() {
		e.Lost = append(e.Lost, trial.LostSlots{Stratum: trial.Stratum(l.GetStratum()), Slots: int(l.GetSlots())})
	}
	// In one order, so that a repeated request is the same in any.
	slices.SortFunc(e.Lost, func(a, b trial.LostSlots) int { return cmp.Compare(a.Stratum, b.Stratum) })
	r, err := s.simple(ctx, req, e)
	return &loddv1.ReconcileResponse{Receipt: r}, err
}

// simple carries out a command that is its event.
func (s *trialService) simple(ctx context.Context, req commanding, e trial.Event) (*loddv1.Receipt, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.Role()), e)
	return receipt(a.Receipt), err
}

func (s *trialService) ListTrials(ctx context.Context, _ *loddv1.ListTrialsRequest) (*loddv1.ListTrialsResponse, error) {
	a := authz.FromContext(ctx)
	held := map[string]bool{}
	s.people.View(func(p *people.State) {
		for _, g := range p.Grants(a.User, s.now()) {
			held[g.Trial] = true
		}
	})
	resp := &loddv1.ListTrialsResponse{}
	for _, t := range s.ledger.Trials() {
		if !a.Administrator && !held[string(t.ID())] {
			continue
		}
		if err := t.View(func(st *trial.State) error {
			resp.Trials = append(resp.Trials, &loddv1.TrialSummary{
				TrialId: string(t.ID()), Title: text(st.Protocol().Title), State: st.Phase(),
			})
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// seesFlow reports whether the caller sees the flow. It is pooled over the
// arms, but whoever works with participants could watch it change with one of
// them; for those whom that could tell something, no other role outweighs it.
func seesFlow(a authz.Access) bool {
	return a.Holds(trial.Monitor, trial.Investigator, trial.Custodian, trial.Statistician, trial.Auditor) &&
		!a.Holds(trial.Assessor, trial.TreatmentTeam)
}

func (s *trialService) GetTrial(ctx context.Context, req *loddv1.GetTrialRequest) (*loddv1.GetTrialResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	var resp *loddv1.GetTrialResponse
	err = t.View(func(st *trial.State) error {
		resp = protocolMessage(st.Protocol())
		resp.State = st.Phase()
		if c, sealed := st.Commitment(); sealed {
			resp.Commitment = hex.EncodeToString(c[:])
		}
		if seesFlow(a) {
			resp.Flow = flowMessage(st.Flow())
		}
		return nil
	})
	return resp, err
}

func (s *trialService) GetBuiltinProtocol(_ context.Context, req *loddv1.GetBuiltinProtocolRequest) (*loddv1.GetBuiltinProtocolResponse, error) {
	file, ok := protocol.Builtin(req.GetName())
	if !ok {
		return nil, rpcerr.Field("name", fmt.Errorf("there is no such protocol, only %v", protocol.BuiltinNames()))
	}
	return &loddv1.GetBuiltinProtocolResponse{Protocol: file, Design: protocol.RandomizationExample()}, nil
}
