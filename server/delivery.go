package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
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
	members, err := t.Members(ctx, ledger.Caller{Actor: a.User, Role: trial.TreatmentTeam}, teamsOf(a))
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

// teamsOf returns the teams that a caller belongs to.
func teamsOf(a authz.Access) (teams []ledger.Team) {
	for _, g := range a.Teams() {
		teams = append(teams, ledger.Team{Site: trial.SiteID(g.Site), Arm: trial.ArmID(g.Team)})
	}
	return teams
}

// inTeam fails unless a participant is of one of the caller's teams: in the same
// words whether there is no such participant or another team has them.
func inTeam(t *ledger.Trial, a authz.Access, id trial.ParticipantID) error {
	yes, err := t.InTeam(id, teamsOf(a))
	if err == nil && !yes {
		err = errNoParticipant
	}
	return err
}

func (s *deliveryService) RecordContact(ctx context.Context, req *loddv1.RecordContactRequest) (*loddv1.RecordContactResponse, error) {
	c, id, _, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := inTeam(c.trial, c.access, id); err != nil {
		return nil, err
	}
	e := trial.Contact{
		Participant: id,
		Kind:        parse(&c.faults, "kind", req.GetKind(), trial.ParseCode),
		Minutes:     int(req.GetMinutes()),
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	resp := &loddv1.RecordContactResponse{}
	return resp, c.on(on, func(day trial.Date) error {
		e.On = day
		r, err := c.trial.RecordContact(ctx, c.by(trial.TreatmentTeam), e)
		resp.Receipt = receipt(r)
		return err
	})
}

func (s *deliveryService) ListContacts(ctx context.Context, req *loddv1.ListContactsRequest) (*loddv1.ListContactsResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	var f faults
	id := parse(&f, "participant", req.GetParticipant(), trial.ParseParticipantID)
	if err := f.err(); err != nil {
		return nil, err
	}
	if err := inTeam(t, a, id); err != nil {
		return nil, err
	}
	contacts, err := t.Contacts(ctx, id)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListContactsResponse{}
	for _, c := range contacts {
		resp.Contacts = append(resp.Contacts, &loddv1.Contact{
			On: c.On.String(), Kind: string(c.Kind), Minutes: int32(c.Minutes), By: c.By, At: timestamppb.New(c.At),
		})
	}
	return resp, nil
}
