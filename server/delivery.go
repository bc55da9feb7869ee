package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// deliveryService implements lodd.v1.DeliveryService, the only one whose
// answers tell an arm.
type deliveryService struct {
	loddv1.UnimplementedDeliveryServiceServer
	*core
}

func (s *deliveryService) ListTeam(ctx context.Context, req *loddv1.ListTeamRequest) (*loddv1.ListTeamResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	var teams []ledger.Team
	for _, g := range a.Teams() {
		teams = append(teams, ledger.Team{Site: trial.SiteID(g.Site), Arm: trial.ArmID(g.Team)})
	}
	members, err := t.Members(ctx, ledger.Caller{Actor: a.User, Role: trial.TreatmentTeam}, teams)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListTeamResponse{}
	for _, m := range members {
		resp.Participants = append(resp.Participants, &loddv1.TeamParticipant{
			Participant: string(m.Participant), Site: string(m.Site), RandomizedAt: timestamppb.New(m.RandomizedAt),
			Arm: &loddv1.Arm{Id: string(m.Arm.ID), Label: text(m.Arm.Label)}, InterventionStopped: m.Stopped,
		})
	}
	return resp, nil
}
