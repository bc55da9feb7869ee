package export_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// Who signed what is in the log; the export tells which forms are signed as they
// stand at the lock. A lock from before the first signature keeps its bytes.
func TestSignaturesAreExported(t *testing.T) {
	w := newMistaken(t, "seed")
	before := w.bundle(1)
	place := trial.FormSigned{
		Participant: person(0), Visit: "baseline", Form: "mood", Digest: [32]byte{1}, Meaning: "authorship", Name: "Nina Person",
	}
	if err := w.trial.View(func(s *trial.State) error {
		r, err := s.FormRecord(person(0), "baseline", "mood")
		place.At = r.At
		return err
	}); err != nil {
		t.Fatal(err)
	}
	w.do("assessor", place)
	w.lock()
	signed := w.bundle(2)
	if !bytes.Equal(before.raw, w.bundle(1).raw) || strings.Contains(before.files["README.txt"], "signatures") {
		t.Error("a signature changes a lock from before")
	}
	rows := signed.rows(t, "signatures.csv")
	if len(rows) != 1 || rows[0]["form"] != "mood" || rows[0]["meaning"] != "authorship" || rows[0]["validity"] != "valid" || rows[0]["signed_on"] == "" {
		t.Errorf("rows = %v", rows)
	}
	for name, content := range signed.files {
		if strings.Contains(content, "Nina") {
			t.Errorf("%s names the signer", name)
		}
	}
	if !strings.Contains(signed.files["README.txt"], "signatures     which forms were signed") || !strings.Contains(signed.files["dictionary.csv"], "validity") {
		t.Error("the read-me or the dictionary doesn't explain the table")
	}

	w.correct(person(0), "baseline", "mood", instrument.Values{"score": instrument.Number(4)})
	w.lock()
	if rows := w.bundle(3).rows(t, "signatures.csv"); len(rows) != 1 || rows[0]["validity"] != "void" {
		t.Errorf("after a correction: %v", rows)
	}
	if !bytes.Equal(signed.raw, w.bundle(2).raw) {
		t.Error("a correction changes a lock from before")
	}
}
