package instrument

import (
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// A Report is what a form says about answers.
type Report struct {
	Shown, Hidden []string // ids of the items, in the order of the form
	// Problems are what keeps the answers from being submitted, in the order of
	// the form; answers to items that the form doesn't have come last.
	Problems []Problem
	// Warnings are what somebody should look at again. They keep nothing back.
	Warnings []Problem
	// Calculated are the values of the calc items that could be calculated.
	Calculated Values
}

// A Problem is what is wrong with one answer.
type Problem struct {
	Item    string
	Kind    Kind
	Message Text // what is wrong, and what is expected
}

// A Kind is the kind of a problem.
type Kind string

// The kinds of problems.
const (
	KindUnknown Kind = "unknown" // the form has no such item, or it takes no answer
	KindMissing Kind = "missing" // a required item has neither answer nor reason
	KindType    Kind = "type"    // not an answer of the item's type
	KindRange   Kind = "range"   // outside min and max; as a warning, outside the soft ones
	KindOption  Kind = "option"  // not one of the item's options
	KindCheck   Kind = "check"   // the item's check says no; as a warning, a rule that failed
	KindHidden  Kind = "hidden"  // an answer to an item that isn't shown
)

// Check judges values. It never changes or drops one: an answer that the form
// can't take is a problem. The same values give the same report.
func (in *Instrument) Check(values Values) Report {
	c := checking{values: values, vars: map[string]any{}, report: Report{Calculated: Values{}}}
	for _, item := range in.form.Items {
		c.vars[item.ID] = noValue()
		c.vars[givenVar+item.ID] = types.False
		c.vars[missingVar+item.ID] = types.String("")
	}
	for i, item := range in.form.Items {
		c.item(item, in.items[i])
	}
	known := map[string]bool{}
	for _, item := range in.form.Items {
		known[item.ID] = true
	}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		if !known[id] {
			c.problem(id, KindUnknown, unknownItem(id))
		}
	}
	return c.report
}

// checking is one run over a form, from its first item to its last.
type checking struct {
	values Values
	vars   map[string]any // what the rules see
	report Report
}

func (c *checking) problem(item string, kind Kind, m Text) {
	c.report.Problems = append(c.report.Problems, Problem{item, kind, m})
}

func (c *checking) warn(item string, kind Kind, m Text) {
	c.report.Warnings = append(c.report.Warnings, Problem{item, kind, m})
}

func (c *checking) item(item Item, rules compiled) {
	v, given := c.values[item.ID]
	shown := rules.show == nil || c.evaluate(item, rules.show) == types.True
	if !shown {
		c.report.Hidden = append(c.report.Hidden, item.ID)
		if given {
			c.problem(item.ID, KindHidden, hiddenItem())
		}
		return
	}
	c.report.Shown = append(c.report.Shown, item.ID)
	switch {
	case !item.Type.answerable() && given:
		c.problem(item.ID, KindUnknown, noAnswer(item.Type))
	case given:
		c.answer(item, v)
	case item.Required:
		c.problem(item.ID, KindMissing, missingAnswer())
	}
	if item.Type == TypeCalc {
		c.calculate(item, rules.calc)
	}
	if rules.check != nil && c.evaluate(item, rules.check) == types.False {
		c.problem(item.ID, KindCheck, item.Check.Message)
	}
}

// answer judges the value of an item that is shown, and shows it to the rules
// of later items if it is one of those that the item takes.
func (c *checking) answer(item Item, v Value) {
	if reason, ok := v.(Missing); ok && known(reason, reasons) {
		c.vars[missingVar+item.ID] = types.String(string(reason))
		return
	}
	seen, kind, m := item.accept(v)
	if kind != "" {
		c.problem(item.ID, kind, m)
	}
	if kind == "" && item.unusual(v) {
		c.warn(item.ID, KindRange, unusualNumber(item, v))
	}
	if kind == "" {
		c.vars[item.ID] = seen
		c.vars[givenVar+item.ID] = types.True
	}
}

// calculate adds the value of a calc item, if it has one.
func (c *checking) calculate(item Item, r *rule) {
	var value Value
	seen := c.evaluate(item, r)
	switch v := seen.(type) {
	case types.Int:
		value = Number(v)
	case types.Double:
		value = Number(round(float64(v), item.Decimals)) // later rules see it unrounded
	case types.String:
		value = String(v)
	}
	if value == nil || value == String("") {
		return
	}
	if !storable(value) {
		c.warn(item.ID, KindCheck, noResult())
		return
	}
	c.report.Calculated[item.ID] = value
	c.vars[item.ID] = seen
	c.vars[givenVar+item.ID] = types.True
}

// evaluate returns the result of a rule, or nil if it has no value. A rule that
// fails, by a division by zero or by its cost, has none either: a fault of the
// form must not keep answers from being stored, so it is a warning.
func (c *checking) evaluate(item Item, r *rule) ref.Val {
	out, _, err := r.program.Eval(c.vars)
	if err != nil {
		c.warn(item.ID, KindCheck, failedRule(err))
		return nil
	}
	if types.IsUnknown(out) {
		return nil
	}
	return out
}

// unusual reports whether v lies outside the soft bounds.
func (item Item) unusual(v Value) bool {
	n, ok := v.(Number)
	return ok && (item.SoftMin != nil && float64(n) < *item.SoftMin || item.SoftMax != nil && float64(n) > *item.SoftMax)
}

// storable reports whether a calculated value can be kept.
func storable(v Value) bool {
	switch v := v.(type) {
	case Number:
		_, err := parseNumber(v.String())
		return err == nil && math.Abs(float64(v)) <= maxNumber
	case String:
		return utf8.RuneCountInString(string(v)) <= defaultText && printable(string(v))
	}
	return false
}
