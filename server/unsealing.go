package server

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// unsealingService implements lodd.v1.UnsealingService.
type unsealingService struct {
	loddv1.UnimplementedUnsealingServiceServer
	*core
	exporting queue
}

func (s *unsealingService) FreezeAnalysisPlan(ctx context.Context, req *loddv1.FreezeAnalysisPlanRequest) (*loddv1.FreezeAnalysisPlanResponse, error) {
	e := trial.PlanFrozen{Version: req.GetVersion()}
	if n := copy(e.Digest[:], req.GetDigest()); n != len(req.GetDigest()) || n != len(e.Digest) {
		return nil, rpcerr.Field("digest", fmt.Errorf("has %d bytes, want the %d of a SHA-256", len(req.GetDigest()), len(e.Digest)))
	}
	r, err := s.step(ctx, req, e)
	return &loddv1.FreezeAnalysisPlanResponse{Receipt: r}, err
}

func (s *unsealingService) ProposeUnsealing(ctx context.Context, req *loddv1.ProposeUnsealingRequest) (*loddv1.ProposeUnsealingResponse, error) {
	r, err := s.step(ctx, req, trial.UnsealingProposed{})
	if err != nil {
		return nil, err
	}
	return &loddv1.ProposeUnsealingResponse{Receipt: r, Expires: timestamppb.New(r.GetAt().AsTime().Add(trial.ProposalLife))}, nil
}

func (s *unsealingService) ApproveUnsealing(ctx context.Context, req *loddv1.ApproveUnsealingRequest) (*loddv1.ApproveUnsealingResponse, error) {
	if req.GetConfirm() != req.GetTrialId() {
		return nil, rpcerr.Field("confirm", fmt.Errorf("%q is not the trial; nothing was done", req.GetConfirm()))
	}
	if err := s.proposerStays(ctx, req); err != nil {
		return nil, err
	}
	if err := s.approvalSteppedUp(ctx, req); err != nil {
		return nil, err
	}
	r, err := s.step(ctx, req, trial.Unsealed{})
	if err != nil {
		return nil, err
	}
	return &loddv1.ApproveUnsealingResponse{Receipt: r}, s.noteUnsealed(ctx, trial.ID(req.GetTrialId()))
}

// proposerStays refuses to approve what somebody proposed who could not propose
// it now: the account may have been somebody else's when it did.
func (s *unsealingService) proposerStays(ctx context.Context, req commanding) error {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return err
	}
	var proposed trial.Proposal
	if err := t.View(func(st *trial.State) error {
		proposed, _ = st.Proposal(s.now())
		return nil
	}); err != nil || proposed.By == "" {
		return err // there is none: it is approved already, or is refused for that
	}
	if !s.stillMay(string(t.ID()), proposed, loddv1.Permission_PERMISSION_UNSEAL) {
		return trial.ErrNotProposed
	}
	return nil
}

// approvalSteppedUp demands a step-up for an approval that was not carried out
// before. Whoever asks again after a lost answer needs none.
func (s *unsealingService) approvalSteppedUp(ctx context.Context, req *loddv1.ApproveUnsealingRequest) error {
	c, err := s.command(ctx, req)
	if err != nil {
		return err
	}
	if done, err := c.trial.CarriedOut(ctx, c.access.User, c.request); err != nil || done {
		return err
	}
	method := loddv1.UnsealingService_ApproveUnsealing_FullMethodName
	return s.steppedUp(ctx, req.GetStepUp(), stepUpAction(method, req.GetTrialId(), req.GetTrialId()))
}

// step carries out a step that is its event.
func (s *unsealingService) step(ctx context.Context, req commanding, e trial.Event) (*loddv1.Receipt, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.Role()), e)
	return receipt(a.Receipt), err
}

func (s *unsealingService) GetUnsealing(ctx context.Context, req *loddv1.GetUnsealingRequest) (*loddv1.GetUnsealingResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.GetUnsealingResponse{}
	err = t.View(func(st *trial.State) error {
		if p, ok := st.Plan(); ok {
			resp.PlanVersion, resp.PlanDigest = p.Version, p.Digest[:]
		}
		if at, _ := st.Unsealed(); !at.IsZero() {
			resp.Unsealed = timestamppb.New(at)
			return nil
		}
		if a.Holds(trial.Custodian, trial.Statistician, trial.Investigator, trial.Monitor, trial.Auditor) {
			resp.Missing = st.BeforeUnsealing() // others could see from it when an assessor was at work
		}
		if p, ok := st.Proposal(s.now()); ok {
			resp.ProposedBy, resp.Expires = p.By, timestamppb.New(p.Expires)
		}
		return nil
	})
	return resp, err
}

// DownloadReveal sends the bundle of an unsealed trial.
func (s *unsealingService) DownloadReveal(req *loddv1.DownloadRevealRequest, out grpc.ServerStreamingServer[loddv1.DownloadRevealResponse]) error {
	ctx := out.Context()
	c, err := s.command(ctx, req)
	if err != nil {
		return err
	}
	if s.everAssessor(c) {
		return rpcerr.ErrDenied
	}
	leave, err := s.exporting.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	src, err := c.trial.Reveal(ctx)
	if err != nil {
		return err
	}
	if src.SealingRecord, err = s.sealingRecord(ctx, c.trial); err != nil {
		return err
	}
	if err := s.noteUnsealed(ctx, c.trial.ID()); err != nil { // before anybody sees the seed
		return err
	}
	keys := export.Output{Format: csv.Format{}, Signer: s.config.Keys.ExportSigner, Log: s.config.Keys.LogSigner}
	return sendBundle(
		export.Name(c.trial.ID(), src.Lock.Number, export.Unsealed),
		func(w io.Writer) error { return export.BundleReveal(ctx, w, src, keys) },
		func() error { return c.handOut(ctx, trial.Revealed{}) },
		func(p piece) error {
			return out.Send(&loddv1.DownloadRevealResponse{FileName: p.name, SizeBytes: p.size, Chunk: p.chunk})
		},
	)
}

// everAssessor reports whether the caller assesses outcomes in the trial, or
// once did. No role that may see the reveal is closed to such a person by the
// rules of package people, which think of what a role shows before the end. But
// somebody may be called back to assess, or asked what was meant, after others
// have unsealed the trial; whoever scored must not know arms as long as scores
// can change.
//
// Source: product.md of the design, "Who may see what": the arm, for assessors,
// never.
func (s *unsealingService) everAssessor(c *command) (yes bool) {
	s.people.View(func(p *people.State) {
		for _, t := range p.Tenures(string(c.trial.ID())) {
			yes = yes || t.User == c.access.User && t.Role == string(trial.Assessor)
		}
	})
	return yes
}
