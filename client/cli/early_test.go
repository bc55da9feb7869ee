package cli

import (
	"strings"
	"testing"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A form ahead of its window is stored only if a person or --early says so.
func TestEarlyFormIsAskedAbout(t *testing.T) {
	const here = "m1 opens on 2026-12-17, 26 days after the assessment"
	for _, tt := range []struct {
		name, state string
		answers     []string // nil where nobody sits
		flags       string
		code        int
		said        string
	}{
		{"nobody there", "upcoming", nil, "", exitUsage, here + "; to store it as early give --early"},
		{"nobody there, and --early", "upcoming", nil, "--early", exitDone, ""},
		{"nobody there, and --yes", "upcoming", nil, "--yes", exitUsage, here},
		{"a person who means it", "upcoming", []string{"yes"}, "", exitDone, here + "; store it as early?"},
		{"a person who erred", "upcoming", []string{"no"}, "", exitInterrupted, here},
		{"a day before the window, entered later", "open", nil, "--on 2026-12-16", exitUsage, "1 day after"},
		{"the day it opens", "open", nil, "--on 2026-12-17", exitDone, ""},
		{"in the window", "open", nil, "", exitDone, ""},
		{"no date", "upcoming", nil, "--on soon", exitDone, ""}, // the server's to refuse
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, map[string]any{
				"ListDue":    &loddv1.ListDueResponse{Due: []*loddv1.Due{{Participant: "OSL-7", Visit: "m1", Opens: "2026-12-17", State: tt.state, Forms: []string{"job"}}}},
				"SubmitForm": &loddv1.SubmitFormResponse{Timing: "early"},
			})
			console := &script{answers: tt.answers}
			if tt.answers != nil {
				w.console = console
			}
			args := append([]string{"form", "submit", "OSL-7", "m1", "job", w.file("a.json", `{"work":"no"}`)}, strings.Fields(tt.flags)...)
			o := w.run(args...)
			asked := strings.Join(console.asked, "")
			last := w.fake.calls
			submitted := len(last) > 0 && last[len(last)-1].method == "SubmitForm"
			if o.code != tt.code || submitted != (tt.code == exitDone) || !strings.Contains(o.stderr+asked, tt.said) {
				t.Errorf("exit %d, submitted %v\n%s%s", o.code, submitted, asked, o.stderr)
			}
		})
	}
}
