package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/envelope"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// sealingService implements lodd.v1.SealingService.
type sealingService struct {
	loddv1.UnimplementedSealingServiceServer
	*core
}

func (s *sealingService) ContributeEntropy(ctx context.Context, req *loddv1.ContributeEntropyRequest) (*loddv1.ContributeEntropyResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	commitment, err := hex.DecodeString(req.GetCommitment())
	if err != nil || len(commitment) != 32 {
		return nil, rpcerr.Field("commitment", errors.New("want the 64 hexadecimal digits of the sealing record"))
	}
	r, err := c.trial.Contribute(ctx, c.by(c.access.Role()), [32]byte(commitment), req.GetEntropy())
	return &loddv1.ContributeEntropyResponse{Receipt: receipt(r)}, err
}

func (s *sealingService) AbandonSealing(ctx context.Context, req *loddv1.AbandonSealingRequest) (*loddv1.AbandonSealingResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	if req.GetConfirm() != req.GetTrialId() {
		return nil, rpcerr.Field("confirm", fmt.Errorf("%q is not the trial; nothing was done", req.GetConfirm()))
	}
	reason := parse(&c.faults, "reason", req.GetReason(), trial.ParseCode)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.Role()), trial.SealingAbandoned{Reason: reason})
	return &loddv1.AbandonSealingResponse{Receipt: receipt(a.Receipt)}, err
}

func (s *sealingService) GetSealingRecord(ctx context.Context, req *loddv1.GetSealingRecordRequest) (*loddv1.GetSealingRecordResponse, error) {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	now, r, err := t.Sealing(ctx)
	if err != nil {
		return nil, err
	}
	record := s.sealing(t.ID(), now, r)
	return &loddv1.GetSealingRecordResponse{
		Commitment: record.commitment(), Sealed: timestamppb.New(now.At), Custodian: now.By,
		AwaitsEntropy: now.Awaits, Entropy: now.Entropy, Contributor: now.Contributor, Abandoned: int32(now.Abandoned),
		Text: record.String(), Svg: page("Sealing record of "+string(t.ID()), record.String()),
	}, nil
}

func (s *sealingService) PrintContingency(ctx context.Context, req *loddv1.PrintContingencyRequest) (*loddv1.PrintContingencyResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	to, err := envelope.ParseRecipients(req.GetRecipients())
	if err != nil {
		return nil, rpcerr.Field("recipients", err)
	}
	if err := s.seedSecret(ctx, c.trial); err != nil {
		return nil, err
	}
	sheets, r, err := c.trial.PrintEnvelopes(ctx, c.by(c.access.Role()), int(req.GetEnvelopes()), to)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.PrintContingencyResponse{Receipt: receipt(r)}
	for _, sheet := range sheets {
		resp.Sheets = append(resp.Sheets, &loddv1.ContingencySheet{Stratum: string(sheet.Stratum), FileName: sheet.FileName, Sealed: sheet.Sealed})
	}
	return resp, nil
}

func (s *sealingService) SpoilEnvelope(ctx context.Context, req *loddv1.SpoilEnvelopeRequest) (*loddv1.SpoilEnvelopeResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	reason := parse(&c.faults, "reason", req.GetReason(), trial.ParseCode)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.Role()), trial.EnvelopeSpoiled{
		Stratum: trial.Stratum(req.GetStratum()), Envelope: int(req.GetEnvelope()), Reason: reason,
	})
	return &loddv1.SpoilEnvelopeResponse{Receipt: receipt(a.Receipt)}, err
}
