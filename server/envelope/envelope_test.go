package envelope_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/lodd-rct/lodd/server/envelope"
	"github.com/lodd-rct/lodd/server/trial"
)

func protocol() *trial.Protocol {
	return &trial.Protocol{
		ID: "T1",
		Arms: []trial.Arm{
			{ID: "a", Label: trial.Text{NB: "Å", EN: "A"}},
			{ID: "much-longer", Label: trial.Text{EN: "Something with a much longer name"}},
		},
		Sites: []trial.Site{{ID: "OSL"}, {ID: "LILLEHAMMER"}},
	}
}

func person(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// opened is what is in a sheet, for whoever has both identities: the second one's
// opens the outer file.
func opened(sealed []byte, first, second age.Identity) (string, error) {
	outer, err := age.Decrypt(bytes.NewReader(sealed), second)
	if err != nil {
		return "", err
	}
	inner, err := age.Decrypt(outer, first)
	if err != nil {
		return "", err
	}
	plain, err := io.ReadAll(inner)
	return string(plain), err
}

// A sheet opens with both identities, each at its place, and with no other pair;
// it has one slip for each envelope, in their order.
func TestSheetOpensWithBothIdentities(t *testing.T) {
	ola, kari, eve := person(t), person(t), person(t)
	to, err := envelope.ParseRecipients([]string{ola.Recipient().String(), kari.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	w := envelope.NewPrinter(protocol(), 3)
	sealed, err := w.Seal(to, "OSL", []int{1, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]age.Identity{
		"one twice": {ola, ola}, "the other twice": {kari, kari}, "the wrong way round": {kari, ola}, "a stranger": {ola, eve}, "another": {eve, kari},
	} {
		if plain, err := opened(sealed, pair[0], pair[1]); err == nil {
			t.Errorf("%s: opened %q", name, plain)
		}
	}
	plain, err := opened(sealed, ola, kari)
	if err != nil {
		t.Fatal(err)
	}
	slips := strings.SplitAfter(plain, "\f")
	if len(slips) != 4 || slips[3] != "" {
		t.Fatalf("%d slips: %q", len(slips)-1, plain)
	}
	for i, want := range []string{"much longer", " A ", "much longer"} {
		for _, part := range []string{"T1", "OSL", "av / of 3", want, "Signature 2: ____", "Underskrift 1", "dato, kl. / date, time"} {
			if !strings.Contains(slips[i], part) {
				t.Errorf("slip %d doesn't tell %q:\n%s", i+1, part, slips[i])
			}
		}
		if strings.Contains(slips[i], "much longer") != (i != 1) {
			t.Errorf("slip %d has another arm:\n%s", i+1, slips[i])
		}
	}
	if !strings.Contains(slips[1], "Konvolutt / Envelope:           2 av") {
		t.Errorf("the second slip has another number:\n%s", slips[1])
	}
}

// Neither the length of a sealed sheet nor that of a slip tells an arm or a
// stratum.
func TestSheetsHaveOneLength(t *testing.T) {
	to, err := envelope.ParseRecipients([]string{person(t).Recipient().String(), person(t).Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	w := envelope.NewPrinter(protocol(), 2)
	lengths := map[int]bool{}
	for _, s := range protocol().Strata() {
		for _, arms := range [][]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
			sealed, err := w.Seal(to, s, arms)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range []string{"much-longer", "LILLEHAMMER", "Something"} {
				if bytes.Contains(sealed, []byte(word)) {
					t.Errorf("the sealed sheet tells %q", word)
				}
			}
			lengths[len(sealed)] = true
			if all := len(sealed) * len(protocol().Strata()); all > w.Size() || all < w.Size()/2 {
				t.Errorf("all sheets have %d bytes, said to be at most %d", all, w.Size())
			}
		}
	}
	if len(lengths) != 1 {
		t.Errorf("sealed sheets have the lengths %v", lengths)
	}
	if _, err := w.Seal(to, "OSL", []int{0}); err == nil {
		t.Error("one arm for two envelopes")
	}
}

func TestRecipientsAreTwo(t *testing.T) {
	a, b := person(t).Recipient().String(), person(t).Recipient().String()
	for name, texts := range map[string][]string{
		"none": nil, "one": {a}, "three": {a, b, a}, "no recipient": {a, "age1x"}, "empty": {"", b},
		"a password": {a, "secret"}, "an identity": {a, person(t).String()},
	} {
		if _, err := envelope.ParseRecipients(texts); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "AGE-SECRET-KEY") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats what was given: %v", name, err)
		}
	}
	same, err := envelope.ParseRecipients([]string{a, a})
	if err != nil {
		t.Fatal(err)
	}
	if d := same.Digests(); d[0] != d[1] {
		t.Error("one recipient has two digests")
	}
	two, err := envelope.ParseRecipients([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if d := two.Digests(); d[0] == d[1] || d[0] != same.Digests()[0] {
		t.Error("digests aren't those of the recipients")
	}
}
