package trial

import (
	"cmp"
	"slices"
	"time"
)

// A Window is when a visit is due. The target is the date of randomization in
// the trial's time zone plus whole calendar months; the window reaches some
// days to either side, ends included.
type Window struct{ Opens, Target, Closes Date }

// anchor returns the civil date of randomization, from which windows are
// counted.
func (s *State) anchor(p *Participant) Date { return s.RandomizedOn(p) }

// RandomizedOn returns the civil date of the randomization of p, who is
// randomized: that on which the backup envelope was opened, if it was one.
func (s *State) RandomizedOn(p *Participant) Date {
	if !p.OpenedOn.IsZero() {
		return p.OpenedOn
	}
	return DateOf(p.RandomizedAt, s.loc)
}

// window returns the window of a follow-up visit.
func (s *State) window(p *Participant, visit int) Window {
	v := s.protocol.Visits[visit]
	target := s.anchor(p).AddMonths(v.Months)
	return Window{target.AddDays(-v.Before), target, target.AddDays(v.After)}
}

// Timing returns baseline, early, in-window or late: how a day lies to the
// window of a visit.
func (s *State) Timing(p *Participant, v VisitID, on Date) string {
	visit := s.visitIndex(v)
	if visit < 1 || !p.Randomized() {
		return "baseline"
	}
	switch w := s.window(p, visit); {
	case on.Before(w.Opens):
		return "early"
	case w.Closes.Before(on):
		return "late"
	default:
		return "in-window"
	}
}

// A Due is a visit that waits for forms.
type Due struct {
	Participant ParticipantID
	Site        SiteID
	Visit       VisitID
	Window      Window // zero at the baseline
	State       string // baseline, upcoming, open or overdue
	Forms       []FormID
}

// Due lists the visits that wait for a form of role, by target and then by
// participant, as far as they open within ahead days. It depends on dates and
// on what was submitted, never on the arm.
func (s *State) Due(at time.Time, role Role, ahead int) []Due {
	today := s.Today(at)
	horizon := today.AddDays(ahead)
	var due []Due
	for p := range s.Participants() {
		for visit := range s.protocol.Visits {
			if !s.awaits(p, visit) {
				continue
			}
			d := s.due(p, visit, role, today)
			if len(d.Forms) > 0 && !horizon.Before(d.Window.Opens) {
				due = append(due, d)
			}
		}
	}
	slices.SortStableFunc(due, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.Window.Target.String(), b.Window.Target.String()), cmp.Compare(a.Participant, b.Participant))
	})
	return due
}

// awaits reports whether p can still be assessed at a visit.
func (s *State) awaits(p *Participant, visit int) bool {
	if p.Excluded != "" || !p.WithdrewData.IsZero() {
		return false
	}
	if visit == 0 {
		return !p.Randomized() && p.Consent.Version != ""
	}
	return p.Randomized() && p.Withdrew.IsZero() && p.Died.IsZero() && !p.missedVisit(visit)
}

func (s *State) due(p *Participant, visit int, role Role, today Date) Due {
	v := s.protocol.Visits[visit]
	d := Due{Participant: p.ID, Site: p.Site, Visit: v.ID, State: "baseline"}
	for i, f := range s.protocol.Forms {
		if _, done := p.record(visit, i); f.By == role && f.At(v.ID) && !done {
			d.Forms = append(d.Forms, f.ID)
		}
	}
	if visit == 0 {
		return d
	}
	d.Window = s.window(p, visit)
	switch {
	case today.Before(d.Window.Opens):
		d.State = "upcoming"
	case d.Window.Closes.Before(today):
		d.State = "overdue"
	default:
		d.State = "open"
	}
	return d
}
