package cli

import (
	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) assessmentCommand() *cobra.Command {
	return noun("assessment", "For outcome assessors", a.assessmentBrokenBlind())
}

func (a *app) assessmentBrokenBlind() *cobra.Command {
	var req loddv1.ReportBrokenBlindRequest
	cmd := a.inTrial(spec{
		use: "broken-blind NUMBER", short: "Report that you learned a participant's arm by accident", args: cobra.ExactArgs(1),
		long: `Report that you learned a participant's arm by accident. Don't say which arm: nobody
asks. Another assessor of the site takes over the participant, and your other
participants stay yours. It is nobody's fault, and not reporting it harms the trial.

A coordinator reports for an assessor of the site with --person.`,
		example: "  lodd assessment broken-blind OSL-0007 --how participant --timing during-assessment --visit month-6",
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		answer, err := c.Unblinding().ReportBrokenBlind(c.ctx, &req)
		if err != nil {
			return err
		}
		if answer.GetOthers() == 0 {
			a.note("note.nobody-else")
		}
		return a.write(receiptOf("broken-blind", answer.GetReceipt(), "participant", c.args[0], "others", answer.GetOthers()))
	})
	required(cmd, &req.How, "how", "`participant|relative|staff|record|seen|other`")
	required(cmd, &req.Timing, "timing", "`before-assessment|during-assessment|after-assessment`")
	cmd.Flags().StringVar(&req.Person, "person", "", "the assessor's `USER` name, if it isn't you")
	cmd.Flags().StringVar(&req.Visit, "visit", "", "the `VISIT` at which it happened; default none")
	cmd.Flags().StringVar(&req.On, "on", "", "the date, `YYYY-MM-DD`; default today")
	cmd.Flags().StringVar(&req.Text, "text", "", "what happened, in `WORDS` that don't tell the arm")
	return cmd
}

func (a *app) unblindingBroken() *cobra.Command {
	return a.inTrial(spec{use: "broken", short: "List the broken blinds that were reported"}, func(c trialCall) error {
		answer, err := c.Unblinding().ListBrokenBlinds(c.ctx, &loddv1.ListBrokenBlindsRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("broken-blinds", "reports", "number", "participant", "person", "visit", "on", "how", "timing", "impact", "measure_taken")
		for _, x := range answer.GetReports() {
			r.add(x.GetNumber(), x.GetParticipant(), x.GetPerson(), x.GetVisit(), x.GetOn(), code(x.GetHow()), code(x.GetTiming()),
				code(x.GetImpact()), code(x.GetMeasure()))
		}
		return a.write(r)
	})
}

func (a *app) unblindingAssess() *cobra.Command {
	var req loddv1.AssessImpactRequest
	cmd := a.inTrial(spec{
		use: "assess REPORT", short: "Judge what a broken blind means for the trial, once", args: cobra.ExactArgs(1),
		long:    "Judge what a broken blind means for the trial, once. The report is the number in\nlodd unblinding broken.",
		example: "  lodd unblinding assess 41 --impact possible --measure reassigned",
	}, func(c trialCall) error {
		var err error
		req.TrialId, req.RequestId = c.trial, c.request
		if req.Number, err = a.number(c.args[0]); err != nil {
			return err
		}
		answer, err := c.Unblinding().AssessImpact(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("impact", answer.GetReceipt(), "number", req.GetNumber(), "impact", code(req.GetImpact()), "measure_taken", code(req.GetMeasure())))
	})
	required(cmd, &req.Impact, "impact", "`none|possible|serious`")
	required(cmd, &req.Measure, "measure", "`none|reassigned|assessed-again|training`")
	return cmd
}
