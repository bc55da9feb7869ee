package cli

import (
	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) contactCommand() *cobra.Command {
	return noun("contact", "For treatment teams: record and list contacts with participants", a.contactAdd(), a.contactList())
}

func (a *app) contactAdd() *cobra.Command {
	var req loddv1.RecordContactRequest
	cmd := a.inTrial(spec{
		use: "add NUMBER", short: "Record a contact with a participant of your team", args: cobra.ExactArgs(1),
		long: `Record a contact with a participant of your team, or on behalf of one. Only your team
reads it before the trial is unsealed; nobody who is blind notices that there is one.`,
		example: "  lodd contact add OSL-0007 --kind employer --minutes 45",
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		answer, err := c.Delivery().RecordContact(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("contact", answer.GetReceipt(), "participant", c.args[0], "kind", code(req.GetKind()), "minutes", req.GetMinutes()))
	})
	required(cmd, &req.Kind, "kind", "`meeting|phone|message|employer|service|other`")
	cmd.Flags().Int32Var(&req.Minutes, "minutes", 0, "how long it took, 0 to 1,440 `MINUTES`")
	cmd.Flags().StringVar(&req.On, "on", "", "the date, `YYYY-MM-DD`; default today")
	return cmd
}

func (a *app) contactList() *cobra.Command {
	return a.inTrial(spec{use: "list NUMBER", short: "List the contacts with a participant of your team", args: cobra.ExactArgs(1)}, func(c trialCall) error {
		answer, err := c.Delivery().ListContacts(c.ctx, &loddv1.ListContactsRequest{TrialId: c.trial, Participant: c.args[0]})
		if err != nil {
			return err
		}
		r := list("contacts", "contacts", "on", "kind", "minutes", "by", "at")
		for _, x := range answer.GetContacts() {
			r.add(x.GetOn(), code(x.GetKind()), x.GetMinutes(), x.GetBy(), stamp(x.GetAt()))
		}
		return a.write(r)
	})
}
