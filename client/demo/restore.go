package demo

import (
	"context"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// restore plays what follows a restore from an older copy: nobody is randomized
// before the custodian has given up the slot that was lost.
func (s *story) restore(ctx context.Context) error {
	site := s.protocol.GetSites()[0].GetId()
	number := site + "-301"
	if err := s.screen(ctx, number, site, ""); err != nil {
		return err
	}
	baseline := s.protocol.GetVisits()[0].GetId()
	for _, user := range []string{"tove", "olav"} {
		if err := s.assess(ctx, user, number, baseline); err != nil {
			return err
		}
	}
	if err := s.Restored(ctx); err != nil {
		return err
	}
	c, intent, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	prepare := &loddv1.PrepareRandomizationRequest{TrialId: s.trial, RequestId: intent, Participant: number}
	_, err = c.Randomization().PrepareRandomization(ctx, prepare)
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_FENCED, "randomization behind the fence"); err != nil {
		return err
	}
	s.say("refused: randomization before the restore is reconciled")
	if err := s.reconcile(ctx, site); err != nil {
		return err
	}
	if _, err := c.Randomization().PrepareRandomization(ctx, prepare); err != nil {
		return err
	}
	answer, err := c.Randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{TrialId: s.trial, IntentId: intent, Confirm: number})
	if err != nil {
		return err
	}
	s.enrolled = append(s.enrolled, enrolled{number: number, site: site, at: s.now, receipt: answer.GetReceipt()})
	s.say("tove randomized one more, who got the slot behind the lost one")
	return nil
}

func (s *story) reconcile(ctx context.Context, stratum string) error {
	c, id, err := s.asking(ctx, "kari")
	if err != nil {
		return err
	}
	_, err = c.Trials().Reconcile(ctx, &loddv1.ReconcileRequest{
		TrialId: s.trial, RequestId: id, Confirm: s.trial, Lost: []*loddv1.LostSlots{{Stratum: stratum, Slots: 1}},
	})
	s.say("kari gave up the slot that was lost at %s", stratum)
	return err
}
