package instrument

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// form checks all of a form but its rules.
func (f *faults) form(form Form) {
	bad := func(key, format string, args ...any) { f.add(-1, "", key, format, args...) }
	if form.Schema != Schema {
		bad("schema", "%q, want %q", form.Schema, Schema)
	}
	if msg := badWord(form.ID, 32, lower+digits+"-_"); msg != "" {
		bad("id", "%s", msg)
	}
	if form.Version < 1 || form.Version > 9999 {
		bad("version", "%d, want 1 to 9999", form.Version)
	}
	if msg := badText(form.Title, maxTitle); msg != "" {
		bad("title", "%s", msg)
	}
	if classes := []Class{Open, Blinded}; !known(form.Class, classes) {
		bad("class", "%q, want one of %s", form.Class, oneOf(classes))
	}
	if len(form.Items) == 0 {
		bad("items", "no items, want 1 to %d", MaxItems)
	}
	seen := map[string]bool{}
	for i, item := range form.Items {
		if seen[item.ID] {
			f.add(i, item.ID, "id", "another item has this id")
		}
		seen[item.ID] = true
		f.item(i, item)
	}
}

var itemTypes = []Type{TypeText, TypeInteger, TypeDecimal, TypeDate, TypeChoice, TypeMulti, TypeScale, TypeCalc, TypeInfo}

// item checks one item.
func (f *faults) item(i int, item Item) {
	bad := func(key, format string, args ...any) { f.add(i, item.ID, key, format, args...) }
	if msg := badWord(item.ID, maxID, lower+digits+"_"); msg != "" {
		bad("id", "%s", msg)
	} else if reserved[item.ID] {
		bad("id", "%q has a meaning of its own in rules; choose another id", item.ID)
	}
	if !known(item.Type, itemTypes) {
		bad("type", "%q, want one of %s", item.Type, oneOf(itemTypes))
		return
	}
	f.texts(i, item)
	f.fits(i, item)
	f.bounds(i, item)
	f.options(i, item)
	switch decimals := item.Decimals; {
	case decimals < 0 || decimals > maxDecimals || item.Type == TypeDecimal && decimals == 0:
		bad("decimals", "%d, want 1 to %d", decimals, maxDecimals)
	case item.MaxLength < 0 || item.MaxLength > maxText:
		bad("max_length", "%d, want 1 to %d", item.MaxLength, maxText)
	case item.Type == TypeCalc && item.Calc == "":
		bad("calc", "missing, want the expression that calculates the item")
	}
}

// texts checks what people read of an item.
func (f *faults) texts(i int, item Item) {
	check := func(key string, t *Text, most int) {
		if t == nil {
			return
		}
		if msg := badText(*t, most); msg != "" {
			f.add(i, item.ID, key, "%s", msg)
		}
	}
	check("label", &item.Label, maxLabel)
	check("help", item.Help, maxLabel)
	check("unit", item.Unit, maxTitle)
	if item.Check != nil {
		check("check", &item.Check.Message, maxLabel)
	}
}

// fits checks that the item has no key that its type has no use for: whoever
// wrote it believes that it does something.
func (f *faults) fits(i int, item Item) {
	number := item.Type == TypeInteger || item.Type == TypeDecimal || item.Type == TypeScale
	for _, use := range []struct {
		key       string
		set, fits bool
	}{
		{"required", item.Required, item.Type.answerable()},
		{"min", item.Min != nil, number},
		{"max", item.Max != nil, number},
		{"soft_min", item.SoftMin != nil, number},
		{"soft_max", item.SoftMax != nil, number},
		{"decimals", item.Decimals != 0, item.Type == TypeDecimal || item.Type == TypeCalc},
		{"max_length", item.MaxLength != 0, item.Type == TypeText},
		{"options", item.Options != nil, item.Type == TypeChoice || item.Type == TypeMulti || item.Type == TypeScale},
		{"check", item.Check != nil, item.Type.answerable()},
		{"calc", item.Calc != "", item.Type == TypeCalc},
		{"unit", item.Unit != nil, item.Type != TypeInfo},
		{"reveals", item.Reveals, item.Type != TypeInfo},
	} {
		if use.set && !use.fits {
			f.add(i, item.ID, use.key, "an item of type %s has no %s", item.Type, use.key)
		}
	}
}

// bounds checks the ranges of an item: min <= soft_min <= soft_max <= max.
func (f *faults) bounds(i int, item Item) {
	last, lastKey := math.Inf(-1), ""
	for _, b := range []struct {
		key   string
		bound *float64
	}{{"min", item.Min}, {"soft_min", item.SoftMin}, {"soft_max", item.SoftMax}, {"max", item.Max}} {
		switch {
		case b.bound == nil:
			continue
		case math.Abs(*b.bound) > maxNumber:
			f.add(i, item.ID, b.key, "%s, want -1000000000 to 1000000000", Number(*b.bound))
		case item.Type != TypeDecimal && *b.bound != math.Trunc(*b.bound):
			f.add(i, item.ID, b.key, "%s, want an integer, since the item is of type %s", Number(*b.bound), item.Type)
		case *b.bound < last:
			f.add(i, item.ID, b.key, "%s is below %s", Number(*b.bound), lastKey)
		}
		last, lastKey = *b.bound, b.key
	}
	bounded := item.Min != nil && item.Max != nil
	if item.Type == TypeScale && len(item.Options) == 0 && (!bounded || *item.Max-*item.Min > maxOptions) {
		f.add(i, item.ID, "type", "a scale needs options, or min and max at most %d apart", maxOptions)
	}
	if item.Type == TypeScale && len(item.Options) > 0 && (item.Min != nil || item.Max != nil) {
		f.add(i, item.ID, "options", "a scale has either options or min and max")
	}
}

// options checks the options of an item.
func (f *faults) options(i int, item Item) {
	bad := func(format string, args ...any) { f.add(i, item.ID, "options", format, args...) }
	n := len(item.Options)
	if choice := item.Type == TypeChoice || item.Type == TypeMulti; choice && n == 0 || n > maxOptions {
		bad("%d options, want 1 to %d", n, maxOptions)
	}
	seen := map[string]bool{}
	for k, o := range item.Options {
		if msg := badCode(item.Type, o.Code); msg != "" {
			bad("option %d: code %s", k+1, msg)
		}
		if seen[o.Code] {
			bad("code %q stands twice", o.Code)
		}
		seen[o.Code] = true
		if msg := badText(o.Label, maxLabel); msg != "" {
			bad("option %q: label: %s", o.Code, msg)
		}
	}
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// badWord says what is wrong with a word of characters out of alphabet that
// begins with a lower-case letter.
func badWord(s string, most int, alphabet string) string {
	if s == "" || len(s) > most {
		return "has " + strconv.Itoa(len(s)) + " characters, want 1 to " + strconv.Itoa(most)
	}
	if !within(s, alphabet) || !strings.Contains(lower, s[:1]) {
		return strconv.Quote(s) + ", want a letter a-z, then a-z, 0-9 or one of " + strings.TrimPrefix(alphabet, lower+digits)
	}
	return ""
}

// badCode says what is wrong with the code of an option of an item of type t.
func badCode(t Type, code string) string {
	if t == TypeScale {
		if n, err := strconv.Atoi(code); err != nil || strconv.Itoa(n) != code || math.Abs(float64(n)) > maxNumber {
			return strconv.Quote(code) + " is no integer, as the codes of a scale are"
		}
		return ""
	}
	if code == "" || len(code) > maxCode || !within(code, lower+upper+digits+"-_") {
		return strconv.Quote(code) + ", want 1 to " + strconv.Itoa(maxCode) + " characters out of a-z, A-Z, 0-9, - and _"
	}
	return ""
}

func within(s, alphabet string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
}

// badText says what is wrong with a text of at most so many characters in each
// language.
func badText(t Text, most int) string {
	if strings.TrimSpace(t.NB+t.EN) == "" {
		return "missing, want the text in nb, en or both"
	}
	for _, l := range []struct{ lang, s string }{{"nb", t.NB}, {"en", t.EN}} {
		if n := utf8.RuneCountInString(l.s); n > most {
			return l.lang + " has " + strconv.Itoa(n) + " characters, want at most " + strconv.Itoa(most)
		}
		if strings.ContainsFunc(l.s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
			return l.lang + " holds a control character"
		}
	}
	return ""
}
