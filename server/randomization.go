package server

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// randomizationService implements lodd.v1.RandomizationService.
type randomizationService struct {
	loddv1.UnimplementedRandomizationServiceServer
	*core
}

func (s *randomizationService) PrepareRandomization(ctx context.Context, req *loddv1.PrepareRandomizationRequest) (*loddv1.PrepareRandomizationResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := s.seedSecret(ctx, c.trial); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(role), trial.Prepared{Participant: id})
	if err != nil {
		return nil, err
	}
	resp := &loddv1.PrepareRandomizationResponse{
		IntentId: c.request.String(), Expires: timestamppb.New(a.Receipt.At.Add(trial.IntentLife)), Participant: string(id),
		Receipt: receipt(a.Receipt),
	}
	err = c.trial.View(func(st *trial.State) error {
		p, ok := st.Participant(id)
		if !ok {
			return errNoParticipant
		}
		resp.Site, resp.ConsentVersion, resp.ConsentOn = string(p.Site), p.Consent.Version, p.Consent.On.String()
		resp.Levels = map[string]string{}
		for i, level := range p.Levels {
			resp.Levels[string(st.Protocol().Factors[i].ID)] = string(level)
		}
		return nil
	})
	return resp, err
}

func (s *randomizationService) CommitRandomization(ctx context.Context, req *loddv1.CommitRandomizationRequest) (*loddv1.CommitRandomizationResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	id, err := trial.ParseRequestID(req.GetIntentId())
	if err != nil {
		return nil, rpcerr.Field("intent_id", err)
	}
	role := trial.Role("")
	if err := t.Ahead(func(st *trial.State) error {
		prepared, _, _ := st.Intent(id)
		if p, ok := st.Participant(prepared); ok {
			role = a.RoleAt(p.Site)
		}
		if role == "" {
			return fmt.Errorf("intent %s: %w", id, trial.ErrNotFound)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := s.seedSecret(ctx, t); err != nil {
		return nil, err
	}
	// What was typed is compared with the number and otherwise not looked at.
	confirm := trial.ParticipantID(req.GetConfirm())
	// The intent's id is that of the request that prepared it, so this one has none.
	r, err := t.Randomize(ctx, ledger.Caller{Actor: a.User, Role: role}, trial.Randomized{Participant: confirm, Intent: id})
	if err != nil {
		return nil, err
	}
	return &loddv1.CommitRandomizationResponse{Participant: string(confirm), Receipt: receipt(r)}, nil
}

func (s *randomizationService) GetRandomization(ctx context.Context, req *loddv1.GetRandomizationRequest) (*loddv1.GetRandomizationResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	var f faults
	intent := optional(&f, "intent_id", req.GetIntentId(), trial.ParseRequestID)
	id := trial.ParticipantID("")
	if req.GetIntentId() == "" {
		id = parse(&f, "participant", req.GetParticipant(), trial.ParseParticipantID)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	resp := &loddv1.GetRandomizationResponse{State: "none"}
	var prepared time.Time
	if id == "" {
		if err := t.View(func(st *trial.State) error { id, prepared, _ = st.Intent(intent); return nil }); err != nil {
			return nil, err
		}
	}
	if _, err := roleFor(t.View, a, id); err != nil {
		if req.GetIntentId() != "" {
			return resp, nil // an intent that nobody made, or at a site that the caller doesn't reach
		}
		return nil, err
	}
	r, done, err := t.Randomization(ctx, id)
	if err != nil {
		return nil, err
	}
	resp.Participant, resp.Receipt = string(id), receipt(r)
	resp.State = intentState(prepared, s.now(), done)
	return resp, nil
}

// intentState returns what became of an intent that was prepared at an instant,
// or never if that is zero.
func intentState(prepared, now time.Time, done bool) string {
	switch {
	case done:
		return "committed"
	case prepared.IsZero():
		return "none"
	case now.Sub(prepared) > trial.IntentLife:
		return "expired"
	default:
		return "prepared"
	}
}
