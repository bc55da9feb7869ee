package export_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// newMistaken returns a world whose participants have a sex and an age, and in
// which five are randomized, the last by a backup envelope, after which the first
// lock was taken.
func newMistaken(t *testing.T, seed string) *world {
	t.Helper()
	p := protocol(t)
	for id, levels := range map[trial.Code][]trial.Code{"sex": {"female", "male"}, "age": {"young", "old"}} {
		f := trial.Factor{ID: id, Label: both(string(id))}
		for _, l := range levels {
			f.Levels = append(f.Levels, trial.Option{ID: l, Label: both(string(l))})
		}
		p.Factors = append(p.Factors, f)
	}
	slices.SortFunc(p.Factors, func(a, b trial.Factor) int { return strings.Compare(string(b.ID), string(a.ID)) })
	w := newWorldOf(t, seed, p)
	w.levels = []trial.Code{"female", "old"}
	w.do("custodian", trial.ContingencyPrinted{Envelopes: 3, Recipients: [2][32]byte{{1}, {2}}})
	for i := range 4 {
		w.enrol(person(i), []trial.SiteID{"OSLO", "-BERGEN"}[i%2])
		w.now = w.now.AddDate(0, 0, 1)
	}
	w.lock()
	return w
}

// mistakes records one of each kind, and what the export must not tell.
func (w *world) mistakes() {
	w.t.Helper()
	correct := func(i int, sex, age, reason trial.Code) {
		w.do("coordinator", trial.LevelsCorrected{Participant: person(i), Levels: []trial.Code{sex, age}, Reason: reason})
	}
	correct(0, "male", "young", "misread")
	correct(0, "female", "young", "mistyped")
	w.do("investigator", trial.ErrorRecorded{Participant: person(1), Kind: "duplicate", Of: person(2)})
	w.do("investigator", trial.Replaced{Participant: person(1), By: person(3)})

	w.screen(person(5), "OSLO")
	w.do("coordinator", trial.ErrorRecorded{Participant: person(2), Kind: "duplicate", Of: person(5)}) // who isn't randomized
	w.screen(person(4), "-BERGEN")
	correct(4, "male", "old", "misread") // in time: no mistake of the randomization
	w.submit(person(4), "baseline", "mood", instrument.Values{"score": instrument.Number(3)})
	opened := w.today()
	w.now = w.now.AddDate(0, 0, 3)
	w.do("coordinator", trial.ContingencyUsed{Participant: person(4), Envelope: 2, On: opened, Witness: "investigator", Reason: "server-down"})
	w.lock()
}

// What was recorded about randomizations afterwards has a table of its own, with
// what it says of it in the read-me and the dictionary.
func TestMistakesAreExported(t *testing.T) {
	w := newMistaken(t, "seed")
	before := w.bundle(1)
	w.mistakes()
	b := w.bundle(2)
	golden(t, "mistakes", b)
	if !bytes.Equal(before.raw, w.bundle(1).raw) || before.files["mistakes.csv"] != "" || strings.Contains(before.files["README.txt"], "mistakes") {
		t.Error("mistakes change a lock from before")
	}
	w.reopen()
	if !bytes.Equal(b.raw, w.bundle(2).raw) {
		t.Error("a restart changes the bytes")
	}
	counts := map[string]int{}
	for _, row := range b.rows(t, "mistakes.csv") {
		counts[row["kind"]]++
	}
	if want := map[string]int{"levels-corrected": 3, "duplicate": 2, "replaced": 1, "contingency": 1}; !cmp.Equal(counts, want) {
		t.Errorf("kinds %v, want %v", counts, want)
	}
}

// A mistake names others by their row keys, and nobody who isn't in the export.
func TestMistakesNameNobodyElse(t *testing.T) {
	w := newMistaken(t, "seed")
	w.mistakes()
	of := func(b bundle, kind string) (out []string) {
		for _, row := range b.rows(t, "mistakes.csv") {
			if row["kind"] == kind {
				out = append(out, row["new"])
			}
		}
		return out
	}
	b := w.bundle(2)
	keys := map[string]bool{"": true}
	for _, row := range b.rows(t, "participants.csv") {
		keys[row["row_key"]] = true
	}
	said := append(of(b, "duplicate"), of(b, "replaced")...)
	if len(said) != 3 || slices.ContainsFunc(said, func(k string) bool { return !keys[k] }) || slices.Index(said, "") < 0 {
		t.Errorf("others are named %q", said)
	}
	w.erase(person(3))
	after := w.bundle(2)
	if got := of(after, "replaced"); !cmp.Equal(got, []string{""}) {
		t.Errorf("replaced by %q, whose data are destroyed", got)
	}
	w.erase(person(1))
	if got := of(w.bundle(2), "replaced"); got != nil {
		t.Errorf("an erased participant is replaced by %q", got)
	}
	for _, word := range []string{"SCREEN-7", "zulu", "yankee", "investigator"} {
		if bytes.Contains(b.raw, []byte(word)) {
			t.Errorf("the bundle says %q", word)
		}
	}
}

// The table depends on no arm.
func TestTwinWorldsHaveTheSameMistakes(t *testing.T) {
	one, two := newMistaken(t, "seed one"), newMistaken(t, "another seed")
	one.mistakes()
	two.mistakes()
	if slices.Equal(one.arms(), two.arms()) {
		t.Fatal("the arms are the same in both worlds: this test proves nothing, change a seed")
	}
	a, b := one.bundle(2), two.bundle(2)
	a.sameButHeads(t, b)
	if len(a.raw) != len(b.raw) {
		t.Errorf("bundles of %d and %d bytes", len(a.raw), len(b.raw))
	}
}
