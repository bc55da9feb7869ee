package export_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	protocols "github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/trial"
)

// guessing is a protocol in which the assessor guesses the arm and then asks about
// employment.
func guessing(t *testing.T, employmentAfter trial.FormID) trial.Protocol {
	t.Helper()
	p := protocol(t)
	label := func(s string) instrument.Text { return instrument.Text(both(s)) }
	low, high := 0.0, 180.0
	form := func(after trial.FormID, f instrument.Form) trial.Form {
		f.Schema, f.Version, f.Title, f.Class = instrument.Schema, 1, label(f.ID), instrument.Blinded
		definition, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return trial.Form{
			ID: trial.FormID(f.ID), Version: 1, Title: trial.Text(f.Title), Visits: []trial.VisitID{"month-6"},
			By: trial.Assessor, After: after, Definition: definition,
		}
	}
	p.Forms = append(p.Forms[1:], form("", instrument.Form{ID: "guess-before", Items: []instrument.Item{{
		ID: "guess_arm", Type: instrument.TypeChoice, Label: label("Which arm"), Required: true, Reveals: true,
		Options: []instrument.Option{{Code: "z", Label: label("Z")}, {Code: "y", Label: label("Y")}, {Code: "unknown", Label: label("Unknown")}},
	}}}), form(employmentAfter, instrument.Form{ID: "employment", Items: []instrument.Item{
		{ID: "emp_days", Type: instrument.TypeInteger, Label: label("Days"), Required: true, Min: &low, Max: &high},
	}}))
	return p
}

// guessedFirst reports whether nobody can be asked about employment before the
// guess of the arm.
func guessedFirst(p trial.Protocol) bool {
	after := map[trial.FormID]trial.FormID{}
	for _, f := range p.Forms {
		after[f.ID] = f.After
	}
	form := trial.FormID("employment")
	for range p.Forms {
		if form = after[form]; form == "guess-before" {
			return true
		}
	}
	return false
}

// L28: what participants earn tells the arm to whoever knows the effect. The guess
// of the arm is therefore stored before anybody can answer about employment; and
// no file of the pooled export has the answers about employment beside a guess or
// an arm.
//
// Source: blinding.md of the design, channel L28.
func TestLeakL28OutcomeIsJoinedWithNoArm(t *testing.T) {
	w := newWorldOf(t, "seed one", guessing(t, "guess-before"))
	for i := range 4 {
		w.enrolAlone(person(i), "OSLO")
	}
	w.now = w.now.AddDate(0, 6, 0)
	days := instrument.Values{"emp_days": instrument.Number(12)}
	place := ledger.Place{Participant: person(0), Visit: "month-6", Form: "employment"}
	if _, _, err := w.trial.Submit(t.Context(), w.by("assessor"), place, w.today(), days); !errors.Is(err, trial.ErrFormOrder) {
		t.Errorf("employment before the guess: %v", err)
	}
	for i := range 4 {
		w.submit(person(i), "month-6", "guess-before", instrument.Values{"guess_arm": instrument.String("unknown")})
		w.submit(person(i), "month-6", "employment", days)
	}
	w.lock()
	b := w.bundle(1)
	joined := 0
	for _, name := range b.names {
		header, _, _ := strings.Cut(b.files[name], "\n")
		columns := strings.Split(strings.TrimSpace(header), ",")
		if name == "dictionary.csv" || !slices.Contains(columns, "emp_days") {
			continue
		}
		joined++
		for _, column := range columns {
			if strings.Contains(column, "arm") || strings.Contains(column, "guess") || strings.Contains(column, "group") || strings.HasPrefix(name, "revealing/") {
				t.Errorf("%s has %s beside the answers about employment", name, column)
			}
		}
	}
	if joined == 0 || !slices.ContainsFunc(b.names, func(name string) bool { return strings.HasPrefix(name, "revealing/forms/guess") }) {
		t.Errorf("no file has the answers about employment, or the guesses: %q", b.names)
	}

	text, _ := protocols.Builtin(protocols.IPS)
	builtin, err := protocols.Parse("ips.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if !guessedFirst(builtin) || !guessedFirst(guessing(t, "guess-before")) {
		t.Error("employment can be asked about before the guess")
	}
	if guessedFirst(guessing(t, "mood")) {
		t.Error("a protocol that asks about employment first isn't noticed")
	}
}
