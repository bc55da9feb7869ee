package cli

import (
	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) inviteCommand() *cobra.Command {
	var req loddv1.CreateInviteRequest
	create := a.remote(spec{
		use:   "create",
		short: "Make an invitation for one person",
		long: `Make an invitation for one person. It is shown once and works once; give it to
that person alone, as you would a password.`,
	}, func(c call) error {
		answer, err := c.People().CreateInvite(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(one("invite", "invite", answer.GetInvite(), "expires", stamp(answer.GetExpires())))
	})
	create.Flags().BoolVar(&req.Administrator, "administrator", false, "the account will run the server; it can neither be a custodian nor hold a role that shows an arm")
	create.Flags().Int32Var(&req.Hours, "hours", 72, "how long it is good for, 1 to 720 `HOURS`")
	return noun("invite", "Invite people", create)
}

func (a *app) accountCommand() *cobra.Command {
	show := a.remote(spec{use: "list", short: "List the accounts"}, func(c call) error {
		answer, err := c.People().ListAccounts(c.ctx, &loddv1.ListAccountsRequest{})
		if err != nil {
			return err
		}
		r := list("accounts", "accounts", "user", "name", "administrator", "disabled", "created")
		for _, x := range answer.GetAccounts() {
			r.add(x.GetUser(), x.GetFullName(), x.GetAdministrator(), x.GetDisabled(), stamp(x.GetCreated()))
		}
		return a.write(r)
	})
	var reason string
	disable := a.remote(spec{use: "disable USER", short: "End an account and its sessions at once", args: cobra.ExactArgs(1)}, func(c call) error {
		if err := a.confirm(c.ctx, "ask.disable", c.args[0]); err != nil {
			return err
		}
		_, err := c.People().DisableAccount(c.ctx, &loddv1.DisableAccountRequest{User: c.args[0], Reason: reason})
		if err != nil {
			return err
		}
		return a.write(one("account", "user", c.args[0], "disabled", true))
	})
	required(disable, &reason, "reason", "why, in `WORDS`")
	return noun("account", "List and end accounts", show, disable)
}

// required adds a text flag without which the command is refused.
func required(cmd *cobra.Command, value *string, name, usage string) {
	cmd.Flags().StringVar(value, name, "", usage)
	if err := cmd.MarkFlagRequired(name); err != nil {
		panic("cli: flag " + name + ": " + err.Error()) // it was defined a line above
	}
}

func (a *app) roleCommand() *cobra.Command {
	return noun("role", "Give and take roles in a trial", a.roleGrant(), a.roleRevoke(), a.roleList())
}

// roleNames is the part of a help text that names the roles.
const roleNames = `Roles: coordinator, assessor, monitor, dsmb, statistician, custodian,
investigator, treatment-team, auditor, reviewer, clinician.`

func (a *app) roleGrant() *cobra.Command {
	var site, team, until string
	cmd := a.inTrial(spec{
		use: "grant USER ROLE", short: "Give a role to an account", args: cobra.ExactArgs(2),
		long: "Give a role to an account. Roles that exclude one another, now or ever, are refused.\n\n" + roleNames,
	}, func(c trialCall) error {
		end, err := a.endOf(c, until)
		if err != nil {
			return err
		}
		_, err = c.People().GrantRole(c.ctx, &loddv1.GrantRoleRequest{
			TrialId: c.trial, User: c.args[0], Role: c.args[1], Site: site, Team: team, Expires: end,
		})
		if err != nil {
			return err
		}
		return a.write(one("role", "user", c.args[0], "role", code(c.args[1]), "site", site, "team", team, "held", true))
	})
	cmd.Flags().StringVar(&site, "site", "", "only at this `SITE`; default all")
	cmd.Flags().StringVar(&team, "team", "", "for a treatment team, the `ARM` whose team it is")
	cmd.Flags().StringVar(&until, "until", "", "the last `DAY` on which it is held, YYYY-MM-DD; default no end")
	return cmd
}

func (a *app) roleRevoke() *cobra.Command {
	var site, team, reason string
	cmd := a.inTrial(spec{
		use: "revoke USER ROLE", short: "Take a role away, at once", args: cobra.ExactArgs(2),
		long: "Take a role away, at once.\n\n" + roleNames,
	}, func(c trialCall) error {
		_, err := c.People().RevokeRole(c.ctx, &loddv1.RevokeRoleRequest{
			TrialId: c.trial, User: c.args[0], Role: c.args[1], Site: site, Team: team, Reason: reason,
		})
		if err != nil {
			return err
		}
		return a.write(one("role", "user", c.args[0], "role", code(c.args[1]), "site", site, "team", team, "held", false))
	})
	cmd.Flags().StringVar(&site, "site", "", "the `SITE` of the grant")
	cmd.Flags().StringVar(&team, "team", "", "the `ARM` of the grant")
	required(cmd, &reason, "reason", "why, in `WORDS`")
	return cmd
}

func (a *app) roleList() *cobra.Command {
	return a.inTrial(spec{use: "list", short: "List who holds, and who ever held, which role"}, func(c trialCall) error {
		answer, err := c.People().ListRoles(c.ctx, &loddv1.ListRolesRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		return a.write(roles(answer.GetRoles()))
	})
}
