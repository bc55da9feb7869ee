package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// peopleCommand is about who comes, who goes and who had access.
func (a *app) peopleCommand() *cobra.Command {
	return noun("people", "Hand over roles, review access, see what waits for you", a.handOverCommand(), a.accessReviewCommand(), a.proposalsCommand(),
		a.recoverCommand(), a.approveRecoveryCommand())
}

// handOverCommand hands the roles of somebody who leaves to somebody who comes.
func (a *app) handOverCommand() *cobra.Command {
	var reason string
	cmd := a.inTrial(spec{
		use: "handover FROM TO", short: "Give every role of one account to another, in one step", args: cobra.ExactArgs(2),
		long: `Give every role that FROM holds in the trial to TO, and end FROM's access at once.
If TO can't hold one of them, nothing is done. The list of a treatment team goes
with the role: TO sees the participants of the team, FROM no longer.`,
		example: "  lodd people handover eline tor --reason 'eline has left the team'",
	}, func(c trialCall) error {
		answer, err := c.People().HandOver(c.ctx, &loddv1.HandOverRequest{TrialId: c.trial, From: c.args[0], To: c.args[1], Reason: reason})
		if err != nil {
			return err
		}
		return a.write(roles(answer.GetRoles()))
	})
	required(cmd, &reason, "reason", "why, in `WORDS`")
	return cmd
}

// accessReviewCommand is the periodic review of who has access.
func (a *app) accessReviewCommand() *cobra.Command {
	var on string
	cmd := a.inTrial(spec{
		use: "review", short: "List who had access on a day, to what, and who could know an arm",
		example: "  lodd people review --on 2026-03-31",
	}, func(c trialCall) error {
		answer, err := c.People().ReviewAccess(c.ctx, &loddv1.ReviewAccessRequest{TrialId: c.trial, On: on})
		if err != nil {
			return err
		}
		r := list("access", "people", "user", "name", "roles", "administrator", "disabled", "second_factor", "unblinded", "signed_in", "permissions")
		for _, p := range answer.GetPeople() {
			r.add(p.GetUser(), p.GetFullName(), held(p.GetRoles()), p.GetAdministrator(), p.GetDisabled(), p.GetSecondFactor(),
				p.GetUnblinded(), stamp(p.GetLastSignIn()), notNil(p.GetPermissions()))
		}
		return a.write(r)
	})
	cmd.Flags().StringVar(&on, "on", "", "the `DAY`, YYYY-MM-DD; default today")
	return cmd
}

// held returns roles in short, as in "treatment-team OSL ips".
func held(roles []*loddv1.GrantedRole) []string {
	out := []string{}
	for _, r := range roles {
		out = append(out, strings.Join(strings.Fields(r.GetRole()+" "+r.GetSite()+" "+r.GetTeam()), " "))
	}
	return out
}

// proposalsCommand lists what waits for the caller to be the second person.
func (a *app) proposalsCommand() *cobra.Command {
	return a.remote(spec{use: "proposals", short: "List what waits for you to approve it"}, func(c call) error {
		answer, err := c.People().ListProposals(c.ctx, &loddv1.ListProposalsRequest{})
		if err != nil {
			return err
		}
		r := list("proposals", "proposals", "act", "trial", "subject", "to", "by", "expires")
		for _, p := range answer.GetProposals() {
			r.add(code(p.GetAct()), p.GetTrialId(), p.GetSubject(), p.GetTo(), p.GetBy(), stamp(p.GetExpires()))
		}
		return a.write(r)
	})
}

// roles returns granted roles as a table.
func roles(granted []*loddv1.GrantedRole) result {
	r := list("roles", "roles", "user", "role", "site", "team", "from", "until", "expires")
	for _, x := range granted {
		r.add(x.GetUser(), code(x.GetRole()), x.GetSite(), x.GetTeam(), stamp(x.GetFrom()), stamp(x.GetUntil()), stamp(x.GetExpires()))
	}
	return r
}

// endOf returns the end of a role that is held up to and including a day, in the
// time zone of the trial.
func (a *app) endOf(c trialCall, day string) (*timestamppb.Timestamp, error) {
	if day == "" {
		return nil, nil
	}
	answer, err := c.Trials().GetTrial(c.ctx, &loddv1.GetTrialRequest{TrialId: c.trial})
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocation(answer.GetTimeZone())
	if err != nil {
		return nil, err
	}
	last, err := time.ParseInLocation(time.DateOnly, day, loc)
	if err != nil {
		return nil, &usageError{a.words.say("error.day", day)}
	}
	return timestamppb.New(last.AddDate(0, 0, 1)), nil
}
