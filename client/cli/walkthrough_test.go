package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every command line of the walkthrough is one: the command is there, takes these
// arguments and has these flags. Commands of the program itself, as lodd serve,
// are not of this package.
func TestWalkthroughIsTyped(t *testing.T) {
	text, err := os.ReadFile("../../docs/walkthrough.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		line, _, _ = strings.Cut(line, " | ")
		line, _, _ = strings.Cut(line, " >")
		var args []string
		for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1) {
			args = append(args, strings.Trim(word, `"`))
		}
		if len(args) < 2 || args[0] != "lodd" || args[1] == "serve" {
			continue
		}
		n++
		cmd, rest, err := New(newWorld(t, nil).deps()).Find(args[1:])
		if err != nil || cmd.HasSubCommands() {
			t.Errorf("%s: no such command: %v", line, err)
			continue
		}
		if slices.Contains(rest, "--help") {
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if err := cmd.ValidateRequiredFlags(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if n < 40 {
		t.Errorf("%d command lines, which is too few to be true", n)
	}
}
