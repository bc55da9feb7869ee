package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// job is a form whose second item applies only if the first is "yes", and
// whose hours must not be above 90.
func job() map[string]any {
	label := func(s string) *loddv1.Text { return &loddv1.Text{Nb: s, En: s} }
	ninety := 90.0
	return map[string]any{
		"GetForm": &loddv1.GetFormResponse{Form: "job", Title: label("Work"), Items: []*loddv1.Item{
			{Id: "intro", Type: "info", Label: label("Ask about the last week")},
			{Id: "work", Type: "choice", Label: label("Paid work?"), Required: true, Options: []*loddv1.Option{{Id: "yes", Label: label("Yes")}, {Id: "no", Label: label("No")}}},
			{Id: "hours", Type: "decimal", Label: label("Hours"), Unit: "h", Required: true, Max: &ninety},
			{Id: "when", Type: "date", Label: label("Since when")},
			{Id: "why", Type: "multi", Label: label("Why")},
		}},
		"CheckForm": func(req proto.Message) any {
			var v map[string]any
			if err := json.Unmarshal([]byte(req.(*loddv1.CheckFormRequest).GetValues()), &v); err != nil {
				return err
			}
			r := &loddv1.CheckFormResponse{Shown: []string{"intro", "work", "why"}, Hidden: []string{"hours", "when"}}
			if v["work"] == "yes" {
				r.Shown, r.Hidden = []string{"intro", "work", "hours", "when", "why"}, nil
			}
			if why, ok := v["why"].([]any); ok && len(why) == 1 && why[0] == "error" {
				r.Shown, r.Hidden = []string{"intro", "work", "why"}, []string{"hours", "when"}
			}
			if v["work"] != nil && v["work"] != "yes" && v["work"] != "no" {
				if _, ok := v["work"].(string); ok {
					r.Problems = append(r.Problems, &loddv1.Problem{Item: "work", Kind: "option", Message: label("no such choice")})
				}
			}
			if h, ok := v["hours"].(float64); ok && h > 90 {
				r.Problems = append(r.Problems, &loddv1.Problem{Item: "hours", Kind: "range", Message: label("at most 90")})
			}
			return r
		},
		"ListDue":    &loddv1.ListDueResponse{},
		"SubmitForm": &loddv1.SubmitFormResponse{Timing: "in-window"},
	}
}

// A person is asked what applies, again after a wrong answer, and for the
// reason where there is none.
func TestFillIn(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		values  string
		said    string
	}{
		{"all", []string{"yes", "37,5", "1.2.2026", "money, people", "yes"}, `{"hours":37.5,"when":"2026-02-01","why":["money","people"],"work":"yes"}`, "Ask about the last week"},
		{"what doesn't apply isn't asked", []string{"no", "", "yes"}, `{"work":"no"}`, ""},
		{"a wrong answer is asked for again", []string{"maybe", "yes", "120", "many", "20", "", "", "yes"}, `{"hours":20,"work":"yes"}`, "at most 90"},
		{"no answer where one is needed", []string{"", "2", "", "yes"}, `{"work":{"missing":"refused"}}`, ""},
		{"no answer by question mark", []string{"yes", "?", "x", "1", "?", "unknown", "", "yes"}, `{"hours":{"missing":"not-done"},"when":{"missing":"unknown"},"work":"yes"}`, ""},
		{"an answer that no longer applies is taken out", []string{"yes", "20", "", "error", "yes"}, `{"why":["error"],"work":"yes"}`, "the answer to hours was taken out"},
		{"a person who stops", []string{"yes", "20"}, "", "stopped"},
		{"a person who doesn't confirm", []string{"no", "", "no"}, "", "nothing was done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, job())
			console := &script{answers: tt.answers}
			w.console = console
			o := w.run("form", "submit", "OSL-7", "m6", "job")
			last := w.fake.calls[len(w.fake.calls)-1]
			req, submitted := last.req.(*loddv1.SubmitFormRequest)
			if tt.values == "" {
				if submitted || o.code != exitInterrupted {
					t.Errorf("submitted %v, exit %d", submitted, o.code)
				}
			} else if diff := cmp.Diff(tt.values, req.GetValues()); diff != "" || o.code != 0 {
				t.Errorf("exit %d, %s\n%s", o.code, diff, o.stderr)
			}
			if !strings.Contains(o.stderr, tt.said) || len(console.answers) != 0 {
				t.Errorf("left %q; said %s", console.answers, o.stderr)
			}
		})
	}
}

// A file with a key twice, of another shape or with more behind it isn't sent.
func TestFilesAreReadStrictly(t *testing.T) {
	for _, tt := range []struct{ command, stdin, want string }{
		{"form validate job -", `{"a":1,"a":2}`, `key "a" stands there twice`},
		{"form validate job -", `{"a":{"missing":"x","missing":"y"}}`, `key "missing" stands there twice`},
		{"form validate job -", `[1]`, "a list stands where an object"},
		{"form validate job -", `{"a":1} {}`, "more after the first"},
		{"form validate job -", `{}`, "want a JSON object"},
		{"form validate job -", `null`, "want a JSON object"},
		{"form validate job -", ``, "ends too early"},
		{"form validate job -", "{\"a\":\"\xff\"}", "not text in UTF-8"},
		{"screening add -", `{"participant":"OSL-1","sight":"OSL"}`, `unknown key "sight", want participant`},
		{"screening assess OSL-1 -", `{"adult":"yes"}`, "adult: a text stands where true or false is expected"},
	} {
		w := newWorld(t, nil)
		w.stdin = tt.stdin
		if o := w.run(strings.Fields(tt.command)...); o.code != exitInvalid || !strings.Contains(o.stderr, tt.want) || len(w.fake.calls) != 0 {
			t.Errorf("%s < %s: exit %d, %s; want %q", tt.command, tt.stdin, o.code, o.stderr, tt.want)
		}
	}
}

// Answers that can't be stored are listed, and the exit code says so.
func TestFormValidateFails(t *testing.T) {
	w := newWorld(t, job())
	w.stdin = `{"work":"maybe"}`
	o := w.run("form", "validate", "job", "-")
	if o.code != exitInvalid || !strings.Contains(o.stdout, `"item":"work","kind":"option"`) || !strings.Contains(o.stderr, "1 answer of - cannot be stored") {
		t.Errorf("exit %d, %s, %s", o.code, o.stdout, o.stderr)
	}
}

func TestParseAnswer(t *testing.T) {
	for _, tt := range []struct{ kind, line, want string }{
		{"integer", "12", "12"},
		{"integer", "-3", "-3"},
		{"decimal", "1,5", "1.5"},
		{"scale", "7", "7"},
		{"integer", "012", "error"},
		{"integer", "1e3", "error"},
		{"decimal", "1,2,3", "error"},
		{"decimal", "NaN", "error"},
		{"date", "2026-02-28", `"2026-02-28"`},
		{"date", "28.2.2026", `"2026-02-28"`},
		{"date", "28022026", `"2026-02-28"`},
		{"date", "30.2.2026", "error"},
		{"multi", "a,b c", `["a","b","c"]`},
		{"text", "=1+1", `"=1+1"`},
		{"choice", "yes", `"yes"`},
	} {
		v, err := parseAnswer(&loddv1.Item{Type: tt.kind}, tt.line)
		b, _ := json.Marshal(v)
		got := string(b)
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%s %q is %s, want %s", tt.kind, tt.line, got, tt.want)
		}
	}
}

// A spreadsheet takes no text of ours for a formula, and a terminal no text
// for a command.
func TestOutputIsHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "a=b": "a=b", "": "", "'": "'",
	} {
		if got := noFormula(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	r := list("x", "rows", "text", "number", "map")
	r.add("a,\"b\"\nc", -5, map[string]string{"=k": "v"})
	a := &app{words: newWords("en")}
	for format, want := range map[string]string{
		"csv":   "text,number,map\r\n\"a,\"\"b\"\"\r\nc\",-5,'=k=v\r\n",
		"json":  `{"schema":"lodd.x/1","rows":[{"text":"a,\"b\"\nc","number":-5,"map":{"=k":"v"}}]}` + "\n",
		"jsonl": `{"schema":"lodd.x/1","text":"a,\"b\"\nc","number":-5,"map":{"=k":"v"}}` + "\n",
		"table": "TEXT     NUMBER  MAP\na,\"b\"\ufffdc  -5      =k=v\n",
	} {
		var b strings.Builder
		a.deps.Stdout, a.deps.Stderr, a.settings.output = &b, &strings.Builder{}, format
		if err := a.write(r); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != want {
			t.Errorf("%s:\n%q\nwant\n%q", format, got, want)
		}
	}
	for _, r := range "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u0085\n\t" {
		if got := visible("a" + string(r) + "b"); got != "a\ufffdb" {
			t.Errorf("%U: %q", r, got)
		}
	}
	if got := visible("Ærlig – \u05d0\u05d1"); got != "Ærlig – \u05d0\u05d1" {
		t.Errorf("%q", got)
	}
	if got := fmt.Sprint(visible("a\x1b[2Jb\u009bc")); got != "a\ufffd[2Jb\ufffdc" {
		t.Errorf("visible: %q", got)
	}
}
