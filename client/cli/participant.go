package cli

import (
	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) participantCommand() *cobra.Command {
	return noun("participant", "List participants and record what happens to them",
		a.participantList(), a.participantWithdraw(), a.participantDied(), a.participantError())
}

func (a *app) participantList() *cobra.Command {
	return a.inTrial(spec{use: "list", short: "List the participants of your sites"}, func(c trialCall) error {
		answer, err := c.Screening().ListParticipants(c.ctx, &loddv1.ListParticipantsRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("participants", "participants", "participant", "site", "state", "missing", "randomized_on")
		for _, p := range answer.GetParticipants() {
			r.add(p.GetParticipant(), p.GetSite(), code(p.GetState()), codeList(notNil(p.GetMissing())), p.GetRandomizedOn())
		}
		return a.write(r)
	})
}

// notNil makes JSON write an empty list and not null.
func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (a *app) participantWithdraw() *cobra.Command {
	var req loddv1.RecordWithdrawalRequest
	cmd := a.inTrial(spec{
		use: "withdraw NUMBER", short: "Record a withdrawal", args: cobra.ExactArgs(1),
		long: `Record a withdrawal.

Scope intervention: the treatment ends, the follow-up goes on.
Scope follow-up:    no new data; what is there stays.
Scope data:         the participant's data are destroyed. Nobody can read them
                    again. Repeat the number with --confirm.`,
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		if req.GetScope() == "data" {
			var err error
			if req.Confirm, err = a.typed(c.ctx, req.GetConfirm(), "ask.erase"); err != nil {
				return err
			}
			if req.GetConfirm() == "" {
				return &usageError{a.words.say("error.confirm")}
			}
		}
		answer, err := c.Participants().RecordWithdrawal(c.ctx, &req)
		if err != nil {
			return err
		}
		locks := answer.GetDestroyInLocks()
		if len(locks) > 0 {
			a.note("note.destroy", plain(locks))
		}
		return a.write(receiptOf("withdrawal", answer.GetReceipt(), "participant", c.args[0], "scope", code(req.GetScope()), "destroy_in_locks", notNilNumbers(locks)))
	})
	required(cmd, &req.Scope, "scope", "`intervention|follow-up|data`")
	required(cmd, &req.Reason, "reason", "`no-longer-wants|burden|health|moved|not-given|other`")
	cmd.Flags().StringVar(&req.On, "on", "", "the date, `YYYY-MM-DD`; default today")
	cmd.Flags().StringVar(&req.Confirm, "confirm", "", "the screening `NUMBER` once more, for the scope data")
	return cmd
}

func (a *app) participantDied() *cobra.Command {
	var on string
	cmd := a.inTrial(spec{use: "died NUMBER", short: "Record a death", args: cobra.ExactArgs(1)}, func(c trialCall) error {
		answer, err := c.Participants().RecordDeath(c.ctx, &loddv1.RecordDeathRequest{TrialId: c.trial, RequestId: c.request, Participant: c.args[0], On: on})
		if err != nil {
			return err
		}
		return a.write(receiptOf("death", answer.GetReceipt(), "participant", c.args[0]))
	})
	required(cmd, &on, "on", "the date, `YYYY-MM-DD`")
	return cmd
}

func (a *app) participantError() *cobra.Command {
	var kind string
	cmd := a.inTrial(spec{
		use: "error NUMBER", short: "Flag a randomization as made in error", args: cobra.ExactArgs(1),
		long: "Flag a randomization as made in error. The participant keeps the allocation, and\nnobody else gets it.",
	}, func(c trialCall) error {
		answer, err := c.Participants().RecordError(c.ctx, &loddv1.RecordErrorRequest{TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Kind: kind})
		if err != nil {
			return err
		}
		return a.write(receiptOf("error", answer.GetReceipt(), "participant", c.args[0], "kind", code(kind)))
	})
	required(cmd, &kind, "kind", "`not-eligible|wrong-stratum|duplicate`")
	return cmd
}

func (a *app) visitCommand() *cobra.Command {
	var reason string
	missed := a.inTrial(spec{use: "missed NUMBER VISIT", short: "Record that a visit did not take place", args: cobra.ExactArgs(2)}, func(c trialCall) error {
		answer, err := c.Assessments().RecordMissedVisit(c.ctx, &loddv1.RecordMissedVisitRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Visit: c.args[1], Reason: reason,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("missed-visit", answer.GetReceipt(), "participant", c.args[0], "visit", c.args[1], "reason", code(reason)))
	})
	required(missed, &reason, "reason", "`not-reached|declined|too-ill|moved|other`")
	return noun("visit", "Record what became of visits", missed)
}
