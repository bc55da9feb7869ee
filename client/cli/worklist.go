package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) worklistCommand() *cobra.Command {
	var req loddv1.ListDueRequest
	var due string
	show := a.inTrial(spec{
		use: "list", short: "List the visits that are due at your sites",
		example: "  lodd worklist list --overdue\n  lodd worklist list --due 30d",
	}, func(c trialCall) error {
		days, err := strconv.ParseInt(strings.TrimSuffix(due, "d"), 10, 32)
		if err != nil || days < 1 || days > 3660 {
			return &usageError{a.words.say("error.due", due)}
		}
		req.TrialId, req.Days = c.trial, int32(days)
		answer, err := c.Assessments().ListDue(c.ctx, &req)
		if err != nil {
			return err
		}
		r := list("worklist", "due", "participant", "visit", "opens", "target", "closes", "state", "forms")
		for _, x := range answer.GetDue() {
			r.add(x.GetParticipant(), x.GetVisit(), x.GetOpens(), x.GetTarget(), x.GetCloses(), code(x.GetState()), notNil(x.GetForms()))
		}
		return a.write(r)
	})
	show.Flags().BoolVar(&req.OverdueOnly, "overdue", false, "only what is overdue")
	show.Flags().StringVar(&due, "due", "14d", "how far ahead to look, in `DAYS`")
	return noun("worklist", "See what is due", show)
}
