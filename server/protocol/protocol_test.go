package protocol_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/trial"
)

// small is a protocol that says as little as possible.
const small = `id: T-1
title: {en: A trial}
time_zone: Europe/Oslo
arms:
  - {id: a, label: {en: A}}
  - {id: b, label: {en: B}, ratio: 2}
factors:
  - id: sex
    label: {en: Sex}
    levels: [{id: f, label: {en: F}}, {id: m, label: {en: M}}]
sites:
  - {id: S1, name: One}
visits:
  - {id: start, label: {en: Start}, months: 0}
  - {id: later, label: {nb: Senere}, months: 6}
  - {id: end, label: {en: End}, months: 12, before: 14, after: 28}
criteria:
  - {id: adult, text: {en: Adult?}, want: true}
consents:
  - {version: 1.0, approved: 2026-01-15}
forms:
  - id: first
    title: {en: First}
    visits: [start, end]
    by: coordinator
    items:
      - {id: age, type: integer, label: {en: Age}, required: true}
  - id: second
    version: 2
    title: {en: Second}
    visits: [end]
    by: assessor
    after: first
    items:
      - id: mood
        type: scale
        label: {en: Mood}
        options: &points
          - {code: 0, label: {en: None}}
          - {code: 4, label: {en: All}}
      - {id: sleep, type: scale, label: {en: Sleep}, options: *points}
`

// replace returns small with one text replaced, which it must hold once.
func replace(t *testing.T, old, now string) string {
	t.Helper()
	if strings.Count(small, old) != 1 {
		t.Fatalf("%q stands %d times", old, strings.Count(small, old))
	}
	return strings.Replace(small, old, now, 1)
}

// What the file says is what the protocol holds; what it leaves out is the
// default.
func TestParse(t *testing.T) {
	en := func(s string) trial.Text { return trial.Text{EN: s} }
	want := trial.Protocol{
		ID: "T-1", Title: en("A trial"), TimeZone: "Europe/Oslo",
		Arms:    []trial.Arm{{ID: "a", Label: en("A"), Ratio: 1}, {ID: "b", Label: en("B"), Ratio: 2}},
		Factors: []trial.Factor{{ID: "sex", Label: en("Sex"), Levels: []trial.Option{{ID: "f", Label: en("F")}, {ID: "m", Label: en("M")}}}},
		Sites:   []trial.Site{{ID: "S1", Name: "One"}},
		Visits: []trial.Visit{
			{ID: "start", Label: en("Start")},
			{ID: "later", Label: trial.Text{NB: "Senere"}, Months: 6, Before: 30, After: 30},
			{ID: "end", Label: en("End"), Months: 12, Before: 14, After: 28},
		},
		Criteria: []trial.Criterion{{ID: "adult", Text: en("Adult?"), Want: true}},
		Consents: []trial.Consent{{Version: "1.0", Approved: trial.Date{Year: 2026, Month: time.January, Day: 15}}},
		Forms: []trial.Form{
			{
				ID: "first", Version: 1, Title: en("First"), Visits: []trial.VisitID{"start", "end"}, By: trial.Coordinator,
				Definition: []byte(`{"schema":"lodd.form/1","id":"first","version":1,"title":{"en":"First"},"class":"open","items":[` +
					`{"id":"age","type":"integer","label":{"en":"Age"},"required":true}]}`),
			},
			{
				ID: "second", Version: 2, Title: en("Second"), Visits: []trial.VisitID{"end"}, By: trial.Assessor, After: "first",
				Definition: []byte(`{"schema":"lodd.form/1","id":"second","version":2,"title":{"en":"Second"},"class":"blinded","items":[` +
					`{"id":"mood","type":"scale","label":{"en":"Mood"},"options":[{"code":"0","label":{"en":"None"}},{"code":"4","label":{"en":"All"}}]},` +
					`{"id":"sleep","type":"scale","label":{"en":"Sleep"},"options":[{"code":"0","label":{"en":"None"}},{"code":"4","label":{"en":"All"}}]}]}`),
			},
		},
	}
	for name, data := range map[string]string{"LF": small, "CRLF": strings.ReplaceAll(small+strings.Repeat("# end\n", 6000), "\n", "\r\n")} {
		got, err := protocol.Parse("protocol.yaml", []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// A protocol that isn't clear is refused, with file, line and what was
// expected.
func TestParseRefuses(t *testing.T) {
	const itemKeys = `id, type, label, help, unit, required, min, max, soft_min, soft_max, decimals, max_length, options, show_if, check, calc, reveals`
	for _, tt := range []struct{ name, old, now, want string }{
		{"unknown key", "arms:", "armz:", `1: protocol: key "arms" is missing
4: unknown key "armz"; expected one of id, title, time_zone, arms, factors, sites, visits, criteria, consents, forms`},
		{"unknown key of an arm", "ratio: 2", "weight: 2", `6: unknown key "weight"; expected one of id, label, ratio`},
		{"key twice", "title: {en: A trial}", "title: {en: A trial}\ntitle: {en: B}", `3: key "title" stands twice; the first is in line 2`},
		{"merge key", "- {id: a, label: {en: A}}", "- {id: a, label: {en: A}, <<: {ratio: 2}}", `5: unknown key "<<"; expected one of id, label, ratio`},
		{"id", "id: T-1", "id: t1", `1: protocol: id: "t1": character 't', want A-Z, 0-9 or -`},
		{"a list for a text", "title: {en: A trial}", "title: [a]", `2: protocol: title: a list, want the keys nb, en`},
		{"title in no language", "title: {en: A trial}", "title: {}", `2: protocol: title: want the text in nb, en or both`},
		{"language", "title: {en: A trial}", "title: {en: A, de: B}", `2: unknown key "de"; expected one of nb, en`},
		{"empty text", "title: {en: A trial}", "title: {en: ' '}", `2: protocol: title: en: empty, want text`},
		{"line break in a text", "title: {en: A trial}", "title: {en: \"A\\nb\"}", `2: protocol: title: en: holds a line break or another control character, want one line`},
		{"number for a text", "title: {en: A trial}", "title: {en: 1}", `2: protocol: title: en: the number 1, want text`},
		{"nothing for a text", "title: {en: A trial}", "title: {en: }", `2: protocol: title: en: nothing, want text`},
		{"time zone", "Europe/Oslo", "Europe/Olso", `3: protocol: time_zone: "Europe/Olso" is unknown, want an IANA name such as Europe/Oslo`},
		{"the server's time zone", "Europe/Oslo", "Local", `3: protocol: time_zone: "Local" is unknown, want an IANA name such as Europe/Oslo`},
		{"the time zone of a machine", "Europe/Oslo", "localtime", `3: protocol: time_zone: "localtime" is unknown, want an IANA name such as Europe/Oslo`},
		{"one arm", "  - {id: b, label: {en: B}, ratio: 2}\n", "", `4: protocol: arms: 1 given, want 2 to 16`},
		{"arm twice", "{id: b, label", "{id: a, label", `6: arm: id: "a" stands twice`},
		{"ratio", "ratio: 2", "ratio: 101", `6: arm: ratio: 101, want 1 to 100`},
		{"ratio 0", "ratio: 2", "ratio: 0", `6: arm: ratio: 0, want 1 to 100`},
		{"huge ratio", "ratio: 2", "ratio: 99999999999999999999", `6: arm: ratio: text, want an integer from 1 to 100`},
		{"ratio as text", "ratio: 2", "ratio: '2'", `6: arm: ratio: text, want an integer from 1 to 100`},
		{"ratio not in lowest terms", "  - {id: a, label: {en: A}}", "  - {id: a, label: {en: A}, ratio: 4}", `4: protocol: arms: the ratios have the common divisor 2; divide them by it`},
		{"one level", "{id: f, label: {en: F}}, ", "", `10: factor: levels: 1 given, want 2 to 10`},
		{"level twice", "{id: m,", "{id: f,", `10: level: id: "f" stands twice`},
		{"no sites", "  - {id: S1, name: One}\n", "  []\n", `11: protocol: sites: 0 given, want 1 to 200`},
		{"site id", "{id: S1,", "{id: s1,", `12: site: id: "s1": character 's', want A-Z, 0-9 or -`},
		{"baseline not at 0", "months: 0", "months: 1", `14: visit: months: 1, want 0 to 0`},
		{"window of the baseline", "months: 0", "months: 0, after: 3", `14: visit: after: the first visit is the baseline, which ends with the randomization and has no window`},
		{"visit without months", ", months: 6", "", `15: visit: key "months" is missing`},
		{"visits out of order", "months: 12", "months: 6", `16: visit: months: 6, want more than the 6 of the visit above`},
		{"windows that touch", "before: 14", "before: 151", `16: visit: before: the window begins 151 days before the target and so overlaps that of "later" by 1 day; shorten one of them`},
		{"window over the randomization", "months: 6", "months: 1", `15: visit: before: the window begins 30 days before the target and so overlaps that of "start" by 3 days; shorten one of them`},
		{"window", "before: 14", "before: -1", `16: visit: before: -1, want 0 to 366`},
		{"visit id", "{id: start,", "{id: Start,", `14: visit: id: "Start": character 'S', want a-z, then a-z, 0-9, - or _`},
		{"criterion without want", ", want: true", "", `18: criterion: key "want" is missing`},
		{"want in words", "want: true", "want: yes", `18: criterion: want: text, want true (an inclusion criterion) or false (an exclusion criterion)`},
		{"date", "2026-01-15", "2026-02-30", `20: consent: approved: "2026-02-30" is no date of the form 2026-11-22`},
		{
			"consents out of order", "approved: 2026-01-15}", "approved: 2026-01-15}\n  - {version: 2, approved: 2026-01-14}",
			`21: consent: approved: 2026-01-14 is before the version above it, 2026-01-15; list the versions in their order`,
		},
		{"consent twice", "approved: 2026-01-15}", "approved: 2026-01-15}\n  - {version: 1.0, approved: 2026-01-16}", `21: consent: version: "1.0" stands twice`},
		{"visit that isn't there", "[start, end]", "[start, mid]", `24: form: visits: there is no visit "mid"; expected one of start, later, end
33: form: after: form "first" is filled in at none of this form's visits`},
		{"visit of a form twice", "visits: [end]", "visits: [end, end]", `31: form: visits: "end" stands twice`},
		{"no form at the baseline", "[start, end]", "[later, end]", `21: protocol: forms: no form is at visit "start"; the baseline needs one`},
		{"by", "by: assessor", "by: monitor", `32: form: by: "monitor", want coordinator or assessor`},
		{"after nothing", "after: first", "after: frist", `33: form: after: there is no form "frist"`},
		{"after itself", "after: first", "after: second", `33: form: after: form "second" waits for this form itself`},
		{"form twice", "- id: second", "- id: first", `28: form: id: "first" stands twice`},
		{"form without an id", "  - id: second\n    version: 2", "  - version: 2\n    by: 1", `28: form: key "id" is missing
29: form: by: the number 1, want text
32: key "by" stands twice; the first is in line 29`},
		{"form without items", "    items:\n      - {id: age, type: integer, label: {en: Age}, required: true}\n", "", `22: form: key "items" is missing`},
		{"long title of a form", "{en: Second}", "{en: " + strings.Repeat("x", 201) + "}", `30: form: title: en has 201 characters, want at most 200`},
		{"form version", "version: 2", "version: 0", `29: form: version: 0, want 1 to 9999`},
		{"unknown key of an item", "required: true}", "requird: true}", `27: item "age": requird: unknown key, want one of ` + itemKeys},
		{"item", "        type: scale\n", "        type: skale\n", `36: item "mood": type: "skale", want one of text, integer, decimal, date, choice, multi, scale, calc, info`},
		{"item without a type", "        type: scale\n", "", `35: item "mood": type: "", want one of text, integer, decimal, date, choice, multi, scale, calc, info`},
		{"rule", "required: true}", "show_if: ag > 1}", `27: item "age": show_if: column 1: there is no item or function 'ag'`},
		{"item of another form", "id: sleep", "id: age", `41: item "age" is also in form "first"; choose another id`},
		{"item twice", "id: sleep", "id: mood", `41: item "mood": id: another item has this id`},
		{"key of an item twice", "required: true}", "required: true, required: true}", `27: key "required" stands twice`},
		{"key of an option twice", "{code: 4, label: {en: All}}", "{code: 4, code: 4, label: {en: All}}", `40: key "code" stands twice`},
		{"alias of nothing", "*points", "*pionts", `41: there is no anchor &pionts
41: item "sleep": options: null, want a value, or leave the key out`},
		{"anchor twice", "label: {en: Sleep}", "label: &points {en: Sleep}", `41: anchor &points stands twice
41: item "sleep": options: object, want a list`},
		{"tag", "title: {en: A trial}", "title: {en: !!str A}", `2: protocol: title: en: something else, want text`},
		{"two documents", "forms:", "---\nforms:", `22: a second document begins here, want one`},
		{"no YAML", "title: {en: A trial}", "title: {en: A trial", `3: no YAML: ',' or '}' must be specified`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, replace(t, tt.old, tt.now), tt.want)
		})
	}
}

// refused checks that the file is refused with these lines of "line: message".
func refused(t *testing.T, data, want string) {
	t.Helper()
	_, err := protocol.Parse("protocol.yaml", []byte(data))
	if err == nil {
		t.Fatal("accepted")
	}
	want = "protocol.yaml:" + strings.ReplaceAll(want, "\n", "\nprotocol.yaml:")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, ok := errors.AsType[*protocol.Error](err); !ok {
		t.Errorf("%T, want an Error", err)
	}
}

// Windows are kept apart in every year: from 36 to 37 months after February
// 2022 are 28 days, after February 2021 29.
func TestParseRefusesWindowsThatOverlapInSomeYears(t *testing.T) {
	data := strings.Replace(small, "months: 6}", "months: 36, after: 14}", 1)
	refused(t, strings.Replace(data, "months: 12,", "months: 37,", 1),
		`16: visit: before: the window begins 14 days before the target and so overlaps that of "later" by 1 day; shorten one of them`)
}

// Forms that wait for each other could never be filled in.
func TestParseRefusesCycles(t *testing.T) {
	data := strings.Replace(small, "by: coordinator\n", "by: coordinator\n    after: second\n", 1)
	data = strings.Replace(data, "[start, end]", "[end]", 1)
	refused(t, data, `21: protocol: forms: no form is at visit "start"; the baseline needs one
26: form: after: form "second" waits for this form itself
34: form: after: form "first" waits for this form itself`)
}

// deep returns keys in keys, one a line.
func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// A file that is meant to exhaust the reader, or that is none, is refused
// before it does.
func TestParseRefusesBombs(t *testing.T) {
	laughs := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'j'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 10) + "x]\n"
	}
	laughs = "  - id: third\n    title: {en: T}\n    visits: [end]\n    by: assessor\n    items:\n      - " + strings.ReplaceAll(strings.TrimSpace(laughs), "\n", "\n        ") + "\n"
	for _, tt := range []struct{ name, data, want string }{
		{"empty", "", `1: the file is empty`},
		{"comments only", "# nothing\n", `1: the file is empty`},
		{"a list", "- a\n", `1: protocol: a list, want the keys id, title, time_zone, arms, factors, sites, visits, criteria, consents, forms`},
		{"not UTF-8", "id: \xff", `1: the file is not UTF-8; save it as UTF-8`},
		{"too large", strings.Repeat("#", 1<<20+1), `1: 1048577 bytes, want at most 1048576`},
		{"too many lines", strings.Repeat("\n", 10001), `10001: want at most 10000 lines`},
		{"too many tokens", strings.Repeat("[", 40001), `1: the file has too many words and signs, want at most 40000`},
		{"brackets in brackets", "a:\n  " + strings.Repeat("[", 39000), `2: lists and keys stand in one another too deep, want at most 64 levels and no "?"`},
		{"braces on lines of their own", strings.Repeat("{a:\n", 9000), `65: lists and keys stand in one another too deep`},
		{"lists in lists", "a:\n" + strings.Repeat("- ", 39000), `2: lists and keys stand in one another too deep`},
		{"keys in keys", strings.Repeat("? ", 39000), `1: lists and keys stand in one another too deep`},
		{"values of keys", strings.Repeat("? a\n: ", 9000), `1: lists and keys stand in one another too deep`},
		{"indentation", deep(65), `65: lists and keys stand in one another too deep`},
		{"not too deep", deep(60), `1: unknown key "a"`},
		{"comments between", strings.ReplaceAll(deep(65), "\n", "\n# here\n"), `129: lists and keys stand in one another too deep`},
		{"aliases of aliases", small + laughs, `47: the aliases of the file stand for more than 100000 nodes`},
		{"an alias of itself", small + "  - id: third\n    title: {en: T}\n    visits: [end]\n    by: assessor\n    items: &i [*i]\n", `46: the aliases of the file stand for more than 100000 nodes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := protocol.Parse("protocol.yaml", []byte(tt.data))
			if err == nil || !strings.Contains(err.Error(), "protocol.yaml:"+tt.want) {
				t.Errorf("%.2000v, want %s", err, tt.want)
			}
		})
	}
}

// At most 20 errors are listed, those of the first lines.
func TestParseListsTwentyErrors(t *testing.T) {
	_, err := protocol.Parse("p.yaml", []byte("a:\n"+strings.Repeat("b:\n", 30)))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 20 || !strings.HasPrefix(lines[0], "p.yaml:1: ") {
		t.Errorf("%d errors, want 20:\n%v", len(lines), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add(protocol.RandomizationExample())
	f.Add([]byte("%YAML 1.2\n--- !t\n- &a a\n- *a\n- \"\\x41\"\n- >+\n  b\n...\n"))
	f.Add([]byte("a: &a [*a]\nb: !!binary |\n  x\n? c\n: d\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = protocol.Parse("p", data)
		_, _ = protocol.ParseRandomization("r", data, []int{1, 1})
	})
}
