package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// A Team is a treatment team: who delivers one arm at one site.
type Team struct {
	Site trial.SiteID
	Arm  trial.ArmID
}

// A Member is a participant of a team. It and an [Opened] are the only types of
// this package that tell an arm.
type Member struct {
	Participant  trial.ParticipantID
	Site         trial.SiteID
	RandomizedAt time.Time
	Arm          trial.Arm
	Stopped      bool
}

// Members lists the participants of teams, in the order of their
// randomization, without those who withdrew from the data. The reading is an
// entry of the compartment delivery, durable before anything is shown.
//
// Source: ICH E6(R3) (2025), 4.2.2: access to unblinding information is
// recorded.
func (t *Trial) Members(ctx context.Context, by Caller, teams []Team) ([]Member, error) {
	for _, team := range teams {
		if _, err := t.Do(ctx, Caller{Actor: by.Actor, Role: by.Role}, trial.ArmsViewed{Site: team.Site, Team: team.Arm}); err != nil {
			return nil, err
		}
	}
	var out []Member
	err := t.View(func(s *trial.State) error {
		var members []*trial.Participant
		for p := range s.Participants() {
			if p.Randomized() && p.WithdrewData.IsZero() {
				members = append(members, p)
			}
		}
		slices.SortFunc(members, func(a, b *trial.Participant) int { return cmp.Compare(a.Receipt, b.Receipt) })
		for _, p := range members {
			a, err := t.armOf(s, p)
			if err != nil {
				return err
			}
			if slices.Contains(teams, Team{p.Site, a.ID}) {
				out = append(out, Member{p.ID, p.Site, p.RandomizedAt, a, !p.Stopped.IsZero()})
			}
		}
		return nil
	})
	return out, err
}

// armOf returns the arm of a participant who was randomized. The caller holds mu.
func (t *Trial) armOf(s *trial.State, p *trial.Participant) (trial.Arm, error) {
	arm, err := t.deck.held(p)
	if err != nil {
		return trial.Arm{}, fmt.Errorf("ledger: trial %s: %w", t.id, err)
	}
	return s.Protocol().Arms[arm], nil
}

// InTeam reports whether a participant is of one of the teams: whoever isn't
// there, or has no arm yet, is of none.
func (t *Trial) InTeam(id trial.ParticipantID, teams []Team) (yes bool, err error) {
	err = t.View(func(s *trial.State) error {
		p, ok := s.Participant(id)
		if !ok || !p.Randomized() {
			return nil
		}
		a, err := t.armOf(s, p)
		yes = err == nil && slices.Contains(teams, Team{p.Site, a.ID})
		return err
	})
	return yes, err
}
