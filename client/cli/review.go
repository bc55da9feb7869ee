package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) reviewCommand() *cobra.Command {
	return noun("review", "Read texts that are held, and release or withhold them",
		a.reviewList(),
		a.reviewJudge("release", "Let others read a held text", `Let others read a held text: whoever may read the form does so from now on, and
the next lock has it. Release a text only if nobody can tell the arm from it. A
text is judged once.`, true),
		a.reviewJudge("withhold", "Keep a held text from others for ever", `Keep a held text from others for ever: only its writer reads it. A text is judged
once.`, false))
}

func (a *app) reviewList() *cobra.Command {
	return a.inTrial(spec{
		use: "list", short: "List the held texts that nobody has judged",
		long: `List the held texts that nobody has judged, at most 100 at a time. A text is held
if it has words that may tell the arm, such as the title of somebody whom one arm
alone meets.`,
	}, func(c trialCall) error {
		answer, err := c.Reviews().ListHeldText(c.ctx, &loddv1.ListHeldTextRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("held-texts", "texts", "participant", "visit", "form", "item", "entry", "text")
		for _, x := range answer.GetTexts() {
			r.add(x.GetParticipant(), x.GetVisit(), x.GetForm(), x.GetItem(), x.GetEntry(), x.GetText())
		}
		return a.write(r)
	})
}

func (a *app) reviewJudge(verb, short, long string, release bool) *cobra.Command {
	return a.inTrial(spec{
		use: verb + " NUMBER VISIT FORM ITEM ENTRY", short: short, args: cobra.ExactArgs(5),
		long:    long + " The five words are those of lodd review list.",
		example: "  lodd review " + verb + " OSL-0007 month-6 work note 41",
	}, func(c trialCall) error {
		entry, err := strconv.ParseInt(c.args[4], 10, 64)
		if err != nil || entry < 0 {
			return &usageError{a.words.say("error.entry", c.args[4])}
		}
		answer, err := c.Reviews().JudgeText(c.ctx, &loddv1.JudgeTextRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Visit: c.args[1], Form: c.args[2],
			Item: c.args[3], Entry: entry, Release: release,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("judgement", answer.GetReceipt(), "participant", c.args[0], "visit", c.args[1], "form", c.args[2],
			"item", c.args[3], "entry", entry, "released", release))
	})
}
