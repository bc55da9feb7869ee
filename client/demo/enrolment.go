package demo

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// screened is how many people the story screens; the ones at these positions
// are not randomized, and why.
const screened = 30

func excludedAt(i int) string {
	switch i {
	case 4, 13, 22:
		return "not-eligible"
	case 8, 17:
		return "declined"
	case 26:
		return "other"
	default:
		return ""
	}
}

// enrol screens 30 people over two months and randomizes 24 of them.
func (s *story) enrol(ctx context.Context) error {
	begin := s.now
	counts := map[string]int{}
	for i := range screened {
		s.setClock(begin.Add(time.Duration(i) * 47 * time.Hour))
		site := s.protocol.GetSites()[i%3].GetId()
		number := fmt.Sprintf("%s-%03d", site, 101+7*i%90)
		reason := excludedAt(i)
		counts[reason]++
		if err := s.screen(ctx, number, site, reason); err != nil {
			return fmt.Errorf("screening %s: %w", number, err)
		}
		if reason != "" {
			continue
		}
		if err := s.randomize(ctx, number, site, len(s.enrolled) == 0); err != nil {
			return fmt.Errorf("randomize %s: %w", number, err)
		}
	}
	s.say("tove screened %d: %d did not meet the criteria, %d declined, %d for another reason",
		screened, counts["not-eligible"], counts["declined"], counts["other"])
	s.say("tove randomized %d; each receipt names an entry of the log, none an arm", len(s.enrolled))
	return nil
}

// screen enters a person, with answers that rule out whom they should.
func (s *story) screen(ctx context.Context, number, site, reason string) error {
	c, id, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	if reason == "declined" || reason == "other" {
		_, err := c.Screening().Exclude(ctx, &loddv1.ExcludeRequest{TrialId: s.trial, RequestId: id, Participant: number, Site: site, Reason: reason})
		return err
	}
	answers := map[string]bool{}
	for i, criterion := range s.protocol.GetCriteria() {
		answers[criterion.GetId()] = criterion.GetWant() != (reason == "not-eligible" && i == 0)
	}
	consents := s.protocol.GetConsents()
	req := &loddv1.AddScreeningRequest{
		TrialId: s.trial, RequestId: id, Participant: number, Site: site, Answers: answers, Levels: map[string]string{},
		Consent: &loddv1.ConsentGiven{Version: consents[len(consents)-1].GetVersion(), On: s.now.Format(time.DateOnly)},
	}
	for _, f := range s.protocol.GetFactors() {
		k, err := s.die(len(f.GetLevels()))
		if err != nil {
			return err
		}
		req.Levels[f.GetId()] = f.GetLevels()[k].GetId()
	}
	answer, err := c.Screening().AddScreening(ctx, req)
	if err == nil && answer.GetExcluded() != (reason != "") {
		return fmt.Errorf("excluded: %v, want %v", answer.GetExcluded(), reason != "")
	}
	return err
}

// randomize fills in the baseline and randomizes. The first time it tries what
// must be refused, and repeats the commit.
func (s *story) randomize(ctx context.Context, number, site string, first bool) error {
	c, err := s.as(ctx, "tove")
	if err != nil {
		return err
	}
	intent, err := s.requestID()
	if err != nil {
		return err
	}
	prepare := &loddv1.PrepareRandomizationRequest{TrialId: s.trial, RequestId: intent, Participant: number}
	if first {
		_, err := c.Randomization().PrepareRandomization(ctx, prepare)
		if err := refused(err, loddv1.ErrorReason_ERROR_REASON_NO_BASELINE, "randomization before the baseline"); err != nil {
			return err
		}
		s.say("refused: randomization before the baseline is complete")
	}
	baseline := s.protocol.GetVisits()[0].GetId()
	for _, user := range []string{"tove", "olav"} {
		if err := s.assess(ctx, user, number, baseline); err != nil {
			return err
		}
	}
	if _, err := c.Randomization().PrepareRandomization(ctx, prepare); err != nil {
		return err
	}
	commit := &loddv1.CommitRandomizationRequest{TrialId: s.trial, IntentId: intent, Confirm: number}
	answer, err := c.Randomization().CommitRandomization(ctx, commit)
	if err != nil {
		return err
	}
	if first {
		if err := s.repeat(ctx, commit, answer); err != nil {
			return err
		}
	}
	s.enrolled = append(s.enrolled, enrolled{number: number, site: site, at: s.now, receipt: answer.GetReceipt()})
	return nil
}

// repeat sends a commit again, as after a lost answer.
func (s *story) repeat(ctx context.Context, commit *loddv1.CommitRandomizationRequest, answer *loddv1.CommitRandomizationResponse) error {
	c, err := s.as(ctx, "tove")
	if err != nil {
		return err
	}
	again, err := c.Randomization().CommitRandomization(ctx, commit)
	if err != nil {
		return err
	}
	again.GetReceipt().RepeatedRequest = answer.GetReceipt().GetRepeatedRequest()
	if !proto.Equal(again, answer) {
		return fmt.Errorf("a repeated commit has another answer")
	}
	s.say("the same commit again, as after a lost answer: the same receipt, entry %d of %s", again.GetReceipt().GetIndex(), again.GetReceipt().GetList())
	return nil
}

// teams lets every treatment team read its own list, and checks that the teams
// of a site share its participants in balance.
func (s *story) teams(ctx context.Context) error {
	perSite := map[string]map[string]int{}
	for _, p := range cast() {
		if p.Role != "treatment-team" {
			continue
		}
		c, err := s.as(ctx, p.User)
		if err != nil {
			return err
		}
		list, err := c.Delivery().ListTeam(ctx, &loddv1.ListTeamRequest{TrialId: s.trial})
		if err != nil {
			return err
		}
		if perSite[p.Site] == nil {
			perSite[p.Site] = map[string]int{}
		}
		perSite[p.Site][p.Team] = len(list.GetParticipants())
		for _, member := range list.GetParticipants() {
			if member.GetArm().GetId() != p.Team || member.GetSite() != p.Site {
				return fmt.Errorf("%s of %s sees a participant of another team", p.User, p.Site)
			}
		}
	}
	const half = 4 // of the largest block
	total := 0
	for site, arms := range perSite {
		total += arms["ips"] + arms["tau"]
		if d := arms["ips"] - arms["tau"]; d > half || d < -half {
			return fmt.Errorf("site %s is out of balance by %d, more than half its open block", site, d)
		}
	}
	if total != len(s.enrolled) {
		return fmt.Errorf("the teams see %d participants together, want %d", total, len(s.enrolled))
	}
	s.say("each of 6 treatment teams sees its own participants and nobody else's; each reading is an entry")
	s.say("balance: no site is further from 1:1 than half its open block")
	return nil
}

// leaveOpen screens two more people: one waits for the baseline assessment, the
// other for everything.
func (s *story) leaveOpen(ctx context.Context) error {
	site := s.protocol.GetSites()[0].GetId()
	if err := s.screen(ctx, site+"-201", site, ""); err != nil {
		return err
	}
	if err := s.assess(ctx, "tove", site+"-201", s.protocol.GetVisits()[0].GetId()); err != nil {
		return err
	}
	c, id, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	_, err = c.Screening().AddScreening(ctx, &loddv1.AddScreeningRequest{TrialId: s.trial, RequestId: id, Participant: site + "-202", Site: site})
	return err
}
