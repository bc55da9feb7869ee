package demo

import (
	"context"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// invite makes the accounts: the administrator's with the bootstrap code, the
// others' with invitations.
func (s *story) invite(ctx context.Context) error {
	people := cast()
	if err := s.join(ctx, s.Invite, people[0]); err != nil {
		return err
	}
	s.say("the bootstrap code made the first administrator, %s; it works no more", people[0].User)
	err := s.join(ctx, s.Invite, people[1])
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_INVITE, "the bootstrap code for a second account"); err != nil {
		return err
	}
	admin, err := s.as(ctx, people[0].User)
	if err != nil {
		return err
	}
	if s.keys, err = admin.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{}); err != nil {
		return err
	}
	for _, p := range people[1:] {
		answer, err := admin.People().CreateInvite(ctx, &loddv1.CreateInviteRequest{Hours: 24})
		if err != nil {
			return err
		}
		i, err := invite.Parse(answer.GetInvite())
		if err != nil {
			return err
		}
		if err := s.join(ctx, i, p); err != nil {
			return err
		}
	}
	s.say("%s invited %d people; each has an own account and password", people[0].User, len(people)-1)
	return s.write("export.key", []byte(s.keys.GetExportKey()+"\n"), s.write("log.key", []byte(s.keys.GetLogKey()+"\n"), nil))
}

func (s *story) join(ctx context.Context, i invite.Invite, p Person) error {
	c, err := client.New(client.Config{Address: i.Addresses[0], Pin: i.Pin})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Session().Join(ctx, &loddv1.JoinRequest{Code: i.Code, User: p.User, FullName: p.Name, Password: password})
	return err
}

// grant gives the roles of the trial: the administrator that of the custodian
// only, the custodian all others. A forbidden pair is refused.
func (s *story) grant(ctx context.Context) error {
	for _, p := range cast()[1:] {
		by := "kari"
		if p.Role == "custodian" {
			by = "ada"
		}
		if err := s.grantOne(ctx, by, p); err != nil {
			return err
		}
	}
	s.say("ada named kari the list custodian; kari gave %d roles", len(cast())-2)
	forbidden := Person{User: "mona", Role: "treatment-team", Site: "OSL", Team: "ips"}
	err := s.grantOne(ctx, "kari", forbidden)
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_ROLE_CONFLICT, "a treatment team for the monitor"); err != nil {
		return err
	}
	s.say("refused, and the refusal is in the log: the monitor cannot join a treatment team")
	return nil
}

func (s *story) grantOne(ctx context.Context, by string, p Person) error {
	c, err := s.as(ctx, by)
	if err != nil {
		return err
	}
	_, err = c.People().GrantRole(ctx, &loddv1.GrantRoleRequest{TrialId: s.trial, User: p.User, Role: p.Role, Site: p.Site, Team: p.Team})
	return err
}
