package cli

import (
	"strings"
	"testing"
)

// What is wrong with a file is said with its place and in words for people.
func TestFaultsOfAFile(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"participant": "P-1", "answers": {"old": true, "adult": "yes"}}`, "answers.adult: a text stands where true or false is expected"},
		{`{"participant": 7}`, "participant: a number stands where a text is expected"},
		{`{"levels": ["f"]}`, "levels: a list stands where an object in braces is expected"},
		{`{"consent": {"version": {"of": "x"}}}`, "consent.version: an object stands where a text is expected"},
		{`["f"]`, "a list stands where an object in braces is expected"},
		{`{"particpant": "P-1"}`, `unknown key "particpant", want participant, site, levels, on, consent.version, consent.on, answers`},
		{"{\"site\": \"OSL\",\n \"on\" \"2026\"}", "line 2, column 7: this is not JSON"},
		{"{\"site\": \"Ås\" x}", "line 1, column 15: this is not JSON"},
		{`{"site": "OSL"`, "it ends too early"},
		{`{"site": "OS`, "it ends too early"},
		{"", "it ends too early"},
		{`{"site": "OSL", "site": "BGO"}`, `key "site" stands there twice`},
		{`{"site": "OSL"} {}`, "there is more after the first JSON value"},
		{`{"site": "OSL"}`, ""},
	} {
		got := decodeJSON([]byte(tt.text), &screeningFile{})
		if !strings.HasPrefix(got, tt.want) || got != "" && tt.want == "" {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
		for _, word := range []string{"json:", "Go ", "struct", "unmarshal", "EOF"} {
			if strings.Contains(got, word) {
				t.Errorf("%s: %q is for programmers", tt.text, got)
			}
		}
	}
}
