package instrument_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
)

// document returns a form's document with these items, as JSON.
func document(items string) string {
	return `{"schema":"lodd.form/1","id":"f","version":1,"title":{"en":"F"},"class":"open","items":[` + items + `]}`
}

const age = `{"id":"age","type":"integer","label":{"en":"Age"}}`

// A form that can't mean what its author thinks is refused, with its place.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, definition, want string }{
		{"empty", ``, `form: the text ends too early`},
		{"not JSON", `{"a":}`, `form: no JSON: invalid character '}' looking for beginning of value`},
		{"not UTF-8", "{\"\xff\":1}", `form: not UTF-8`},
		{"more after the end", document(age) + `{}`, `form: more text after the end`},
		{"a list", `[]`, `form: want an object with the keys schema, id, version, title, class, items`},
		{"key twice", `{"id":"a","id":"b"}`, `form: key "id" stands twice`},
		{"key in capitals", `{"ID":"a"}`, `form: unknown key "ID"`},
		{"too large", strings.Repeat(" ", 60001), `form: 60001 bytes, want at most 60000`},
		{
			"unknown key of the form", strings.Replace(document(age), `"id":"f"`, `"id":"f","titel":1`, 1),
			`form: titel: unknown key, want one of schema, id, version, title, class, items`,
		},
		{"other schema", strings.Replace(document(age), `form/1`, `form/2`, 1), `form: schema: "lodd.form/2", want "lodd.form/1"`},
		{"id", strings.Replace(document(age), `"id":"f"`, `"id":"F"`, 1), `form: id: "F", want a letter a-z, then a-z, 0-9 or one of -_`},
		{"version", strings.Replace(document(age), `"version":1`, `"version":0`, 1), `form: version: 0, want 1 to 9999`},
		{"version as text", strings.Replace(document(age), `"version":1`, `"version":"1"`, 1), `form: version: string, want an integer`},
		{"title", strings.Replace(document(age), `{"en":"F"}`, `{}`, 1), `form: title: missing, want the text in nb, en or both`},
		{"class", strings.Replace(document(age), `"open"`, `"shut"`, 1), `form: class: "shut", want one of open, blinded`},
		{"no items", document(``), `form: items: no items, want 1 to 400`},
		{"item null", document(`null`), `item 1: want an object with the keys id, type, label, help, unit, required, min, max, soft_min, soft_max, decimals, max_length, options, show_if, check, calc, reveals`},
		{
			"unknown key of an item", document(`{"id":"a","type":"date","label":{"en":"A"},"showif":"true"}`),
			`item "a": showif: unknown key, want one of id, type, label, help, unit, required, min, max, soft_min, soft_max, decimals, max_length, options, show_if, check, calc, reveals`,
		},
		{"unknown key of a text", document(`{"id":"a","type":"date","label":{"de":"A"}}`), `item "a": label: unknown key "de"`},
		{"null", document(`{"id":"a","type":"date","label":{"en":"A"},"min":null}`), `item "a": min: null, want a value, or leave the key out`},
		{"text for a number", document(`{"id":"a","type":"integer","label":{"en":"A"},"min":"0"}`), `item "a": min: string, want a number`},
		{"id of an item", document(`{"id":"1a","type":"date","label":{"en":"A"}}`), `item "1a": id: "1a", want a letter a-z, then a-z, 0-9 or one of _`},
		{"long id", document(`{"id":"a23456789012345678901234567","type":"date","label":{"en":"A"}}`), `item "a23456789012345678901234567": id: has 27 characters, want 1 to 26`},
		{"reserved id", document(`{"id":"in","type":"date","label":{"en":"A"}}`), `item "in": id: "in" has a meaning of its own in rules; choose another id`},
		{"id twice", document(age + `,` + age), `item "age": id: another item has this id`},
		{"type", document(`{"id":"a","type":"number","label":{"en":"A"}}`), `item "a": type: "number", want one of text, integer, decimal, date, choice, multi, scale, calc, info`},
		{"label", document(`{"id":"a","type":"date"}`), `item "a": label: missing, want the text in nb, en or both`},
		{"control character in a label", document(`{"id":"a","type":"date","label":{"en":"A\u0007"}}`), `item "a": label: en holds a control character`},
		{"min above max", document(`{"id":"a","type":"integer","label":{"en":"A"},"min":2,"max":1}`), `item "a": max: 1 is below min`},
		{"soft bound outside", document(`{"id":"a","type":"integer","label":{"en":"A"},"soft_max":3,"max":2}`), `item "a": max: 2 is below soft_max`},
		{"fraction", document(`{"id":"a","type":"integer","label":{"en":"A"},"min":0.5}`), `item "a": min: 0.5, want an integer, since the item is of type integer`},
		{"min of a date", document(`{"id":"a","type":"date","label":{"en":"A"},"min":1}`), `item "a": min: an item of type date has no min`},
		{"required info", document(`{"id":"a","type":"info","label":{"en":"A"},"required":true}`), `item "a": required: an item of type info has no required`},
		{"decimal without decimals", document(`{"id":"a","type":"decimal","label":{"en":"A"}}`), `item "a": decimals: 0, want 1 to 6`},
		{"scale without bounds", document(`{"id":"a","type":"scale","label":{"en":"A"},"min":0}`), `item "a": type: a scale needs options, or min and max at most 100 apart`},
		{"scale of words", document(`{"id":"a","type":"scale","label":{"en":"A"},"options":[{"code":"x","label":{"en":"X"}}]}`), `item "a": options: option 1: code "x" is no integer, as the codes of a scale are`},
		{"scale with two ranges", document(`{"id":"a","type":"scale","label":{"en":"A"},"min":0,"options":[{"code":"1","label":{"en":"X"}}]}`), `item "a": options: a scale has either options or min and max`},
		{"choice without options", document(`{"id":"a","type":"choice","label":{"en":"A"}}`), `item "a": options: 0 options, want 1 to 100`},
		{"code", document(`{"id":"a","type":"choice","label":{"en":"A"},"options":[{"code":"x y","label":{"en":"X"}}]}`), `item "a": options: option 1: code "x y", want 1 to 26 characters out of a-z, A-Z, 0-9, - and _`},
		{"code twice", document(`{"id":"a","type":"choice","label":{"en":"A"},"options":[{"code":"x","label":{"en":"X"}},{"code":"x","label":{"en":"X"}}]}`), `item "a": options: code "x" stands twice`},
		{"calc without expression", document(`{"id":"a","type":"calc","label":{"en":"A"}}`), `item "a": calc: missing, want the expression that calculates the item`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := instrument.Parse([]byte(tt.definition))
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, ok := errors.AsType[*instrument.Error](err); !ok {
				t.Errorf("%T, want an Error with its place", err)
			}
		})
	}
}

// A rule that is wrong, or that would tell more than the author thinks, is
// refused when the form is read, not when somebody fills it in.
func TestParseRefusesRules(t *testing.T) {
	items := func(last string) string {
		return document(age + `,
			{"id":"w","type":"decimal","decimals":1,"label":{"en":"W"}},
			{"id":"c","type":"choice","label":{"en":"C"},"options":[{"code":"yes","label":{"en":"Y"}},{"code":"no","label":{"en":"N"}}]},
			{"id":"r","type":"integer","label":{"en":"R"},"reveals":true},
			` + last + `,
			{"id":"later","type":"integer","label":{"en":"L"}}`)
	}
	show := func(rule string) string {
		return items(`{"id":"x","type":"integer","label":{"en":"X"},"show_if":"` + rule + `"}`)
	}
	calc := func(rule string) string {
		return items(`{"id":"x","type":"calc","label":{"en":"X"},"calc":"` + rule + `"}`)
	}
	for _, tt := range []struct{ name, definition, want string }{
		{"unknown item", show(`ag > 1`), `item "x": show_if: column 1: there is no item or function 'ag'`},
		{"unknown item in a macro", show(`given(ag)`), `item "x": show_if: column 6: there is no item or function 'ag'`},
		{"macro of no item", show(`given(age > 1)`), `item "x": show_if: column 11: want the id of an item`},
		{"macro of nothing", calc(`count()`), `item "x": calc: want the ids of items`},
		{"syntax", show(`age >`), `item "x": show_if: column 6: Syntax error: mismatched input the end`},
		{"no bool", show(`age`), `item "x": show_if: the expression gives int, want bool`},
		{"wrong types", show(`age == 'a'`), `item "x": show_if: column 5: found no matching overload for '_==_' applied to '(int, string)'`},
		{"calc of a list", calc(`[age]`), `item "x": calc: the expression gives list(int), want int, double, string`},
		{"calc without decimals", calc(`w * 2.0`), `item "x": decimals: 0, but the expression gives double; a double has 1 to 6 decimals, others have none`},
		{"later item", show(`later > 1`), `item "x": show_if: reads item "later", which doesn't stand before this one`},
		{"later item in a macro", show(`missing(later) == ''`), `item "x": show_if: reads item "later", which doesn't stand before this one`},
		{"itself", show(`x > 1`), `item "x": show_if: reads item "x", which doesn't stand before this one`},
		{"calc of itself", calc(`x + 1`), `item "x": calc: column 1: there is no item or function 'x'`},
		{"misspelt code", show(`c == 'Yes'`), `item "x": show_if: item "c": "Yes" is not one of the options: yes, no.`},
		{"misspelt code in a list", show(`c in ['yes', 'nei']`), `item "x": show_if: item "c": "nei" is not one of the options: yes, no.`},
		{"what reveals", show(`r > 1`), `item "x": show_if: reads item "r", which reveals the arm; so this item must have reveals: true`},
		{"whether what reveals is answered", show(`count(age, r) > 1`), `item "x": show_if: reads item "r", which reveals the arm; so this item must have reveals: true`},
		{"the clock", show(`timestamp('2026-01-01T00:00:00Z') < now`), `item "x": show_if: column 10: there is no item or function 'timestamp'
item "x": show_if: column 37: there is no item or function 'now'`},
		{"regular expressions", show(`c.matches('y.*')`), `item "x": show_if: column 10: there is no item or function 'matches'`},
		{"mixed list", calc(`size([1, 'a'])`), `item "x": calc: column 10: expected type 'int' but found 'string'`},
		{"too long", show(strings.Repeat(" ", 4001)), `item "x": show_if: expression code point size exceeds limit: size: 4001, limit 4000`},
		{"too deep", show(strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60)), `item "x": show_if: expression recursion limit exceeded: 50`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := instrument.Parse([]byte(tt.definition))
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// At most 20 errors are listed, and at most 400 items read.
func TestParseLimits(t *testing.T) {
	var items []instrument.Item
	for range 401 {
		items = append(items, instrument.Item{ID: "a", Type: instrument.TypeInfo, Label: text("a")})
	}
	definition, err := form(items...).Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = instrument.Parse(definition)
	if want := `form: items: 401 items, want at most 400`; err == nil || err.Error() != want {
		t.Errorf("401 items: %v, want %s", err, want)
	}
	definition, _ = form(items[:100]...).Encode()
	_, err = instrument.Parse(definition)
	if n := strings.Count(err.Error(), "\n") + 1; n != 20 {
		t.Errorf("%d errors, want 20", n)
	}
}
