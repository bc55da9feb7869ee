package instrument

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Schema is the version of the form documents of this package. Documents of
// this version are read for ever.
const Schema = "lodd.form/1"

// Limits of a form.
const (
	MaxItems    = 400   // items of a form
	MaxEncoded  = 60000 // bytes of an encoded form, and of encoded values
	maxID       = 26    // characters of an item id, so that it fits REDCap
	maxCode     = 26    // characters of an option code
	maxOptions  = 100   // options of an item
	maxLabel    = 1000  // characters of a label, help or message
	maxTitle    = 200   // characters of a title or unit
	maxRule     = 4000  // characters of an expression
	maxText     = 4000  // largest max_length of a text item
	defaultText = 500   // max_length of a text item that says nothing
	maxDecimals = 6
	maxNumber   = 1e9 // largest absolute value of an answer
)

// A Form is an instrument's document: what is asked, and what may be answered.
type Form struct {
	Schema  string `json:"schema"` // [Schema]
	ID      string `json:"id"`
	Version int    `json:"version"` // from 1
	Title   Text   `json:"title"`
	Class   Class  `json:"class"`
	Items   []Item `json:"items"` // 1 to [MaxItems]
}

// A Text is what people read, in Norwegian (bokmål) and English. One of the two
// may be missing.
type Text struct {
	NB string `json:"nb,omitempty"`
	EN string `json:"en,omitempty"`
}

// In returns the text in the language lang ("nb" or "en"), or in the other one
// where it is missing.
func (t Text) In(lang string) string {
	if lang == "nb" && t.NB != "" || t.EN == "" {
		return t.NB
	}
	return t.EN
}

// A Class says whom the answers of a form are kept from.
type Class string

// The classes of forms.
const (
	Open    Class = "open"    // filled in by the coordinator
	Blinded Class = "blinded" // filled in by an assessor who must not know the arm
)

// An Item is one question of a form, one number that follows from the answers,
// or one text between the questions.
type Item struct {
	ID       string `json:"id"` // 1 to 26 of a-z, 0-9 and _, beginning with a letter
	Type     Type   `json:"type"`
	Label    Text   `json:"label"`
	Help     *Text  `json:"help,omitempty"`
	Unit     *Text  `json:"unit,omitempty"`
	Required bool   `json:"required,omitempty"` // an answer or a missing reason

	// Min and Max bound integer, decimal and scale items; an answer outside is
	// refused. SoftMin and SoftMax lie within and only warn.
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	SoftMin *float64 `json:"soft_min,omitempty"`
	SoftMax *float64 `json:"soft_max,omitempty"`

	// Decimals is the number of decimals that a decimal item takes at most and
	// that a calculated double is rounded to, 1 to 6. Rules that read the
	// calculated item see it unrounded.
	Decimals int `json:"decimals,omitempty"`

	// MaxLength is the number of characters that a text item takes at most, 1
	// to 4000; 0 means 500.
	MaxLength int `json:"max_length,omitempty"`

	// Options are the answers of choice and multi items. Those of a scale item
	// have integers as codes, and if it has options, only these are answers.
	Options []Option `json:"options,omitempty"`

	ShowIf string `json:"show_if,omitempty"` // expression: bool
	Check  *Check `json:"check,omitempty"`
	Calc   string `json:"calc,omitempty"` // expression of a calc item: int, double or string

	// Reveals marks an item whose answer may tell the arm, such as the use of
	// services. It is exported last and apart.
	Reveals bool `json:"reveals,omitempty"`
}

// An Option is one answer to a choice, multi or scale item.
type Option struct {
	Code  string `json:"code"` // 1 to 26 of a-z, A-Z, 0-9, - and _
	Label Text   `json:"label"`
}

// A Check is a rule that the answers must satisfy, and what to say if they
// don't.
type Check struct {
	Rule    string `json:"rule"` // expression: bool
	Message Text   `json:"message"`
}

// A Type is the kind of answer that an item takes.
type Type string

// The types of items.
const (
	TypeText    Type = "text"
	TypeInteger Type = "integer"
	TypeDecimal Type = "decimal"
	TypeDate    Type = "date"   // YYYY-MM-DD
	TypeChoice  Type = "choice" // one code
	TypeMulti   Type = "multi"  // one or more codes
	TypeScale   Type = "scale"  // an integer between Min and Max, or of Options
	TypeCalc    Type = "calc"   // calculated, never entered
	TypeInfo    Type = "info"   // a text to read
)

// answerable reports whether items of the type take an answer.
func (t Type) answerable() bool { return t != TypeCalc && t != TypeInfo }

// Encode returns the document of the form: one line of JSON with its keys in a
// fixed order, the same for the same form on every machine.
func (f Form) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("instrument: encode form %s: %w", f.ID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
