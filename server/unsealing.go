package server

import (
	"context"
	"fmt"

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
	r, err := s.step(ctx, req, trial.Unsealed{})
	return &loddv1.ApproveUnsealingResponse{Receipt: r}, err
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
	t, _, err := s.enter(ctx, req)
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
		resp.Missing = st.BeforeUnsealing()
		if p, ok := st.Proposal(s.now()); ok {
			resp.ProposedBy, resp.Expires = p.By, timestamppb.New(p.Expires)
		}
		return nil
	})
	return resp, err
}

// DownloadReveal writes the bundle twice, as DownloadExport does.
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
	keys := export.Output{Format: csv.Format{}, Signer: s.config.Keys.ExportSigner, Log: s.config.Keys.LogSigner}
	var size counter
	if err := export.BundleReveal(ctx, &size, src, keys); err != nil {
		return err
	}
	// The entry comes before the first byte: what was handed out is in the log.
	if _, err := c.trial.Do(ctx, c.by(c.access.Role()), trial.Revealed{}); err != nil {
		return err
	}
	next := &loddv1.DownloadRevealResponse{FileName: export.Name(c.trial.ID(), src.Lock.Number, export.Unsealed), SizeBytes: int64(size)}
	w := &chunkWriter{send: func(chunk []byte) error {
		m := next
		m.Chunk, next = chunk, &loddv1.DownloadRevealResponse{}
		return out.Send(m)
	}}
	if err := export.BundleReveal(ctx, w, src, keys); err != nil {
		return err
	}
	return w.flush()
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
