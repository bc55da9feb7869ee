package cli

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// unblindingReasons and disclosureReasons are the codes, as the server has them.
const (
	unblindingReasons = "medical-emergency|serious-adverse-event|risk-to-others|regulator|other"
	disclosureReasons = "inspection|complaint|regulator|other"
)

func (a *app) participantUnblind() *cobra.Command {
	var req loddv1.UnblindRequest
	var g again
	cmd := a.inTrial(spec{
		use: "unblind NUMBER", short: "Open the arm of a participant in an emergency", args: cobra.ExactArgs(1),
		long: `Open the arm of one participant in an emergency, at any hour. Say why, type the
number once more, and confirm with your password and second factor. The arm is
shown once and stored nowhere; the custodian and the monitoring board are told that
an arm was opened, and no assessor is.

If it is enough that a doctor knows it, name the doctor's account with --clinician:
you are then not shown the arm yourself, and stay blind.`,
		example: `  lodd participant unblind OSL-0007 --reason medical-emergency
  lodd participant unblind OSL-0007 --reason medical-emergency --clinician hanne`,
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		if err := a.explained(c, &req); err != nil {
			return err
		}
		var err error
		req.StepUp, err = g.stepUp(a, c.call, &loddv1.StepUpRequest{
			Act: loddv1.UnblindingService_Unblind_FullMethodName, Trial: c.trial, Subject: c.args[0] + "/" + req.GetClinician(),
		})
		if err != nil {
			return err
		}
		answer, err := c.Unblinding().Unblind(c.ctx, &req)
		if err != nil {
			return err
		}
		if req.GetClinician() != "" {
			a.note("note.arm-waits", req.GetClinician())
			return a.write(receiptOf("unblinding", answer.GetReceipt(), "participant", c.args[0], "to", req.GetClinician()))
		}
		return a.writeArm(c.args[0], answer.GetArm(), answer.GetReceipt())
	})
	required(cmd, &req.Reason, "reason", "`"+unblindingReasons+"`")
	cmd.Flags().StringVar(&req.Text, "text", "", "why, in 10 to 2,000 characters of `WORDS`; asked for if it is missing")
	cmd.Flags().StringVar(&req.Confirm, "confirm", "", "the screening `NUMBER` once more")
	cmd.Flags().StringVar(&req.Clinician, "clinician", "", "the `USER` who is shown the arm instead of you")
	g.register(cmd)
	return cmd
}

// explained completes what a person has to say of an unblinding, before anybody
// is asked for a password.
func (a *app) explained(c trialCall, req *loddv1.UnblindRequest) (err error) {
	if err := a.oneOf("reason", unblindingReasons, req.GetReason()); err != nil {
		return err
	}
	if req.Text, err = a.typed(c.ctx, req.GetText(), "ask.why"); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(req.GetText())); n < 10 || n > 2000 {
		return &usageError{a.words.say("error.text")}
	}
	if req.Confirm, err = a.typed(c.ctx, req.GetConfirm(), "ask.unblind"); err != nil {
		return err
	}
	switch req.GetConfirm() {
	case "":
		return &usageError{a.words.say("error.confirm")}
	case req.GetParticipant():
		return nil
	default: // the server refuses it, too, but then the code is spent
		return &invalidError{message: a.words.say("error.other-number", req.GetConfirm(), req.GetParticipant())}
	}
}

// writeArm puts out an arm that was opened. If the request is an old one, there
// is none.
func (a *app) writeArm(participant string, arm *loddv1.Arm, r *loddv1.Receipt) error {
	if err := a.write(receiptOf("unblinding", r, "participant", participant, "arm", arm.GetId(), "label", a.words.text(arm.GetLabel()))); err != nil {
		return err
	}
	if arm == nil {
		a.note("note.arm-gone")
	} else {
		a.note("note.arm")
	}
	return nil
}

func (a *app) unblindingCommand() *cobra.Command {
	return noun("unblinding", "Read arms that were opened for you, disclose arms by two people, and judge broken blinds",
		a.unblindingWaiting(), a.unblindingCollect(), a.unblindingList(), a.unblindingPropose(), a.unblindingApprove(),
		a.unblindingBroken(), a.unblindingAssess())
}

func (a *app) unblindingWaiting() *cobra.Command {
	return a.inTrial(spec{use: "waiting", short: "List the arms that wait for you, without the arms"}, func(c trialCall) error {
		answer, err := c.Unblinding().ListWaiting(c.ctx, &loddv1.ListWaitingRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("waiting", "waiting", "number", "participant", "by", "at")
		for _, x := range answer.GetWaiting() {
			r.add(x.GetNumber(), x.GetParticipant(), x.GetBy(), stamp(x.GetAt()))
		}
		return a.write(r)
	})
}

func (a *app) unblindingCollect() *cobra.Command {
	var g again
	cmd := a.inTrial(spec{
		use: "collect NUMBER", short: "Read an arm that was opened for you, once", args: cobra.ExactArgs(1),
		long: "Read an arm that was opened for you, once. The number is that of lodd unblinding\nwaiting. That you read it is recorded, and from then on you can't be an assessor.",
	}, func(c trialCall) error {
		number, err := a.number(c.args[0])
		if err != nil {
			return err
		}
		token, err := g.stepUp(a, c.call, &loddv1.StepUpRequest{
			Act: loddv1.UnblindingService_Collect_FullMethodName, Trial: c.trial, Subject: strconv.FormatInt(number, 10),
		})
		if err != nil {
			return err
		}
		answer, err := c.Unblinding().Collect(c.ctx, &loddv1.CollectRequest{TrialId: c.trial, RequestId: c.request, Number: number, StepUp: token})
		if err != nil {
			return err
		}
		return a.writeArm(answer.GetParticipant(), answer.GetArm(), answer.GetReceipt())
	})
	g.register(cmd)
	return cmd
}

// number reads the number of something that the server has listed.
func (a *app) number(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, &usageError{a.words.say("error.number", text)}
	}
	return n, nil
}

func (a *app) unblindingList() *cobra.Command {
	return a.inTrial(spec{
		use: "list", short: "Tell how many arms were opened, and to whom you may know it, of whom",
		long: "Tell how many arms of your sites were opened. Investigators, auditors and the\nmonitoring board read of whom, when, by whom and why; auditors and board read the reason in\nwords, too. Nobody reads an arm here.",
	}, func(c trialCall) error {
		answer, err := c.Unblinding().ListUnblindings(c.ctx, &loddv1.ListUnblindingsRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("unblindings", "unblindings", "participant", "at", "by", "reason", "to", "collected", "text")
		objects := []map[string]any{}
		for _, x := range answer.GetUnblindings() {
			r.add(x.GetParticipant(), stamp(x.GetAt()), x.GetBy(), code(x.GetReason()), x.GetTo(), x.GetCollected(), x.GetText())
			objects = append(objects, map[string]any{
				"participant": x.GetParticipant(), "at": stamp(x.GetAt()), "by": x.GetBy(), "reason": x.GetReason(), "to": x.GetTo(), "collected": x.GetCollected(), "text": x.GetText(),
			})
		}
		if a.settings.output == "json" || a.settings.output == "jsonl" { // one form, whatever the user may know
			return a.write(one("unblindings", "trial", c.trial, "count", answer.GetCount(), "unblindings", objects))
		}
		if len(objects) == 0 {
			return a.write(one("unblindings", "trial", c.trial, "count", answer.GetCount()))
		}
		return a.write(r)
	})
}

func (a *app) unblindingPropose() *cobra.Command {
	var req loddv1.ProposeDisclosureRequest
	cmd := a.inTrial(spec{
		use: "propose NUMBER", short: "Propose to show somebody the arm of a participant: the first of two people's steps", args: cobra.ExactArgs(1),
		long: `Propose to show an auditor or a clinician the arm of one participant: the first of
two people's steps. Somebody else has seven days to approve. Neither of you is
shown the arm.`,
		example: "  lodd unblinding propose OSL-0007 --to ingrid --reason inspection",
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		answer, err := c.Unblinding().ProposeDisclosure(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("disclosure-proposal", answer.GetReceipt(), "participant", c.args[0], "to", req.GetTo(),
			"reason", code(req.GetReason()), "expires", stamp(answer.GetExpires())))
	})
	required(cmd, &req.To, "to", "the `USER` who is to be shown the arm")
	required(cmd, &req.Reason, "reason", "`"+disclosureReasons+"`")
	return cmd
}

func (a *app) unblindingApprove() *cobra.Command {
	var to string
	var g again
	cmd := a.inTrial(spec{
		use: "approve NUMBER", short: "Show somebody the arm of a participant: the second of two people's steps", args: cobra.ExactArgs(1),
		long: "Approve what somebody else proposed with lodd unblinding propose: the arm then\nwaits for the account that is named. You are not shown it.",
	}, func(c trialCall) error {
		token, err := g.stepUp(a, c.call, &loddv1.StepUpRequest{
			Act: loddv1.UnblindingService_ApproveDisclosure_FullMethodName, Trial: c.trial, Subject: c.args[0] + "/" + to,
		})
		if err != nil {
			return err
		}
		answer, err := c.Unblinding().ApproveDisclosure(c.ctx, &loddv1.ApproveDisclosureRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], To: to, StepUp: token,
		})
		if err != nil {
			return err
		}
		a.note("note.arm-waits", to)
		return a.write(receiptOf("disclosure", answer.GetReceipt(), "participant", c.args[0], "to", to))
	})
	required(cmd, &to, "to", "the `USER` of the proposal")
	g.register(cmd)
	return cmd
}
