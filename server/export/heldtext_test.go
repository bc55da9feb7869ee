package export_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// Channel L19: a text that may tell the arm is in no export before a reviewer has
// released it. Its column is there, and so are the rows; its values are missing.
func TestLeakL19HeldTextIsInNoExport(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	w.submit(person(3), "month-6", "mood", instrument.Values{"score": instrument.Number(2), "note": instrument.String("Glad for zulu")})
	w.correct(person(1), "month-6", "mood", instrument.Values{"note": instrument.String("Jobbspesialisten ringte")})
	w.correct(person(1), "month-6", "mood", instrument.Values{"note": instrument.String("Ringte")})
	w.lock()
	b := w.bundle(2)
	for _, word := range []string{"zulu", "jobbspesialist"} {
		if bytes.Contains(bytes.ToLower(b.raw), []byte(word)) {
			t.Errorf("the bundle says %q", word)
		}
	}
	notes := func(b bundle, file, column string) (out []string) {
		for _, row := range b.rows(t, file) {
			note, ok := row[column]
			if !ok {
				t.Errorf("%s has no column %s", file, column)
			}
			if row["score"] == "2" || row["item"] == "note" {
				out = append(out, note)
			}
		}
		slices.Sort(out)
		return out
	}
	if got := notes(b, "forms/mood.csv", "note"); !slices.Equal(got, []string{""}) {
		t.Errorf("the held note is %q, want a missing one", got)
	}
	// Two corrections of person 1, and one of the story.
	if got := notes(b, "corrections.csv", "new"); !slices.Equal(got, []string{"", "''quoted'", "Ringte"}) {
		t.Errorf("corrected notes are %q", got)
	}

	at := int64(0)
	w.must(w.trial.View(func(s *trial.State) error {
		at = s.HeldTexts(person(3))[0].At
		return nil
	}))
	w.do("reviewer", trial.TextJudged{Participant: person(3), Visit: "month-6", Form: "mood", At: at, Item: "note", Released: true})
	w.lock()
	if got := notes(w.bundle(3), "forms/mood.csv", "note"); !slices.Equal(got, []string{"Glad for zulu"}) {
		t.Errorf("after the release the note is %q", got)
	}
	if !bytes.Equal(b.raw, w.bundle(2).raw) {
		t.Error("the release changed the bytes of an earlier lock")
	}
}
