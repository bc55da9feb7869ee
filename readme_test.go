package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The session in README.md is what testdata/script/readme.txtar runs, so that
// it stays true.
func TestReadmeSessionIsTheScript(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/readme.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(readme), "<!-- testdata/script/readme.txtar runs these lines -->\n```\n")
	session, _, end := strings.Cut(after, "\n```")
	if !ok || !end {
		t.Fatal("README.md has no session")
	}
	lines := strings.Split(session, "\n")
	if len(lines) != 5 {
		t.Errorf("the session has %d lines, want 5", len(lines))
	}
	for _, line := range lines {
		want := regexp.MustCompile(`lodd1\.…`).ReplaceAllString(line, "$$INVITE")
		want, _, _ = strings.Cut(want, "  #") // a remark for the reader
		want = strings.TrimSpace(want)
		if strings.HasPrefix(want, "lodd serve --data ./data") {
			want = "server data"
		}
		if !strings.Contains(string(script), want) {
			t.Errorf("readme.txtar doesn't run %q", want)
		}
	}
}
