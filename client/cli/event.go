package cli

import (
	"math"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// eventCategories and relations are the codes, as the server has them.
const (
	eventCategories = "psychiatric-admission|relapse|overdose|suicide-attempt|admission|death|other-medical|other-social"
	relations       = "unrelated|possible|related"
)

func (a *app) eventCommand() *cobra.Command {
	return noun("event", "Report and judge adverse events", a.eventReport(), a.eventList(), a.eventAssess(), a.eventRelatedness())
}

func (a *app) eventReport() *cobra.Command {
	var req loddv1.ReportAdverseEventRequest
	cmd := a.inTrial(spec{
		use: "report NUMBER", short: "Report an adverse event", args: cobra.ExactArgs(1),
		long: `Report an adverse event of a participant who was randomized. Say what happened in
words that don't tell the arm, and without names: the investigators and coordinators
of the site read it, and they are blind.

A treatment team reports for its own participants. Others are told that a treatment
team reported it, and neither which team nor who.

A death is reported here as an event, and it is recorded with lodd participant died,
which ends the follow-up. One doesn't make up for the other: do both.`,
		example: `  lodd event report OSL-0007 --category admission --serious --on 2026-11-20 \
      --text "Broke a leg on the ice; four days in hospital"`,
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		if err := a.oneOf("category", eventCategories, req.GetCategory()); err != nil { // nobody is asked in vain
			return err
		}
		var err error
		if req.Text, err = a.typed(c.ctx, req.GetText(), "ask.event"); err != nil {
			return err
		}
		if req.GetText() == "" {
			return &usageError{a.words.say("error.event-text")}
		}
		answer, err := c.Safety().ReportAdverseEvent(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("event", answer.GetReceipt(), "number", answer.GetNumber(), "participant", c.args[0],
			"category", code(req.GetCategory()), "serious", req.GetSerious()))
	})
	required(cmd, &req.Category, "category", "`"+eventCategories+"`")
	cmd.Flags().BoolVar(&req.Serious, "serious", false, "it is serious")
	cmd.Flags().StringVar(&req.On, "on", "", "the date on which it began, `YYYY-MM-DD`; default today")
	cmd.Flags().StringVar(&req.Text, "text", "", "what happened, in at most 2,000 characters of `WORDS`; asked for if it is missing")
	return cmd
}

func (a *app) eventList() *cobra.Command {
	return a.inTrial(spec{
		use: "list", short: "List the adverse events of your sites",
		long: "List the adverse events of your sites. Outcome assessors can't, and nobody is told\nhere whether an event is related to the intervention.",
	}, func(c trialCall) error {
		answer, err := c.Safety().ListAdverseEvents(c.ctx, &loddv1.ListAdverseEventsRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("events", "events", "number", "participant", "on", "category", "serious", "reporter", "at", "related_to_procedures", "expected", "text")
		for _, x := range answer.GetEvents() {
			r.add(x.GetNumber(), x.GetParticipant(), x.GetOn(), code(x.GetCategory()), x.GetSerious(), code(x.GetReporter()),
				stamp(x.GetAt()), code(x.GetRelatedToProcedures()), x.GetExpected(), x.GetText())
		}
		return a.write(r)
	})
}

func (a *app) eventAssess() *cobra.Command {
	var req loddv1.AssessAdverseEventRequest
	cmd := a.inTrial(spec{
		use: "assess EVENT", short: "Judge whether an event is related to procedures of the trial", args: cobra.ExactArgs(1),
		long: `Judge whether an event is related to procedures of the trial, such as an interview or
a question, and whether such events are expected. The event is the number in lodd
event list. A later judgement takes the place of an earlier one; both stay in the log.`,
		example: "  lodd event assess 3 --related unrelated --expected",
	}, func(c trialCall) error {
		var err error
		req.TrialId, req.RequestId = c.trial, c.request
		if req.Number, err = a.eventNumber(c.args[0]); err != nil {
			return err
		}
		answer, err := c.Safety().AssessAdverseEvent(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("event-assessment", answer.GetReceipt(), "number", req.GetNumber(),
			"related_to_procedures", code(req.GetRelated()), "expected", req.GetExpected()))
	})
	required(cmd, &req.Related, "related", "`"+relations+"`")
	cmd.Flags().BoolVar(&req.Expected, "expected", false, "such events are expected in this trial")
	return cmd
}

func (a *app) eventRelatedness() *cobra.Command {
	var req loddv1.AssessRelatednessRequest
	cmd := a.inTrial(spec{
		use: "relatedness EVENT", short: "Judge whether an event is related to the intervention, as an unblinded reviewer", args: cobra.ExactArgs(1),
		long: `Judge whether an event is related to the intervention, as an unblinded reviewer. The
event is the number in lodd event list. The judgement is shown in no list: it stays in
the log of the allocations, where you read your own and an auditor reads all. The
monitoring board gets it in its closed reports, not here.`,
		example: "  lodd event relatedness 3 --related possible",
	}, func(c trialCall) error {
		var err error
		req.TrialId, req.RequestId = c.trial, c.request
		if req.Number, err = a.eventNumber(c.args[0]); err != nil {
			return err
		}
		answer, err := c.Safety().AssessRelatedness(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("relatedness", answer.GetReceipt(), "number", req.GetNumber(), "related_to_intervention", code(req.GetRelated())))
	})
	required(cmd, &req.Related, "related", "`"+relations+"`")
	return cmd
}

// eventNumber reads the number of an event.
func (a *app) eventNumber(text string) (int32, error) {
	n, err := a.number(text)
	if err == nil && n > math.MaxInt32 {
		err = &usageError{a.words.say("error.number", text)}
	}
	return int32(n), err
}
