package cli

import (
	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) recoverCommand() *cobra.Command {
	var reason string
	cmd := a.remote(spec{
		use: "recover USER", short: "Propose a new password for somebody who has lost theirs, or the second factor", args: cobra.ExactArgs(1),
		long: `Propose a new password for somebody who has lost theirs, or the second factor.
Somebody else approves it within seven days (lodd people approve-recovery): a
custodian of a trial in which the account holds a role, or, where there is none
but the person in question, another administrator. Make sure by another way than
e-mail that it is that person who asks.`,
		example: "  lodd people recover kari --reason 'lost the phone'",
	}, func(c call) error {
		answer, err := c.People().ProposeRecovery(c.ctx, &loddv1.ProposeRecoveryRequest{User: c.args[0], Reason: reason})
		if err != nil {
			return err
		}
		return a.write(one("recovery", "user", c.args[0], "expires", stamp(answer.GetExpires())))
	})
	required(cmd, &reason, "reason", "why, in `WORDS`")
	return cmd
}

func (a *app) approveRecoveryCommand() *cobra.Command {
	var g again
	cmd := a.remote(spec{
		use: "approve-recovery USER", short: "Approve it as the second person, and get the code for the first", args: cobra.ExactArgs(1),
		long: `Approve a new password for somebody, as the second person, and get the one-time
code for them. It is shown once. Give it to that person alone, as you would a
password: they use it with lodd session recover.`,
	}, func(c call) error {
		token, err := g.stepUp(a, c, &loddv1.StepUpRequest{Act: loddv1.PeopleService_ApproveRecovery_FullMethodName, Subject: c.args[0]})
		if err != nil {
			return err
		}
		answer, err := c.People().ApproveRecovery(c.ctx, &loddv1.ApproveRecoveryRequest{User: c.args[0], StepUp: token})
		if err != nil {
			return err
		}
		return a.write(one("recovery", "user", c.args[0], "code", answer.GetCode(), "expires", stamp(answer.GetExpires())))
	})
	g.register(cmd)
	return cmd
}
