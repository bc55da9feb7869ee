package replay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// A log that was signed with the right key, and in which a rule is broken, is
// refused at the entry that breaks it.
func TestBrokenRuleIsFoundWhereItIsBroken(t *testing.T) {
	remove := func(steps []step, i int) []step { return slices.Delete(steps, i, i+1) }
	move := func(steps []step, from, to int) []step {
		s := steps[from]
		return slices.Insert(remove(steps, from), to, s)
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, steps []step) (changed []step, want place)
		reason string
	}{
		{"two participants in one slot", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 1)
			a := s[i].Event.(trial.Allocated)
			a.Slot = 0
			s[i].Event = a
			return s, at(s, i)
		}, "want OSL/sex=male/1"},
		{"an allocation of another stratum", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 2)
			a := s[i].Event.(trial.Allocated)
			a.Stratum = "OSL/sex=female"
			s[i].Event = a
			return s, at(s, i)
		}, "want OSL/sex=male/2"},
		{"no consent", func(t *testing.T, s []step) ([]step, place) {
			s = remove(s, find[trial.Consented](t, s, 1))
			i := find[trial.FormSubmitted](t, s, 1)
			return s, at(s, i)
		}, "consent"},
		{"randomized before its preparation", func(t *testing.T, s []step) ([]step, place) {
			s[find[trial.Prepared](t, s, 0)].Event = trial.ClockSteppedBack{}
			return s, at(s, find[trial.Randomized](t, s, 0))
		}, "intent"},
		{"randomized too late", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Randomized](t, s, 0)
			for j := i; j < len(s); j++ {
				s[j].At = s[j].At.Add(trial.IntentLife)
			}
			return s, at(s, i)
		}, "15 minutes"},
		{"randomized twice", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Prepared](t, s, 1)
			s[i].Event = trial.Prepared{Participant: "P1"}
			return s, at(s, i)
		}, "already randomized"},
		{"no allocation, and another randomization", func(t *testing.T, s []step) ([]step, place) {
			s = remove(s, find[trial.Allocated](t, s, 0))
			return s, at(s, find[trial.Randomized](t, s, 1))
		}, "has no allocation"},
		{"no allocation at the end", func(t *testing.T, s []step) ([]step, place) {
			s = remove(s, find[trial.Allocated](t, s, 2))
			return s, at(s, find[trial.Randomized](t, s, 2))
		}, "has no allocation"},
		{"an allocation too many", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 2)
			return slices.Insert(s, i+1, s[i]), place{"IPS/allocation", 4}
		}, "without a randomization"},
		{"a smaller conduct_size", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 1)
			s[i].ConductSize--
			return s, at(s, i)
		}, "without a randomization"},
		{"a conduct_size of what is long past", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.ArmsViewed](t, s, 0)
			s[i].ConductSize = 1
			return s, place{"IPS/conduct", 1} // which comes after it, and is earlier
		}, "earlier"},
		{"a conduct_size below that of the entry before", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.VisitMissed](t, s, 0)
			s[i].ConductSize--
			return s, at(s, i)
		}, "and what is before it"},
		{"a conduct_size below that of the entry before, which is late", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.VisitMissed](t, s, 0)
			late := s[len(s)-2] // of conduct
			late.list, late.Event, late.ConductSize = "IPS/outcome", s[i].Event, 2000
			early := late
			early.ConductSize = 1000
			s = append(s, late, early)
			return s, at(s, len(s)-1)
		}, "and what is before it"},
		{"a larger conduct_size", func(t *testing.T, s []step) ([]step, place) {
			s[find[trial.Allocated](t, s, 0)].ConductSize += 6
			return s, at(s, find[trial.Randomized](t, s, 1))
		}, "has no allocation"},
		{"a conduct_size that is never reached", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 2)
			s[i].ConductSize = 1000
			return s, at(s, i)
		}, "came after the head of conduct, but"},
		{"an allocation that never comes, and is dated later", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 2)
			s[i].ConductSize, s[i].At = 1000, s[len(s)-2].At
			return s, at(s, find[trial.Randomized](t, s, 2))
		}, "has no allocation"},
		{"a conduct_size below zero", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.ArmsViewed](t, s, 0)
			s[i].ConductSize = -1
			return s, at(s, i)
		}, "-1"},
		{"a conduct_size in conduct", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Locked](t, s, 0)
			s[i].ConductSize = 1
			return s, at(s, i)
		}, "size of conduct"},
		{"a conduct_size in system", func(t *testing.T, s []step) ([]step, place) {
			s[1].ConductSize = 1
			return s, place{"system", 1}
		}, "size of conduct"},
		{"time going back in a list", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Locked](t, s, 0)
			s[i].At = s[i].At.Add(-time.Millisecond)
			return s, at(s, i)
		}, "earlier"},
		{"time going back in system", func(t *testing.T, s []step) ([]step, place) {
			i := find[people.SignedOut](t, s, 0)
			s[i].At = s[0].At.Add(-time.Millisecond)
			return s, at(s, i)
		}, "earlier"},
		{"time going back from one list to another", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.ArmsViewed](t, s, 0)
			s[i].At = s[i].At.Add(-time.Millisecond)
			return s, at(s, i)
		}, "earlier"},
		{"an entry in a list where its kind never lies", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Withdrawn](t, s, 0)
			s[i].list = "IPS/outcome"
			return s, at(s, i)
		}, "belong"},
		{"an entry of the trial in system", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Withdrawn](t, s, 0)
			s[i].list = "system"
			return s, at(s, i)
		}, "belong"},
		{"an account in conduct", func(t *testing.T, s []step) ([]step, place) {
			i := find[people.SignedOut](t, s, 0)
			s[i].list = "IPS/conduct"
			return s, at(s, i)
		}, "belong"},
		{"an allocation in conduct", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Allocated](t, s, 0)
			s[i].list, s[i].ConductSize = "IPS/conduct", 0
			return s, at(s, i)
		}, "belong"},
		{"an assessor's form in conduct", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.FormSubmitted](t, s, 3)
			s[i].list, s[i].ConductSize = "IPS/conduct", 0
			s = slices.Delete(s, i+1, i+2) // it would come between
			return s, at(s, i)
		}, "belongs in outcome"},
		{"a list that the trial doesn't have", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.ArmsViewed](t, s, 0)
			s[i].list = "IPS/other"
			return s, place{"IPS/other", -1}
		}, "no such list"},
		{"a list of another trial", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.ArmsViewed](t, s, 0)
			s[i].list = "IPT/delivery"
			return s, place{"IPT/delivery", -1}
		}, "no such list"},
		{"another trial", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Created](t, s, 0)
			c := s[i].Event.(trial.Created)
			c.Protocol.ID = "IPT"
			s[i].Event = c
			return s, place{"IPS/conduct", 0}
		}, "IPT"},
		{"another beginning", func(t *testing.T, s []step) ([]step, place) {
			return move(s, find[trial.DesignSealed](t, s, 0), 0), place{"IPS/conduct", 0}
		}, "before"},
		{"two beginnings", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.EnrolmentOpened](t, s, 0)
			s[i].Event = s[find[trial.Created](t, s, 0)].Event
			return s, at(s, i)
		}, "exists"},
		{"a lock of other lengths", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Locked](t, s, 0)
			l := s[i].Event.(trial.Locked)
			l.Outcome--
			s[i].Event = l
			return s, at(s, i)
		}, "lock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps, want := tt.change(t, whole(t).steps)
			wantRefused(t, archive(t, steps, nil), want, tt.reason)
		})
	}
}
