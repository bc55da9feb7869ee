package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// Whoever waits for forms of two roles of the caller is one line of the list.
func TestDueOfTwoRolesIsOneLine(t *testing.T) {
	on := func(month time.Month) trial.Window {
		return trial.Window{Target: trial.Date{Year: 2026, Month: month, Day: 1}}
	}
	got := dueMessages([]trial.Due{
		{Participant: "S-2", Visit: "month-6", Window: on(9), Forms: []trial.FormID{"contact"}},
		{Participant: "S-3", Visit: "baseline", Forms: []trial.FormID{"background"}},
		{Participant: "S-1", Visit: "month-6", Window: on(9), Forms: []trial.FormID{"mood", "work"}},
		{Participant: "S-1", Visit: "month-12", Window: on(3), Forms: []trial.FormID{"mood"}},
		{Participant: "S-2", Visit: "month-6", Window: on(9), Forms: []trial.FormID{"mood"}},
	})
	var lines []string
	for _, d := range got {
		lines = append(lines, fmt.Sprintf("%s %s %v", d.GetParticipant(), d.GetVisit(), d.GetForms()))
	}
	want := []string{"S-3 baseline [background]", "S-1 month-12 [mood]", "S-1 month-6 [mood work]", "S-2 month-6 [contact mood]"}
	if !slices.Equal(lines, want) {
		t.Errorf("due = %q, want %q", lines, want)
	}
}

// However many strangers call, what is kept of them is bounded, and a caller
// who is at the limit isn't forgotten for one who isn't.
func TestMeterIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	m := newMeter(1, 2, func() time.Time { return now })
	for i := range maxCallers {
		m.take(fmt.Sprint(i))
		m.take(fmt.Sprint(i))
	}
	if m.take("0") == 0 {
		t.Error("a caller at the limit was forgotten before there was need")
	}
	now = now.Add(time.Hour) // all buckets are full again
	var waits []time.Duration
	for range 3 {
		waits = append(waits, m.take("busy"))
	}
	if !slices.Equal(waits, []time.Duration{0, 0, time.Second}) {
		t.Errorf("a new caller is told to wait %v", waits)
	}
	for i := range 1000 {
		m.take(fmt.Sprint("new", i))
	}
	if len(m.buckets) > maxCallers {
		t.Errorf("%d callers are kept", len(m.buckets))
	}
	now = now.Add(-time.Minute) // a clock that steps back gives and takes nothing
	if m.take("busy") == 0 {
		t.Error("a clock that stepped back filled a bucket")
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"": "protocol", "a.yaml": "a.yaml", "/etc/lodd/a.yaml": "a.yaml", `C:\study\a.yaml`: "a.yaml", "dir/": "protocol",
		"a\n\x1b[31m.yaml": "a??[31m.yaml", strings.Repeat("å", 200): strings.Repeat("å", 100),
	} {
		if got := fileName(in, "protocol"); got != want {
			t.Errorf("fileName(%q) = %q, want %q", in, got, want)
		}
	}
}

// The members of a patch: whatever is accepted is an object whose items occur
// once, and nothing is lost of it.
func FuzzParsePatch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":null}`, `{"a":1,"b":null,"c":"x"}`, `{"a":{"missing":"refused"}}`, `{"a":1,"a":2}`, `{"a":1}x`, `[`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, drop, err := parsePatch(text)
		if err != nil {
			return
		}
		members, err := parseMembers(text)
		if err != nil || len(members) != len(set)+len(drop) {
			t.Errorf("%q: %d members, %v; set %v, drop %v", text, len(members), err, set, drop)
		}
	})
}
