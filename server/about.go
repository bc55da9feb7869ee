package server

import "github.com/lodd-rct/lodd/server/trial"

// participantOf returns whom an event is about, or nothing if it is about
// nobody in particular.
func participantOf(event any) trial.ParticipantID {
	switch e := event.(type) {
	case trial.Screened:
		return e.Participant
	case trial.Consented:
		return e.Participant
	case trial.EligibilityAssessed:
		return e.Participant
	case trial.Excluded:
		return e.Participant
	case trial.Prepared:
		return e.Participant
	case trial.Randomized:
		return e.Participant
	case trial.Allocated:
		return e.Participant
	case trial.FormSubmitted:
		return e.Participant
	case trial.FormCorrected:
		return e.Participant
	case trial.VisitMissed:
		return e.Participant
	case trial.Withdrawn:
		return e.Participant
	case trial.Erased:
		return e.Participant
	case trial.Died:
		return e.Participant
	case trial.ErrorRecorded:
		return e.Participant
	case trial.ContingencyUsed:
		return e.Participant
	case trial.LevelsCorrected:
		return e.Participant
	case trial.Replaced:
		return e.Participant
	case trial.FormSigned:
		return e.Participant
	case trial.TextJudged:
		return e.Participant
	case trial.BlindBroken:
		return e.Participant
	case trial.Unblinded:
		return e.Participant
	case trial.DisclosureProposed:
		return e.Participant
	case trial.AdverseEventReported:
		return e.Participant
	default:
		return ""
	}
}
