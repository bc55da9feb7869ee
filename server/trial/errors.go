package trial

import (
	"errors"

	"github.com/lodd-rct/lodd/server/proposal"
)

// These errors say why a trial refuses a step. The server maps each to a
// reason of the API; their texts reach people.
var (
	ErrExists            = errors.New("it exists already; nothing was changed")
	ErrNotFound          = errors.New("there is no such thing in this trial")
	ErrNotSealed         = errors.New("the design is not sealed; the list custodian seals it first")
	ErrAlreadySealed     = errors.New("the design is sealed already and cannot be changed")
	ErrEnrolmentClosed   = errors.New("enrolment is closed")
	ErrNoConsent         = errors.New("no consent is recorded for the participant")
	ErrNotEligible       = errors.New("the eligibility criteria are not answered for the participant")
	ErrNoBaseline        = errors.New("a baseline form is missing; submit every form of the baseline first")
	ErrExcluded          = errors.New("the participant was excluded at screening")
	ErrAlreadyRandomized = errors.New("the participant is already randomized")
	ErrNotRandomized     = errors.New("the participant is not randomized")
	ErrIntentExpired     = errors.New("the prepared randomization is older than 15 minutes, or the participant's levels were corrected since; prepare it again")
	ErrNotConfirmed      = errors.New("the confirmation is not the participant's screening number; nothing was done")
	ErrFormOrder         = errors.New("another form of this visit must be submitted first")
	ErrAlreadySubmitted  = errors.New("the form is submitted already; correct it instead")
	ErrNotSubmitted      = errors.New("the form is not submitted yet")
	ErrFollowUpEnded     = errors.New("the participant is no longer followed up")
	ErrErased            = errors.New("the participant withdrew from the data, which nobody can read or add to any more")
	ErrNotWithdrawn      = errors.New("no withdrawal from the data is recorded for the participant; record it first, then another person erases")
	ErrSamePerson        = proposal.ErrSamePerson
	ErrNotInWindow       = errors.New("the visit is not due yet")
	ErrNothingChanged    = errors.New("the correction changes nothing")
	ErrFenced            = errors.New("nobody is randomized now: the server was restored from an older copy and may have lost randomizations; the list custodian reconciles the trial first")
	ErrAwaitsEntropy     = errors.New("the trial statistician's contribution to the seed is still to come; it comes first, or the list custodian abandons the sealing and seals again without it")
	ErrNoContribution    = errors.New("this sealing awaits no contribution: it was sealed without one, or has one already")
	ErrNotReady          = errors.New("the trial can't be unsealed yet")
	ErrNotProposed       = errors.New("nobody has proposed to unseal the trial, or more than 7 days ago; propose it, then another person approves")
	ErrUnsealed          = errors.New("the trial is unsealed, and this can't be done any more")
	ErrNotUnsealed       = errors.New("the trial isn't unsealed: its allocations are sealed until two people unseal it")
	ErrListUsedUp        = errors.New("the statistician's list has no slot left for the participant's stratum; nothing was done")
	ErrBlindBroken       = errors.New("your blind is broken for this participant; another assessor of the site takes over")
	ErrChanged           = errors.New("the form was changed since you read it; read it again first")
	ErrNotForYou         = errors.New("no arm waits for you under this number")
	ErrNotFenced         = errors.New("there is nothing to reconcile: the trial was not restored from an older copy, or is reconciled already")
)

// An Invalid says which field of a request cannot be right. Its text reaches
// people.
type Invalid struct{ Field, Problem string }

// Error says the field and the problem.
func (e *Invalid) Error() string { return e.Field + ": " + e.Problem }
