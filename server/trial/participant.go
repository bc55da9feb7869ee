package trial

import (
	"slices"
	"strings"
	"time"
)

// A Stratum names one sequence: the site and the levels of the factors.
type Stratum string

// A Participant is what the log says about one screening number. A nil slice
// or zero value means that nothing was said.
type Participant struct {
	ID           ParticipantID
	Site         SiteID
	Levels       []Code
	ScreenedOn   Date
	Consent      ConsentGiven
	Assessed     bool
	Eligible     bool
	Excluded     Code // the reason, or empty
	RandomizedAt time.Time
	Receipt      int64 // index of the entry in conduct that randomized, if RandomizedAt is set
	Stratum      Stratum
	Slot         int
	Stopped      Date // W1
	Withdrew     Date // W2
	WithdrewData Date // W3: nobody reads or adds to the data any more
	Died         Date
	Error        Code // the kind, or empty
	DuplicateOf  ParticipantID
	Replaces     ParticipantID
	ReplacedBy   ParticipantID
	Envelope     int  // the number of the backup envelope, or 0
	OpenedOn     Date // when it was opened
	// CorrectedLevels are the right levels of somebody who was randomized in
	// another stratum; nil if Levels are right.
	CorrectedLevels []Code
	// Erasure is the index of the entry in conduct that destroyed the data
	// after W3, or 0: that entry made the trial.
	Erasure        int64
	withdrewDataBy string // who recorded W3
	forms          []formRecord
	missed         []uint8 // positions of visits
	signatures     []signature
	texts          []HeldText
	blindBroken    []string // accounts that learned the arm and must not know it
}

// A formRecord says where the answers of a form stand. Forms and visits are
// positions in the protocol, to keep a participant small.
type formRecord struct {
	at          int64 // index in the form's compartment
	on          int32 // days since 1970-01-01
	visit, form uint8
	correction  bool
}

// Randomized reports whether the participant has an allocation.
func (p *Participant) Randomized() bool { return !p.RandomizedAt.IsZero() }

// TrueLevels returns the levels as they are known now. The stratum is that of
// Levels.
func (p *Participant) TrueLevels() []Code {
	if p.CorrectedLevels != nil {
		return p.CorrectedLevels
	}
	return p.Levels
}

// Erased reports whether the key of the participant's data is destroyed.
func (p *Participant) Erased() bool { return p.Erasure > 0 }

// record returns where form was submitted at visit.
func (p *Participant) record(visit, form int) (formRecord, bool) {
	for _, r := range p.forms {
		if int(r.visit) == visit && int(r.form) == form && !r.correction {
			return r, true
		}
	}
	return formRecord{}, false
}

// endedBefore reports whether the follow-up of p ended before a day, by
// withdrawal or death.
func (p *Participant) endedBefore(on Date) bool {
	return !p.Withdrew.IsZero() && p.Withdrew.Before(on) || !p.Died.IsZero() && p.Died.Before(on)
}

func (p *Participant) missedVisit(visit int) bool { return slices.Contains(p.missed, uint8(visit)) }

// stratum returns the sequence that p belongs to.
func (p *Participant) stratum(factors []Factor) Stratum {
	var b strings.Builder
	b.WriteString(string(p.Site))
	for i, level := range p.Levels {
		b.WriteString("/" + string(factors[i].ID) + "=" + string(level))
	}
	return Stratum(b.String())
}

func (d Date) unixDay() int32 { return int32(d.DaysSince(epoch())) }

func fromUnixDay(n int32) Date { return epoch().AddDays(int(n)) }

func epoch() Date { return Date{1970, time.January, 1} }
