package freetext_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/freetext"
)

// corpus returns the sentences of a file.
func corpus(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(string(b)), "\n"), func(s string) bool { return strings.HasPrefix(s, "#") })
}

// held counts the sentences in which s finds something, and returns the others.
func held(s *freetext.Scanner, sentences []string) (n int, others []string) {
	for _, sentence := range sentences {
		if len(s.Scan(sentence)) > 0 {
			n++
		} else {
			others = append(others, sentence)
		}
	}
	return n, others
}

// arms are what a trial adds to the scanner.
func arms() []string { return []string{"IPS+TAU", "TAU", "ips", "tau"} }

// Channel L19, free text: of the give-aways at least 95 of 100 are found, and
// at least 90 of 100 neutral sentences pass.
func TestLeakL19FreeTextThatTellsAnArmIsFound(t *testing.T) {
	s := freetext.New(arms()...)
	tells, neutral := corpus(t, "give-aways.txt"), corpus(t, "neutral.txt")
	if len(tells) != 64 || len(neutral) != 42 {
		t.Fatalf("the corpus has %d give-aways and %d neutral sentences", len(tells), len(neutral))
	}
	found, missed := held(s, tells)
	if found*100 < 95*len(tells) {
		t.Errorf("found %d of %d give-aways; missed:\n%s", found, len(tells), strings.Join(missed, "\n"))
	}
	wrong, passed := held(s, neutral)
	if len(passed)*100 < 90*len(neutral) {
		t.Errorf("%d of %d neutral sentences pass", len(passed), len(neutral))
	}
	// What is known to be missed and held is this, no more and no less.
	if found != 62 || wrong != 2 {
		t.Errorf("found %d give-aways and held %d neutral sentences, want 62 and 2; missed:\n%s", found, wrong, strings.Join(missed, "\n"))
	}
}

// The test above can fail: without the words, nothing of it is found, and with a
// word that is everywhere, nothing passes.
func TestLeakL19TheCorpusCatchesAScannerThatDoesNothing(t *testing.T) {
	if n, _ := held(&freetext.Scanner{}, corpus(t, "give-aways.txt")); n != 0 {
		t.Errorf("without words, %d give-aways are found", n)
	}
	neutral := corpus(t, "neutral.txt")
	if _, passed := held(freetext.New("han", "the", "for", "med"), neutral); len(passed)*100 >= 90*len(neutral) {
		t.Errorf("with words that are everywhere, %d of %d neutral sentences pass", len(passed), len(neutral))
	}
}
