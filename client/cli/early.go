package cli

import (
	"slices"
	"time"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// timing is what form submit was told about the day of an assessment.
type timing struct {
	on    string // YYYY-MM-DD, empty for today
	early bool   // it may be before the window opens
}

// allowEarly asks before a form is stored ahead of its window, which is more
// often the wrong visit than a real early assessment. Where nobody sits, it has
// to be said by --early. The server itself takes such a form and flags it.
func (a *app) allowEarly(c trialCall, t timing) error {
	if t.early {
		return nil
	}
	const all = 3660 // days ahead, the most that the server looks
	answer, err := c.Assessments().ListDue(c.ctx, &loddv1.ListDueRequest{TrialId: c.trial, Days: all})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(answer.GetDue(), func(d *loddv1.Due) bool {
		return d.GetParticipant() == c.args[0] && d.GetVisit() == c.args[1] && slices.Contains(d.GetForms(), c.args[2])
	})
	if i < 0 {
		return nil // nothing that waits: the server knows why
	}
	due := answer.GetDue()[i]
	days := a.daysEarly(due, t.on)
	if days == 0 {
		return nil
	}
	if a.console == nil {
		return &usageError{a.words.say("error.early", days, due.GetVisit(), due.GetOpens())}
	}
	return a.confirm(c.ctx, "ask.early", days, due.GetVisit(), due.GetOpens())
}

// daysEarly returns by how many days an assessment comes before its window, 0
// if it doesn't. Whether today does, the server has decided in the time zone
// of the trial; the local clock only counts the days.
func (a *app) daysEarly(due *loddv1.Due, on string) int {
	opens, err := time.Parse(time.DateOnly, due.GetOpens())
	if err != nil || on == "" && due.GetState() != "upcoming" {
		return 0
	}
	today := on == ""
	if today {
		on = a.deps.Now().Format(time.DateOnly)
	}
	day, err := time.Parse(time.DateOnly, on)
	if err != nil {
		return 0 // the server says what is wrong with it
	}
	days := int(opens.Sub(day) / (24 * time.Hour))
	if today {
		return max(days, 1)
	}
	return max(days, 0)
}
