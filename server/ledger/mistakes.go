package ledger

import (
	"time"

	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/trial"
)

// noteMistake keeps what an event records about a randomization, before the state
// is moved past the event. What was corrected before the randomization was no
// mistake of it.
func (at past) noteMistake(when time.Time, e trial.Event) {
	on := at.Today(when)
	note := func(id trial.ParticipantID, m export.Mistake) {
		m.On = on
		at.mistakes[id] = append(at.mistakes[id], m)
	}
	switch e := e.(type) {
	case trial.LevelsCorrected:
		p, ok := at.Participant(e.Participant)
		if !ok || !p.Randomized() || len(e.Levels) != len(p.TrueLevels()) {
			return // the state refuses the last
		}
		for i, level := range p.TrueLevels() {
			if level != e.Levels[i] {
				note(p.ID, export.Mistake{
					Kind: "levels-corrected", Field: at.Protocol().Factors[i].ID, Old: string(level), New: string(e.Levels[i]), Reason: e.Reason,
				})
			}
		}
	case trial.ErrorRecorded:
		if e.Of != "" {
			note(e.Participant, export.Mistake{Kind: "duplicate", Field: "of", Other: e.Of})
		}
	case trial.Replaced:
		note(e.Participant, export.Mistake{Kind: "replaced", Field: "by", Other: e.By})
	case trial.ContingencyUsed:
		note(e.Participant, export.Mistake{Kind: "contingency", Field: "opened_on", New: e.On.String(), Reason: e.Reason})
	}
}
