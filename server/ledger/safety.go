package ledger

import "github.com/lodd-rct/lodd/server/trial"

// of returns who an entry names as its actor: the server for an adverse event
// that a treatment team reported, since everybody in the trial may read it and
// the team tells the arm.
func (by Caller) of(e trial.Event) Caller {
	if a, ok := e.(trial.AdverseEventReported); ok && a.Reporter == trial.FromTeam {
		return Caller{Actor: trial.ServerActor}
	}
	return by
}
