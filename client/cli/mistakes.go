package cli

import (
	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) participantShow() *cobra.Command {
	return a.inTrial(spec{
		use: "show NUMBER", short: "Show a participant of your sites, and what was recorded of the randomization", args: cobra.ExactArgs(1),
		long: "Show a participant of your sites without arm: levels as they were at the\nrandomization and as they are right, what was flagged, and who replaces whom.",
	}, func(c trialCall) error {
		answer, err := c.Screening().ListParticipants(c.ctx, &loddv1.ListParticipantsRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		for _, p := range answer.GetParticipants() {
			if p.GetParticipant() == c.args[0] {
				missing, err := a.missing(c, p.GetMissing())
				if err != nil {
					return err
				}
				return a.write(one("participant", "participant", p.GetParticipant(), "site", p.GetSite(), "state", code(p.GetState()),
					"missing", missing, "randomized_on", p.GetRandomizedOn(), "levels", notNilMap(p.GetLevels()),
					"corrected_levels", notNilMap(p.GetCorrectedLevels()), "error", code(p.GetError()), "duplicate_of", p.GetDuplicateOf(),
					"replaced_by", p.GetReplacedBy(), "replaces", p.GetReplaces(), "envelope", p.GetEnvelope()))
			}
		}
		return &client.Error{Reason: loddv1.ErrorReason_ERROR_REASON_NOT_FOUND}
	})
}

// missing returns what stands between a participant and the randomization. People
// read with each form which role fills it in.
func (a *app) missing(c trialCall, missing []string) (codeList, error) {
	if len(missing) == 0 || a.settings.output != "table" {
		return notNil(missing), nil
	}
	t, err := c.Trials().GetTrial(c.ctx, &loddv1.GetTrialRequest{TrialId: c.trial})
	if err != nil {
		return nil, err
	}
	var with codeList
	for _, m := range missing {
		text := a.words.state(m)
		for _, f := range t.GetForms() {
			if f.GetForm() == m {
				text = m + " (" + a.words.state(f.GetBy()) + ")"
			}
		}
		with = append(with, text)
	}
	return with, nil
}

func (a *app) participantError() *cobra.Command {
	var req loddv1.RecordErrorRequest
	cmd := a.inTrial(spec{
		use: "error NUMBER", short: "Flag a randomization as made in error", args: cobra.ExactArgs(1),
		long: `Flag a randomization as made in error. The participant keeps the allocation, and
nobody else gets it.

For a duplicate, --of names the participant who is the same person. Whoever was
randomized in a wrong stratum stays there; record the right levels with lodd
participant correct-levels.`,
		example: `  lodd participant error OSL-0007 --kind not-eligible
  lodd participant error OSL-0009 --kind duplicate --of OSL-0007`,
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		if (req.GetKind() == "duplicate") != (req.GetOf() != "") {
			return &usageError{a.words.say("error.of")}
		}
		answer, err := c.Participants().RecordError(c.ctx, &req)
		if err != nil {
			return err
		}
		pairs := []any{"participant", c.args[0], "kind", code(req.GetKind())}
		if req.GetOf() != "" {
			pairs = append(pairs, "of", req.GetOf())
		}
		return a.write(receiptOf("error", answer.GetReceipt(), pairs...))
	})
	required(cmd, &req.Kind, "kind", "`not-eligible|wrong-stratum|duplicate`")
	cmd.Flags().StringVar(&req.Of, "of", "", "screening `NUMBER` of the same person, for a duplicate")
	return cmd
}

func (a *app) participantCorrectLevels() *cobra.Command {
	var req loddv1.CorrectLevelsRequest
	cmd := a.inTrial(spec{
		use: "correct-levels NUMBER", short: "Correct the levels of the stratification factors", args: cobra.ExactArgs(1),
		long: `Correct a participant's levels of the stratification factors. Give the right level of
every factor. Whoever is randomized stays in the stratum of the randomization: no
sequence moves, and both values are kept for the analysis. Of anybody else the
right levels decide the stratum, and what was prepared is prepared again.`,
		example: "  lodd participant correct-levels OSL-0007 --set sex=female --set age=old --reason misread",
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		answer, err := c.Participants().CorrectLevels(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("levels", answer.GetReceipt(), "participant", c.args[0], "levels", notNilMap(req.GetLevels()), "reason", code(req.GetReason())))
	})
	cmd.Flags().StringToStringVar(&req.Levels, "set", nil, "the right level of a factor, `FACTOR=LEVEL`; once for each factor")
	cmd.Flags().Lookup("set").DefValue = "" // the help would show an empty list
	required(cmd, &req.Reason, "reason", "`misread|mistyped|changed-source|other`")
	mustRequire(cmd, "set")
	return cmd
}

func (a *app) participantReplace() *cobra.Command {
	var by string
	cmd := a.inTrial(spec{
		use: "replace NUMBER", short: "Record that a later participant takes the place of this one", args: cobra.ExactArgs(1),
		long: `Record that a participant who was randomized later takes the place of this one in
the target number. Both keep their allocations, and both stay in the analysis as
the protocol says; nobody is randomized anew.`,
		example: "  lodd participant replace OSL-0007 --by OSL-0031",
	}, func(c trialCall) error {
		answer, err := c.Participants().RecordReplacement(c.ctx, &loddv1.RecordReplacementRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], By: by,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("replacement", answer.GetReceipt(), "participant", c.args[0], "replaced_by", by))
	})
	required(cmd, &by, "by", "screening `NUMBER` of who takes the place")
	return cmd
}
