package instrument_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/instrument"
)

// What isn't an answer is refused, with the item it stands at.
func TestParseValuesRefuses(t *testing.T) {
	const want = `want a number, a text, a list of codes or {"missing": reason}`
	for _, tt := range []struct{ data, want string }{
		{``, `the text ends too early`},
		{`[]`, `a list, want an object`},
		{`{"a":1`, `the text ends too early`},
		{`{"a":1}{}`, `more text after the end`},
		{`{"a":1,"a":2}`, `key "a" stands twice`},
		{`{"a":null}`, `item "a": null, ` + want},
		{`{"a":true}`, `item "a": true, ` + want},
		{`{"a":1e3}`, `item "a": number 1e3 has an exponent; write it out`},
		{`{"a":1234567890123456}`, `item "a": number of 16 digits, want at most 15`},
		{`{"a":NaN}`, `item "a": no JSON: invalid character 'N' looking for beginning of value`},
		{`{"a":[1]}`, `item "a": a number in a list, want codes`},
		{`{"a":["x",["y"]]}`, `item "a": a list in a list, want codes`},
		{`{"a":{}}`, `item "a": an empty object, want {"missing": reason}`},
		{`{"a":{"missing":"lost"}}`, `item "a": an object with key "missing", want {"missing": reason}, the reason one of not-done, refused, unknown`},
		{`{"a":{"reason":"refused"}}`, `item "a": an object with key "reason", want {"missing": reason}, the reason one of not-done, refused, unknown`},
		{`{"a":{"missing":"refused","missing":"unknown"}}`, `item "a": key "missing" stands twice`},
		{`{"a":"\ud800"}`, `item "a": text with a character that is no Unicode`},
		{"{\"a\":\"\xff\"}", `not UTF-8`},
		{`{"a":"` + strings.Repeat("x", 60000) + `"}`, `60008 bytes, want at most 60000`},
	} {
		_, err := instrument.ParseValues([]byte(tt.data))
		if err == nil {
			t.Errorf("%s: accepted", tt.data)
			continue
		}
		if diff := cmp.Diff("instrument: parse values: "+tt.want, err.Error()); diff != "" {
			t.Errorf("%.80s: (-want +got)\n%s", tt.data, diff)
		}
	}
}

// The encoding of values stands in the log for ever: sorted by item, without
// spaces, numbers written out, text as it is.
func TestEncodeValues(t *testing.T) {
	v, err := instrument.ParseValues([]byte(` { "z" : "a<b & \u00e5 \"q\" \\" , "n" : -0.50, "zero": -0, "big": 999999999999999,
		"codes": ["b", "a"], "none": [], "m" : {"missing" : "not-done"}, "": 3 } `))
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"":3,"big":999999999999999,"codes":["b","a"],"m":{"missing":"not-done"},"n":-0.5,"none":[],"z":"a<b & å \"q\" \\","zero":0}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Values that couldn't be read again are not written.
func TestEncodeValuesRefuses(t *testing.T) {
	for _, v := range []instrument.Value{
		nil, instrument.Number(math.NaN()), instrument.Number(math.Inf(-1)), instrument.Number(math.Pi), instrument.Number(1e300),
		instrument.Missing(""), instrument.Missing("lost"), instrument.String("\xff"),
		instrument.Codes{"\xff"},
		instrument.String(strings.Repeat("x", 60000)),
	} {
		if b, err := (instrument.Values{"a": v}).Encode(); err == nil {
			t.Errorf("%v: encoded as %.80s", v, b)
		}
	}
}

// values draws values that a program could hold.
func values() *rapid.Generator[instrument.Values] {
	value := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) instrument.Value {
			return instrument.Number(float64(rapid.IntRange(-1e9, 1e9).Draw(t, "n")) / math.Pow10(rapid.IntRange(0, 6).Draw(t, "decimals")))
		}),
		rapid.Map(rapid.String(), func(s string) instrument.Value { return instrument.String(s) }),
		rapid.Map(rapid.SliceOf(rapid.String()), func(c []string) instrument.Value { return instrument.Codes(c) }),
		rapid.Map(rapid.SampledFrom([]instrument.Missing{instrument.NotDone, instrument.Refused, instrument.Unknown}),
			func(m instrument.Missing) instrument.Value { return m }),
	)
	item := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"info", "job", "hours", "days", "from", "to", "why", "drugs", "mood", "total"}))
	return rapid.Map(rapid.MapOf(item, value), func(m map[string]instrument.Value) instrument.Values { return m })
}

// Decoding gives back what was encoded, and encoding that gives the same bytes.
func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "values")
		b, err := v.Encode()
		if err != nil {
			t.Skip(err) // text that is no Unicode
		}
		back, err := instrument.ParseValues(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := instrument.Diff(v, back); len(diff) > 0 {
			t.Fatalf("%s: differs in %v", b, diff)
		}
		if again, err := back.Encode(); err != nil || string(again) != string(b) {
			t.Fatalf("%s, then %s, %v", b, again, err)
		}
	})
}

// Check gives a report for any values: it names items of the form, or those
// that aren't in it, and every item of the form is either shown or hidden.
func TestCheckIsTotal(t *testing.T) {
	in := parse(t, kitchen()...)
	of := map[string]bool{}
	for _, item := range in.Form().Items {
		of[item.ID] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "values")
		report := in.Check(v)
		if n := len(report.Shown) + len(report.Hidden); n != len(of) {
			t.Fatalf("%d items shown or hidden, want %d", n, len(of))
		}
		for _, p := range report.Problems {
			if of[p.Item] == (p.Kind == instrument.KindUnknown && p.Item != "info" && p.Item != "total") || p.Message.NB == "" || p.Message.EN == "" {
				t.Fatalf("problem %+v", p)
			}
		}
		for item := range v {
			if !of[item] && !contains(report.Problems, item) {
				t.Fatalf("nothing is said of %q", item)
			}
		}
		if _, err := report.Calculated.Encode(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(report, in.Check(v)); diff != "" {
			t.Fatalf("the same values, another report: %s", diff)
		}
	})
}

func contains(problems []instrument.Problem, item string) bool {
	for _, p := range problems {
		if p.Item == item {
			return true
		}
	}
	return false
}

// A change names one item, with its value before and after; what is the same
// in both isn't one.
func TestDiff(t *testing.T) {
	old := instrument.Values{
		"same": instrument.Number(1), "codes": instrument.Codes{"a", "b"}, "changed": instrument.Number(1), "gone": instrument.String("x"),
		"kind": instrument.Codes{"a"}, "reason": instrument.Refused, "order": instrument.Codes{"a", "b"},
	}
	now := instrument.Values{
		"same": instrument.Number(1), "codes": instrument.Codes{"a", "b"}, "changed": instrument.Number(2), "new": instrument.String("y"),
		"kind": instrument.String("a"), "reason": instrument.String("refused"), "order": instrument.Codes{"b", "a"},
	}
	want := []instrument.Change{
		{"changed", instrument.Number(1), instrument.Number(2)},
		{"gone", instrument.String("x"), nil},
		{"kind", instrument.Codes{"a"}, instrument.String("a")},
		{"new", nil, instrument.String("y")},
		{"order", instrument.Codes{"a", "b"}, instrument.Codes{"b", "a"}},
		{"reason", instrument.Refused, instrument.String("refused")},
	}
	if diff := cmp.Diff(want, instrument.Diff(old, now)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Applying a difference to the old values gives the new ones.
func TestDiffIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, now := values().Draw(t, "old"), values().Draw(t, "new")
		patched := instrument.Values{}
		for item, v := range old {
			patched[item] = v
		}
		for _, c := range instrument.Diff(old, now) {
			if patched[c.Item] = c.New; c.New == nil {
				delete(patched, c.Item)
			}
		}
		if diff := cmp.Diff(now, patched); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

func FuzzParseValues(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1.50,"b":"x","c":["y"],"d":{"missing":"refused"}}`, `{"a":{"missing":1}}`, `{"a":-0}`} {
		f.Add([]byte(s))
	}
	in := parse(f, kitchen()...)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := instrument.ParseValues(data)
		if err != nil {
			return
		}
		b, err := v.Encode()
		if err != nil {
			t.Skip() // escapes can make the encoding longer than what was read
		}
		if back, err := instrument.ParseValues(b); err != nil || len(instrument.Diff(v, back)) > 0 {
			t.Fatalf("%s: %v", b, err)
		}
		in.Check(v)
	})
}
