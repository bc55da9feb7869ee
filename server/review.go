package server

import (
	"context"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// reviewService implements lodd.v1.ReviewService.
type reviewService struct {
	loddv1.UnimplementedReviewServiceServer
	*core
}

func (s *reviewService) ListHeldText(ctx context.Context, req *loddv1.ListHeldTextRequest) (*loddv1.ListHeldTextResponse, error) {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	texts, err := t.HeldTexts(ctx)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListHeldTextResponse{}
	for _, h := range texts {
		resp.Texts = append(resp.Texts, &loddv1.HeldText{
			Participant: string(h.Participant), Visit: string(h.Visit), Form: string(h.Form),
			Item: string(h.Item), Entry: h.Entry, Text: h.Text,
		})
	}
	return resp, nil
}

func (s *reviewService) JudgeText(ctx context.Context, req *loddv1.JudgeTextRequest) (*loddv1.JudgeTextResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.TextJudged{
		Participant: parse(&c.faults, "participant", req.GetParticipant(), trial.ParseParticipantID),
		Visit:       parse(&c.faults, "visit", req.GetVisit(), code[trial.VisitID]),
		Form:        parse(&c.faults, "form", req.GetForm(), code[trial.FormID]),
		At:          req.GetEntry(),
		Item:        trial.Code(req.GetItem()), // an item's id has other characters than a code
		Released:    req.GetRelease(),
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.Role()), e)
	return &loddv1.JudgeTextResponse{Receipt: receipt(a.Receipt)}, err
}
