package trial

import "time"

// A Compartment is a part of a trial's log with its own readers. What must be
// hidden from a reader of one lives in another.
type Compartment string

// The compartments of a trial.
const (
	Conduct    Compartment = "conduct"    // everyone in the trial
	Outcome    Compartment = "outcome"    // assessors and data management
	Delivery   Compartment = "delivery"   // treatment teams
	Allocation Compartment = "allocation" // nobody, before unsealing
)

// Compartments returns every compartment, conduct first.
func Compartments() []Compartment { return []Compartment{Conduct, Outcome, Delivery, Allocation} }

// ServerActor is the actor of what the server does by itself. No account has
// this name.
const ServerActor = "server"

// A Meta is what every entry says about itself.
type Meta struct {
	At      time.Time // when the server decided: UTC, whole milliseconds, never earlier than before
	Actor   string    // the account, or [ServerActor]
	Role    Role      // the role in which it acted
	Request RequestID // zero if the server acted by itself
	Index   int64     // the entry's position in its compartment
}

// An Event is a fact in the log. The types in this file, and in blinding.go and
// safety.go, are all there are.
// Fields named Sealed hold ciphertext, which this package never opens.
type Event interface{ event() }

// Created begins a trial. Its protocol has no forms: a [FormDefined] for each
// follows.
type Created struct {
	Protocol Protocol
	Forms    int
}

// FormDefined adds a form to the protocol.
type FormDefined struct{ Form Form }

// DesignSealed commits to the design of the randomization.
type DesignSealed struct {
	Commitment [32]byte
	// AwaitsEntropy says that an [EntropyContributed] comes before enrolment.
	AwaitsEntropy bool
}

// DesignKept keeps design, seed and salt.
type DesignKept struct{ Sealed []byte }

// EnrolmentOpened lets participants in.
type EnrolmentOpened struct{}

// EnrolmentClosed lets no more in.
type EnrolmentClosed struct{}

// Screened enters a participant in the screening log, with consent and answers
// if they are there.
type Screened struct {
	Participant ParticipantID
	Site        SiteID
	Levels      []Code // of the factors, in the protocol's order
	On          Date
	Consent     ConsentGiven // zero if none
	Assessed    bool
	Eligible    bool
	Sealed      []byte // the answers to the criteria, if assessed
}

// A ConsentGiven is a signed version of the consent form.
type ConsentGiven struct {
	Version string
	On      Date
}

// Consented records a consent.
type Consented struct {
	Participant ParticipantID
	Consent     ConsentGiven
}

// EligibilityAssessed records the answers to the criteria. Who isn't eligible
// is excluded.
type EligibilityAssessed struct {
	Participant ParticipantID
	Eligible    bool
	Sealed      []byte
}

// Excluded ends a screening. A number that isn't in the log is entered by it.
type Excluded struct {
	Participant ParticipantID
	Site        SiteID
	Reason      Code // one of [ExclusionReasons]
}

// Prepared announces a randomization; the request that made it names it.
type Prepared struct{ Participant ParticipantID }

// Randomized enrols a participant irrevocably.
type Randomized struct {
	Participant ParticipantID
	Intent      IntentID
}

// Allocated keeps the arm of the participant who was just randomized.
type Allocated struct {
	Participant ParticipantID
	Stratum     Stratum
	Slot        int // position in the stratum's sequence, or among its envelopes, from 0
	Sealed      []byte
	Contingency bool // the slot is one of the stratum's envelopes
}

// FormSubmitted keeps the answers of one form at one visit.
type FormSubmitted struct {
	Participant ParticipantID
	Visit       VisitID
	Form        FormID
	Version     int
	On          Date
	Sealed      []byte
	Held        []Code // text items that wait for a reviewer
}

// FormCorrected keeps changed answers, old and new, and the reason.
type FormCorrected struct {
	Participant ParticipantID
	Visit       VisitID
	Form        FormID
	Version     int
	Sealed      []byte
	Held        []Code // changed text items that wait for a reviewer
}

// VisitMissed records that a visit did not take place.
type VisitMissed struct {
	Participant ParticipantID
	Visit       VisitID
	Reason      Code // one of [MissedReasons]
}

// Withdrawn records a withdrawal.
type Withdrawn struct {
	Participant ParticipantID
	Scope       Scope
	Reason      Code // one of [WithdrawalReasons]
	On          Date
}

// Erased records that the key of a participant's data was destroyed, after a
// withdrawal with the scope [FromData] that somebody else recorded.
type Erased struct{ Participant ParticipantID }

// Died records a death.
type Died struct {
	Participant ParticipantID
	On          Date
}

// ErrorRecorded flags a randomization as made in error. The participant keeps
// the slot.
type ErrorRecorded struct {
	Participant ParticipantID
	Kind        Code // one of [ErrorKinds]
	// Of is, for a duplicate, who is the same person; entries of earlier
	// versions don't say it.
	Of ParticipantID
}

// Locked names a position of the compartments that an export reads.
type Locked struct {
	Number           int // from 1
	Conduct, Outcome int64
}

// Exported records that a locked export was handed out.
type Exported struct {
	Lock int
	View Code
}

// ArmsViewed records that a treatment team read its list.
type ArmsViewed struct {
	Site SiteID // empty for all sites
	Team ArmID
}

// ClockSteppedBack records that the server's clock went backwards.
type ClockSteppedBack struct{ By time.Duration }

// Restored records that the server was restored from an older copy, and how many
// entries of each compartment are known to be lost: 0 also if that isn't known.
// A number of [Delivery] moves with what one arm alone does, and is best left 0.
type Restored struct{ Conduct, Outcome, Delivery, Allocation int64 }

// Reconciled ends what [Restored] began.
type Reconciled struct{ Lost []LostSlots }

// EntropyContributed is the trial statistician's part of the seed. It is public:
// the server was bound to its own part, which is secret, before.
type EntropyContributed struct{ Entropy []byte }

// SealingAbandoned ends a sealing before anybody was enrolled.
type SealingAbandoned struct {
	Reason Code // one of [AbandonReasons]
}

// ContingencyPrinted records that backup envelopes were made.
type ContingencyPrinted struct {
	Envelopes  int         // of each stratum from now on
	Recipients [2][32]byte // SHA-256 of the two age recipients
}

// ContingencyUsed enrols a participant by a backup envelope of the stratum.
type ContingencyUsed struct {
	Participant ParticipantID
	Envelope    int // from 1
	On          Date
	Witness     string // the account of the second person who opened it
	Reason      Code   // one of [ContingencyReasons]
}

// EnvelopeSpoiled takes a backup envelope out of use.
type EnvelopeSpoiled struct {
	Stratum  Stratum
	Envelope int  // from 1
	Reason   Code // one of [SpoilReasons]
}

// LevelsCorrected corrects the levels of a participant. Whoever is randomized
// stays in the stratum of the randomization.
type LevelsCorrected struct {
	Participant ParticipantID
	Levels      []Code // of the factors, in the protocol's order
	Reason      Code   // one of [LevelReasons]
}

// Replaced records that By takes the place of Participant in the target number.
// Both keep their allocations.
type Replaced struct{ Participant, By ParticipantID }

// PlanFrozen records the digest of the statistical analysis plan.
type PlanFrozen struct {
	Digest  [32]byte // SHA-256 of the document
	Version string
}

// UnsealingProposed is the first of two people's acts that reveal the
// allocations.
type UnsealingProposed struct{}

// Unsealed is the second one.
type Unsealed struct{}

// Revealed records that the allocations were handed out.
type Revealed struct{}

// LostSlots are the slots after the last known one that the lost part of the
// log had used: nobody gets them any more.
type LostSlots struct {
	Stratum Stratum
	Slots   int // 1 to [MaxLostSlots]
}

func (Created) event()             {}
func (FormDefined) event()         {}
func (DesignSealed) event()        {}
func (DesignKept) event()          {}
func (EnrolmentOpened) event()     {}
func (EnrolmentClosed) event()     {}
func (Screened) event()            {}
func (Consented) event()           {}
func (EligibilityAssessed) event() {}
func (Excluded) event()            {}
func (Prepared) event()            {}
func (Randomized) event()          {}
func (Allocated) event()           {}
func (FormSubmitted) event()       {}
func (FormCorrected) event()       {}
func (VisitMissed) event()         {}
func (Withdrawn) event()           {}
func (Erased) event()              {}
func (Died) event()                {}
func (ErrorRecorded) event()       {}
func (Locked) event()              {}
func (Exported) event()            {}
func (ArmsViewed) event()          {}
func (ClockSteppedBack) event()    {}
func (Restored) event()            {}
func (Reconciled) event()          {}
func (EntropyContributed) event()  {}
func (SealingAbandoned) event()    {}
func (ContingencyPrinted) event()  {}
func (ContingencyUsed) event()     {}
func (EnvelopeSpoiled) event()     {}
func (LevelsCorrected) event()     {}
func (Replaced) event()            {}
func (PlanFrozen) event()          {}
func (UnsealingProposed) event()   {}
func (Unsealed) event()            {}
func (Revealed) event()            {}

// A Scope says what a participant withdraws from.
type Scope string

// The scopes of a withdrawal.
const (
	FromIntervention Scope = "intervention" // W1: follow-up goes on
	FromFollowUp     Scope = "follow-up"    // W2: no new data, old data stay
	FromData         Scope = "data"         // W3: the data are out of reach, and somebody else destroys them
)

// ExclusionReasons are the reasons for an exclusion at screening.
//
// Source: CONSORT 2025, flow diagram.
func ExclusionReasons() []Code { return []Code{"not-eligible", "declined", "other"} }

// WithdrawalReasons are the reasons for a withdrawal. None tells an arm.
func WithdrawalReasons() []Code {
	return []Code{"no-longer-wants", "burden", "health", "moved", "not-given", "other"}
}

// MissedReasons are the reasons for a missed visit. None tells an arm.
func MissedReasons() []Code { return []Code{"not-reached", "declined", "too-ill", "moved", "other"} }

// AbandonReasons are the reasons for abandoning a sealing.
func AbandonReasons() []Code { return []Code{"design-fault", "no-contribution", "other"} }

// ContingencyReasons are the reasons for opening a backup envelope.
func ContingencyReasons() []Code { return []Code{"server-down", "network-down", "other"} }

// SpoilReasons are the reasons for taking a backup envelope out of use.
func SpoilReasons() []Code { return []Code{"opened-by-mistake", "damaged", "lost", "other"} }

// LevelReasons are the reasons for correcting a participant's levels.
func LevelReasons() []Code { return []Code{"misread", "mistyped", "changed-source", "other"} }

// ErrorKinds are the kinds of randomization in error.
func ErrorKinds() []Code { return []Code{"not-eligible", "wrong-stratum", "duplicate"} }
