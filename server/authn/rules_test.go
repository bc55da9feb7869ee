package authn_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/authn"
)

// phrase is a good password, long enough for every rule.
const phrase = "kråka sat på gjerdet og song"

func TestCheckPassword(t *testing.T) {
	for _, tt := range []struct {
		name, password string
		least          int
		rule           string // "": accepted
	}{
		{"words", phrase, authn.MinAlone, ""},
		{"small letters only", "vindmølleparken", authn.MinAlone, ""},
		{"14 characters", "vindmølleparke", authn.MinAlone, "short"},
		{"14 characters, 16 bytes", "vindmølleparkå", authn.MinAlone, "short"},
		{"15 after composing 25", strings.Repeat("a\u030aaeiou"[:3], 10) + "vindm", authn.MinAlone, ""},
		{"14 after composing 15", "vindmo\u0308lleparke", authn.MinAlone, "short"},
		{"8 with a code", "vindmøll", authn.MinWithCode, ""},
		{"7 with a code", "vindmøl", authn.MinWithCode, "short"},
		{"empty", "", authn.MinAlone, "short"},
		{"256 code points", unlike(256), authn.MinAlone, ""},
		{"257 code points", unlike(257), authn.MinAlone, "long"},
		{"a megabyte", unlike(1 << 18), authn.MinAlone, "long"},
		{"other scripts", "пароли бывают разные", authn.MinAlone, ""},
		{"emoji and spaces", "🦀 🐟 🦆 🐎 🐄 🐑 🐖 🦌", authn.MinAlone, ""},
		{"invalid UTF-8", "vindmølleparken\xff", authn.MinAlone, "text"},
		{"a zero byte", "vindmølleparken\x00", authn.MinAlone, "text"},
		{"on the list", "correcthorsebatterystaple", authn.MinAlone, "common"},
		{"on the list, dressed up", "Correct-Horse Battery_Staple!", authn.MinAlone, "common"},
		{"on the list, full width", "ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ", authn.MinAlone, "common"},
		{"on the list, with a code", "Passord1", authn.MinWithCode, "common"},
		{"one letter", strings.Repeat("a", 20), authn.MinAlone, "repeated"},
		{"four letters", "abcdabcdabcdabcd", authn.MinAlone, "repeated"},
		{"a word three times", "vindmøllevindmøllevindmølle", authn.MinAlone, "repeated"},
		{"a word twice and a bit", "vindmøllevindmølleparken", authn.MinAlone, ""},
		{"trial and year", "Trial2026Trial2026", authn.MinAlone, "context"},
		{"trial, year and marks", "Trial2026!!!!!!!!", authn.MinAlone, "context"},
		{"the user's name", "kari.nordmann-2026", authn.MinAlone, "context"},
		{"part of the user's name", "Nordmann123456789", authn.MinAlone, "context"},
		{"the trial's name", "HektaPåJobb 2026", authn.MinAlone, "context"},
		{"the trial's name, with a listed word in it", "Superstudien 2026!", authn.MinAlone, "context"},
		{"this program", "lodd lodd lodd 1", authn.MinAlone, "context"},
		{"a good phrase with the trial in it", "hver trial trenger sju fjell", authn.MinAlone, ""},
		{"a good phrase with the user in it", "nordmann spiser blå fisk", authn.MinAlone, ""},
		{"digits alone", "385017264958103", authn.MinAlone, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := authn.CheckPassword(tt.password, tt.least, "kari.nordmann", "Hekta på jobb", "HektaPåJobb", "Superstudien")
			refusal, _ := errors.AsType[*authn.PasswordError](err)
			if (err == nil) != (tt.rule == "") || err != nil && refusal.Rule != tt.rule {
				t.Errorf("CheckPassword = %v, want rule %q", err, tt.rule)
			}
		})
	}
}

// unlike is a text of n code points that breaks no rule but that of length.
func unlike(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteRune(rune('а' + (7*i+i/31)%31)) // Cyrillic: two bytes each
	}
	return b.String()
}

// No composition rule: letters of one kind are enough, whichever they are.
func TestLettersAreEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.RuneFrom([]rune("abcdefghijklmnopqrstuvwxyzæøå"))
		letters := rapid.SliceOfNDistinct(letter, 15, 25, rapid.ID).Draw(t, "letters")
		password := "z" + string(letters) // no run from a to o, which is on the list
		if err := authn.CheckPassword(password, authn.MinAlone); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	})
}

func TestRefusalsDoNotRepeatThePassword(t *testing.T) {
	for _, p := range []string{"hunter2", "correcthorsebatterystaple", unlike(300), "abcabcabcabcabcabc"} {
		if err := authn.CheckPassword(p, authn.MinAlone); err == nil || strings.Contains(err.Error(), p) {
			t.Errorf("CheckPassword(%q) = %v", p, err)
		}
	}
}

// The list is what its comment says: sorted, in folded form, without doubles,
// and no entry too short to be accepted anyway.
func TestCommonList(t *testing.T) {
	list := strings.Split(strings.TrimSuffix(authn.Common, "\n"), "\n")
	if len(list) != 230 {
		t.Errorf("%d entries; the comment says 230", len(list))
	}
	if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
		t.Error("the list isn't sorted, or has doubles")
	}
	for _, p := range list {
		if utf8.RuneCountInString(p) < authn.MinWithCode {
			t.Errorf("%q is short", p)
		}
		err := authn.CheckPassword(strings.ToUpper(p)+" !", authn.MinWithCode)
		if refusal, ok := errors.AsType[*authn.PasswordError](err); !ok || refusal.Rule != "common" {
			t.Errorf("%q isn't found: %v", p, err)
		}
	}
}
