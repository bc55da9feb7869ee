package instrument

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Value is the answer to one item, or why there is none: a [Number], a
// [String], [Codes] or a [Missing].
type Value interface{ value() }

type (
	// A Number answers integer, decimal and scale items. It is finite, with at
	// most 15 significant digits.
	Number float64
	// A String answers text, choice and date items; it isn't empty.
	String string
	// Codes answer a multi item, in the order in which they were given.
	Codes []string
	// Missing stands for an answer and says why there is none. It differs from
	// an item without a value, which nobody has dealt with yet.
	Missing string
)

// The reasons why an answer is missing.
const (
	NotDone Missing = "not-done"
	Refused Missing = "refused"
	Unknown Missing = "unknown"
)

func (Number) value()  {}
func (String) value()  {}
func (Codes) value()   {}
func (Missing) value() {}

// Values are the answers to a form, by item. An item without a key has not
// been answered.
type Values map[string]Value

// String returns the number without an exponent.
func (n Number) String() string { return strconv.FormatFloat(float64(n), 'f', -1, 64) }

// parseNumber returns the number that s, a JSON number, writes out. Numbers
// that can't be kept exactly are refused, and so are exponents, which nobody
// means to type.
func parseNumber(s string) (Number, error) {
	digits := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			digits++
		} else if r != '-' && r != '.' {
			return 0, fmt.Errorf("number %s has an exponent; write it out", s)
		}
	}
	if digits > 15 {
		return 0, fmt.Errorf("number of %d digits, want at most 15", digits)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	if f == 0 {
		return 0, nil // not -0
	}
	return Number(f), nil
}

// round returns the number of the given decimals that is nearest to f.
func round(f float64, decimals int) float64 {
	p := math.Pow10(decimals)
	if f = math.Round(f*p) / p; f == 0 {
		return 0 // not -0
	}
	return f
}

// A Change is one item whose value differs between two versions of a form's
// answers. Old or New is nil where the item had or has no value.
type Change struct {
	Item     string
	Old, New Value
}

// Diff returns what changed from old to new, ordered by item. Items that are
// the same in both are left out.
//
// Source: EMA Guideline on computerised systems (2023), section 6.2.1: changes
// are recorded per field.
func Diff(old, new Values) []Change {
	var changes []Change
	for id, was := range old {
		if now := new[id]; !equal(was, now) {
			changes = append(changes, Change{id, was, now})
		}
	}
	for id, now := range new {
		if _, ok := old[id]; !ok && now != nil {
			changes = append(changes, Change{id, nil, now})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Item, b.Item) })
	return changes
}

func equal(a, b Value) bool {
	ca, ok := a.(Codes)
	if !ok {
		if _, ok := b.(Codes); ok {
			return false // == would panic on two lists, and these differ
		}
		return a == b
	}
	cb, ok := b.(Codes)
	return ok && slices.Equal(ca, cb)
}
