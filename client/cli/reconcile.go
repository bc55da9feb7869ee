package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) trialReconcile() *cobra.Command {
	var given []string
	var confirm string
	cmd := a.inTrial(spec{
		use: "reconcile", short: "Let randomization go on after a restore from an older copy",
		long: `Let randomization go on after the server was restored from an older copy.

Entries that came after that copy may be lost, and with them randomizations. Ask
every site whom it has randomized, and compare with lodd participant list. For
each stratum name with --lost how many are missing: their slots are never used
again, since somebody may know the arms. When in doubt, name more. A lost slot
cannot be had back. Type the trial once more, or give it with --confirm.

A stratum is the site and the levels of the factors, in the protocol's order.`,
		example: "  lodd trial reconcile --trial IPS --lost OSL/sex=female=2 --lost BGO/sex=male=1",
	}, func(c trialCall) error {
		lost, err := a.lostSlots(given)
		if err != nil {
			return err
		}
		confirm, err := a.typed(c.ctx, confirm, "ask.reconcile")
		if err != nil {
			return err
		}
		if confirm == "" {
			return &usageError{a.words.say("error.confirm-trial")}
		}
		answer, err := c.Trials().Reconcile(c.ctx, &loddv1.ReconcileRequest{TrialId: c.trial, RequestId: c.request, Lost: lost, Confirm: confirm})
		if err != nil {
			return err
		}
		slots := int32(0)
		for _, l := range lost {
			slots += l.GetSlots()
		}
		return a.write(receiptOf("reconciliation", answer.GetReceipt(), "trial", c.trial, "lost_slots", slots))
	})
	cmd.Flags().StringArrayVar(&given, "lost", nil, "lost randomizations of a stratum, `STRATUM=N`; may be repeated")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the `TRIAL` once more")
	return cmd
}

// lostSlots parses what is lost. A stratum with factors has equals signs of its
// own: the number stands behind the last.
func (a *app) lostSlots(given []string) ([]*loddv1.LostSlots, error) {
	var out []*loddv1.LostSlots
	for _, text := range given {
		at := strings.LastIndexByte(text, '=')
		slots, err := strconv.ParseInt(text[at+1:], 10, 32)
		if at < 1 || err != nil {
			return nil, &usageError{a.words.say("error.lost", text)}
		}
		out = append(out, &loddv1.LostSlots{Stratum: text[:at], Slots: int32(slots)})
	}
	return out, nil
}
