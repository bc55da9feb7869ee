// Package export turns a lock into neutral tables and those into one signed
// bundle, and an unsealed trial into another one.
//
// What it writes is a function of the log up to the lock, or to the unsealing,
// and of nothing else: no clock, no map order. The pooled view is blind by its
// types. A [Source] has no field in which an arm, a stratum or a place in a
// sequence could travel, so nothing that is made of it can tell one; a [Reveal]
// is another type, for another view.
package export

import (
	"context"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// A Source is what a blinded reader may get of a trial at a lock. Its functions
// answer from the log up to the lock; they are called one at a time.
type Source struct {
	Trial  trial.ID
	Lock   trial.Lock
	Visits []trial.Visit // the first is the baseline
	Forms  []Form        // in the protocol's order
	Flow   trial.Flow

	// Participants are the randomized participants whose data are not
	// destroyed, in any order.
	Participants []trial.ParticipantID
	// Erased are those whom the lock held when it was taken and whose data were
	// destroyed since.
	Erased []trial.ParticipantID

	// Mistakes are what was recorded about randomizations afterwards, by
	// participant, oldest first.
	Mistakes map[trial.ParticipantID][]Mistake

	// Participant returns one of Participants.
	Participant func(trial.ParticipantID) Participant
	// Record returns where a form of one of Participants stands, and whether it
	// was submitted.
	Record func(trial.ParticipantID, trial.VisitID, trial.FormID) (trial.FormRecord, bool)
	// Answers returns what stands there. It fails with [trial.ErrErased] if the
	// data were destroyed after the Source was made: make another.
	Answers func(context.Context, trial.ParticipantID, trial.FormRecord) (Answers, error)

	// Signatures returns the signatures under a form of one of Participants, in
	// their order. It may be nil if there are none.
	Signatures func(trial.ParticipantID, trial.VisitID, trial.FormID) []Signature

	// Key is the secret from which row keys are derived: one for each trial
	// and view, the same for all locks.
	Key [32]byte
	// Heads are the heads of the exported compartments at the lock, unsigned.
	Heads []Head
}

// A Form is an instrument of the trial.
type Form struct {
	ID         trial.FormID
	Version    int
	Instrument *instrument.Instrument
}

// A Participant is what the pooled view tells of one randomized participant. A
// zero date means that it did not happen.
type Participant struct {
	Site                    trial.SiteID
	Screened, Randomized    trial.Date
	Stopped, Withdrew, Died trial.Date
	Error                   trial.Code // the kind of randomization in error, or empty
	FollowUps               []FollowUp // in the order of the visits
}

// A Mistake is what was recorded about a randomization afterwards. None depends
// on the arm. The number of a backup envelope is left out: two people can look up
// the arm behind it.
type Mistake struct {
	Kind  trial.Code // one of mistakeKinds
	Field trial.Code // what Old and New are of: a factor, of, by or opened_on
	// Old and New are the values before and after, either of which may be empty.
	Old, New string
	// Other is the participant whose row key is New.
	Other  trial.ParticipantID
	On     trial.Date // when it was recorded
	Reason trial.Code // or empty
}

// mistakeKinds are the kinds of mistakes: levels that were corrected after the
// randomization, a duplicate of somebody, a replacement by somebody, and a
// randomization by a backup envelope.
func mistakeKinds() []trial.Code {
	return []trial.Code{"levels-corrected", "duplicate", "replaced", "contingency"}
}

// A Signature is a signature under a form. Void says that the form was corrected
// after it, before the lock.
type Signature struct {
	Meaning trial.Code
	On      trial.Date
	Void    bool
}

// A FollowUp is how a visit stands.
type FollowUp struct {
	trial.FollowUp
	Missed trial.Code // the reason if the visit was missed, or empty
}

// Answers are the answers to one form at one visit as they were at the lock.
type Answers struct {
	Values instrument.Values
	Timing trial.Code // baseline, early, in-window or late
	// Changes are the corrections, oldest first.
	Changes []Change
}

// A Change is one corrected item. The reason for it is free text, which may
// tell the arm, and is not part of the pooled view.
type Change struct {
	On trial.Date
	instrument.Change
}

// A Head is what a compartment held at the lock.
type Head struct {
	Compartment trial.Compartment
	List        string // its name in the log
	audit.Checkpoint
}
