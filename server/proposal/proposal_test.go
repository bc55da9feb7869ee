package proposal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/proposal"
)

func TestTwoPeopleActWithinSevenDays(t *testing.T) {
	at := time.Date(2025, 3, 4, 9, 0, 0, 0, time.UTC)
	p := proposal.New("per", at)
	for _, tt := range []struct {
		name string
		p    proposal.Proposal
		by   string
		at   time.Time
		want error
	}{
		{"another person, at once", p, "kari", at, nil},
		{"another person, in the last millisecond", p, "kari", at.Add(7 * 24 * time.Hour), nil},
		{"another person, too late", p, "kari", at.Add(7*24*time.Hour + time.Millisecond), proposal.ErrNone},
		{"the same person", p, "per", at, proposal.ErrSamePerson},
		{"the same person, too late", p, "per", at.Add(8 * 24 * time.Hour), proposal.ErrNone},
		{"nothing was proposed", proposal.Proposal{}, "kari", at, proposal.ErrNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.p.Approve(tt.by, tt.at); !errors.Is(err, tt.want) {
				t.Errorf("Approve = %v, want %v", err, tt.want)
			}
		})
	}
}
