package demo

import (
	"context"
	"fmt"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// setUp makes the trial of the built-in protocol, seals its design and opens
// enrolment.
func (s *story) setUp(ctx context.Context) error {
	admin, err := s.as(ctx, "ada")
	if err != nil {
		return err
	}
	builtin, err := admin.Trials().GetBuiltinProtocol(ctx, &loddv1.GetBuiltinProtocolRequest{Name: "ips"})
	if err != nil {
		return err
	}
	if err := s.write("protocol.yaml", builtin.GetProtocol(), s.write("randomization.yaml", builtin.GetDesign(), nil)); err != nil {
		return err
	}
	id, err := s.requestID()
	if err != nil {
		return err
	}
	created, err := admin.Trials().CreateTrial(ctx, &loddv1.CreateTrialRequest{RequestId: id, FileName: "protocol.yaml", Protocol: builtin.GetProtocol()})
	if err != nil {
		return err
	}
	s.trial = created.GetTrialId()
	s.say("ada created the trial %s of protocol.yaml", s.trial)
	if err := s.grant(ctx); err != nil {
		return err
	}
	if err := s.seal(ctx, builtin.GetDesign()); err != nil {
		return err
	}
	return s.readProtocol(ctx)
}

func (s *story) seal(ctx context.Context, design []byte) error {
	custodian, err := s.as(ctx, "kari")
	if err != nil {
		return err
	}
	id, err := s.requestID()
	if err != nil {
		return err
	}
	sealed, err := custodian.Trials().SealDesign(ctx, &loddv1.SealDesignRequest{TrialId: s.trial, RequestId: id, FileName: "randomization.yaml", Design: design, SecondParty: true})
	if err != nil {
		return err
	}
	s.say("kari sealed the design; commitment %s", sealed.GetCommitment())
	if err := s.contribute(ctx, sealed.GetCommitment()); err != nil {
		return err
	}
	if id, err = s.requestID(); err != nil {
		return err
	}
	leader, err := s.as(ctx, "per")
	if err != nil {
		return err
	}
	_, err = leader.Trials().OpenEnrolment(ctx, &loddv1.OpenEnrolmentRequest{TrialId: s.trial, RequestId: id})
	s.say("per opened enrolment")
	return err
}

func (s *story) readProtocol(ctx context.Context) error {
	c, err := s.as(ctx, "tove")
	if err != nil {
		return err
	}
	if s.protocol, err = c.Trials().GetTrial(ctx, &loddv1.GetTrialRequest{TrialId: s.trial}); err != nil {
		return err
	}
	if len(s.protocol.GetSites()) != 3 || len(s.protocol.GetVisits()) != 3 || len(s.protocol.GetConsents()) == 0 {
		return fmt.Errorf("the story needs a protocol with 3 sites and 3 visits, this one has %d and %d", len(s.protocol.GetSites()), len(s.protocol.GetVisits()))
	}
	return nil
}
