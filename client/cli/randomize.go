package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) randomizeCommand() *cobra.Command {
	return noun("randomize", "Randomize a participant: prepare, then commit", a.randomizePrepare(), a.randomizeCommit(), a.randomizeStatus())
}

func (a *app) randomizePrepare() *cobra.Command {
	var participant string
	cmd := a.inTrial(spec{
		use: "prepare", short: "Check that a participant can be randomized; allocates nothing", args: byFlag("--screening"),
		long: `Check consent, eligibility and baseline of a participant and announce the
randomization. Compare what is printed with the signed consent form. Nothing is
allocated; the intent is good for 15 minutes.`,
	}, func(c trialCall) error {
		p, err := c.Randomization().PrepareRandomization(c.ctx, &loddv1.PrepareRandomizationRequest{TrialId: c.trial, RequestId: c.request, Participant: participant})
		if err != nil {
			return err
		}
		if err := a.write(one("intent", "intent", p.GetIntentId(), "participant", p.GetParticipant(), "site", p.GetSite(), "levels", notNilMap(p.GetLevels()),
			"consent_version", p.GetConsentVersion(), "consent_on", p.GetConsentOn(), "expires", stamp(p.GetExpires()))); err != nil {
			return err
		}
		a.note("note.prepared", p.GetIntentId())
		return nil
	})
	required(cmd, &participant, "screening", "screening `NUMBER`")
	return cmd
}

// notNilMap makes JSON write an empty object and not null.
func notNilMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *app) randomizeCommit() *cobra.Command {
	var confirm string
	cmd := a.inTrial(spec{
		use: "commit INTENT", short: "Enrol and allocate, for good", args: cobra.ExactArgs(1),
		long: `Enrol and allocate, for good. The participant counts in the analysis from now
on, even if something turns out to be wrong. The answer is a receipt; the arm
goes to the treatment team.

Repeating it is safe: every repeat gives the same answer.`,
	}, func(c trialCall) error {
		if !isUUID(strings.ToLower(c.args[0])) {
			return &usageError{a.words.say("error.intent", c.args[0])}
		}
		var err error
		if confirm, err = a.typed(c.ctx, confirm, "ask.confirm"); err != nil {
			return err
		}
		if confirm == "" {
			return &usageError{a.words.say("error.confirm")}
		}
		answer, err := c.Randomization().CommitRandomization(c.ctx, &loddv1.CommitRandomizationRequest{TrialId: c.trial, IntentId: c.args[0], Confirm: confirm})
		if errors.Is(err, client.ErrOutcomeUnknown) || errors.Is(err, context.Canceled) ||
			client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN) {
			return &hintError{err, a.words.say("hint.status", c.args[0])}
		}
		if err != nil {
			return err
		}
		return a.write(receiptOf("randomization", answer.GetReceipt(), "state", code("committed"), "participant", answer.GetParticipant()))
	})
	cmd.Flags().StringVar(&confirm, "confirm", "", "screening `NUMBER`, typed from the signed consent form")
	return cmd
}

// isUUID tells an intent from a screening number, which has capitals only.
func isUUID(s string) bool {
	return regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(s)
}

func (a *app) randomizeStatus() *cobra.Command {
	return a.inTrial(spec{
		use: "status INTENT|NUMBER", short: "Tell what became of an intent or a participant", args: cobra.ExactArgs(1),
	}, func(c trialCall) error {
		req := &loddv1.GetRandomizationRequest{TrialId: c.trial, Participant: c.args[0]}
		if isUUID(c.args[0]) {
			req.IntentId, req.Participant = c.args[0], ""
		}
		answer, err := c.Randomization().GetRandomization(c.ctx, req)
		if err != nil {
			return err
		}
		pairs := []any{"state", code(answer.GetState()), "participant", answer.GetParticipant()}
		if answer.GetReceipt() == nil {
			return a.write(one("randomization", pairs...))
		}
		return a.write(receiptOf("randomization", answer.GetReceipt(), pairs...))
	})
}

func (a *app) teamCommand() *cobra.Command {
	show := a.inTrial(spec{
		use: "list", short: "List your team's participants with their arm",
		long: "List your team's participants with their arm. That you read the list is recorded.\nDo not tell an outcome assessor.",
	}, func(c trialCall) error {
		answer, err := c.Delivery().ListTeam(c.ctx, &loddv1.ListTeamRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		// Programs get the moment, people the day as participant list tells it.
		column, when := "randomized_at", stamp
		if a.settings.output == "table" {
			column = "randomized_on"
			if when, err = dayIn(c); err != nil {
				return err
			}
		}
		r := list("team", "participants", "participant", "site", column, "arm", "label", "intervention_stopped")
		for _, p := range answer.GetParticipants() {
			r.add(p.GetParticipant(), p.GetSite(), when(p.GetRandomizedAt()), p.GetArm().GetId(), a.words.text(p.GetArm().GetLabel()), p.GetInterventionStopped())
		}
		return a.write(r)
	})
	return noun("team", "For treatment teams", show)
}

// dayIn returns how a moment becomes a date in the time zone of the trial.
func dayIn(c trialCall) (func(*timestamppb.Timestamp) string, error) {
	t, err := c.Trials().GetTrial(c.ctx, &loddv1.GetTrialRequest{TrialId: c.trial})
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(t.GetTimeZone())
	if err != nil {
		return nil, fmt.Errorf("time zone of the trial: %w", err)
	}
	return func(at *timestamppb.Timestamp) string { return at.AsTime().In(zone).Format(time.DateOnly) }, nil
}
