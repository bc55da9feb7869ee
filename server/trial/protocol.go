package trial

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Protocol is what everyone in the trial may read about its design. What
// conceals the allocation (block sizes, seed) is no part of it.
type Protocol struct {
	ID       ID
	Title    Text
	TimeZone string // IANA name; visit windows are counted in its civil dates
	Arms     []Arm  // 2 to 16
	Factors  []Factor
	Sites    []Site
	Visits   []Visit // the first is the baseline
	Criteria []Criterion
	Consents []Consent
	Forms    []Form
}

// A Text is what people read, in the languages of the trial. Norwegian
// (bokmål) or English may be missing, not both.
type Text struct{ NB, EN string }

// An Arm is one treatment of the trial.
type Arm struct {
	ID    ArmID
	Label Text
	// Ratio is the number of participants of this arm in the smallest block.
	Ratio int
}

// A Factor stratifies the randomization beside the site: each combination of
// site and levels has its own independent sequence.
//
// Source: ICH E9 (1998), section 2.3.2.
type Factor struct {
	ID     Code
	Label  Text
	Levels []Option
}

// An Option is one choice among several.
type Option struct {
	ID    Code
	Label Text
}

// A Site is a place that recruits.
type Site struct {
	ID   SiteID
	Name string
}

// A Visit is a time at which participants are assessed. Its target is the date
// of randomization plus Months calendar months, and its window reaches from
// Before days earlier to After days later. The baseline has Months 0 and no
// window: it ends with the randomization.
type Visit struct {
	ID            VisitID
	Label         Text
	Months        int
	Before, After int // days
}

// A Criterion is a question of eligibility, to be answered with yes or no.
type Criterion struct {
	ID   Code
	Text Text
	// Want is the answer that a participant must give to be eligible: true for
	// an inclusion criterion, false for an exclusion criterion.
	Want bool
}

// A Consent is an approved version of the consent form.
type Consent struct {
	Version  string
	Approved Date
}

// A Form is an instrument at its visits.
type Form struct {
	ID      FormID
	Version int // from 1
	Title   Text
	Visits  []VisitID
	// By is the role that fills it in: [Coordinator] or [Assessor]. It decides
	// the compartment of what is entered.
	By Role
	// After names a form that must be submitted before this one at visits that
	// have both, or is empty: a guess of the arm is asked before anything that
	// could tell it.
	After FormID
	// Definition is the instrument's own document: items, checks and rules as
	// package instrument writes them.
	Definition []byte
}

// Baseline returns the first visit.
func (p *Protocol) Baseline() VisitID { return p.Visits[0].ID }

// Visit returns the visit named id.
func (p *Protocol) Visit(id VisitID) (Visit, bool) {
	for _, v := range p.Visits {
		if v.ID == id {
			return v, true
		}
	}
	return Visit{}, false
}

// Form returns the form named id and its position in the protocol.
func (p *Protocol) Form(id FormID) (Form, int, bool) {
	i := p.formIndex(id)
	if i < 0 {
		return Form{}, 0, false
	}
	return p.Forms[i], i, true
}

// formIndex returns the position of the form named id, or -1.
func (p *Protocol) formIndex(id FormID) int {
	for i := range p.Forms {
		if p.Forms[i].ID == id {
			return i
		}
	}
	return -1
}

// At reports whether the form is filled in at visit v.
func (f Form) At(v VisitID) bool {
	for _, at := range f.Visits {
		if at == v {
			return true
		}
	}
	return false
}

// Location returns the trial's time zone, or an [Invalid]. No name and "Local"
// are none: what they mean depends on the machine.
func (p *Protocol) Location() (*time.Location, error) {
	loc, err := time.LoadLocation(p.TimeZone)
	if err != nil || p.TimeZone == "" || p.TimeZone == "Local" {
		return nil, &Invalid{"time_zone", unknownZone(p.TimeZone)}
	}
	return loc, nil
}

// CheckTimeZone reports why a new trial can't have a time zone, whose name must
// mean the same on every machine. It is stricter than [Protocol.Location], which
// has to read older logs: localtime and posixrules are what a machine was set
// to, not every machine has posix/ and right/, and only folders take a name with
// an empty part or a dot.
func CheckTimeZone(name string) error {
	parts := strings.Split(name, "/")
	ofMachine := slices.Contains([]string{"localtime", "posixrules", "posix", "right"}, parts[0]) ||
		slices.Contains(parts, "") || slices.Contains(parts, ".")
	if _, err := (&Protocol{TimeZone: name}).Location(); err != nil || ofMachine {
		return errors.New(unknownZone(name))
	}
	return nil
}

func unknownZone(name string) string {
	return fmt.Sprintf("%q is unknown, want an IANA name such as Europe/Oslo", name)
}

// In returns the text in the language lang ("nb" or "en"), or in the other one
// where it is missing.
func (t Text) In(lang string) string {
	if lang == "nb" && t.NB != "" || t.EN == "" {
		return t.NB
	}
	return t.EN
}
