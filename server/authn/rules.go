package authn

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The length of a password, in code points after normalization.
const (
	MinAlone    = 15  // if the password is the only factor
	MinWithCode = 8   // if a second factor is asked for as well
	MaxPassword = 256 // beyond which only a mistake or an attack lies
)

// maxBytes bounds a password before it is normalized: four bytes a code point,
// four code points to compose one.
const maxBytes = 16 * MaxPassword

// minLeft is how many different characters a password must have beside digits
// and the words that anyone would try.
const minLeft = 6

// A PasswordError says why a password is refused.
type PasswordError struct {
	Rule string // text, short, long, common, repeated or context; for translation
	Text string // for the person who chose it; doesn't repeat the password
}

// Error implements error.
func (e *PasswordError) Error() string { return "authn: " + e.Text }

// common are passwords that everyone who guesses tries first, one a line, as
// fold leaves them: 230 of 8 characters and more, in English and Norwegian,
// collected by hand. It is no list of breached passwords.
//
//go:embed common.txt
var common string

// CheckPassword applies the rules for a new password, which has to have at
// least least code points: [MinAlone] or [MinWithCode]. The context is what an
// acquaintance would try: the user's name, the trial's. Any character may be
// used, none must be. The error is a *PasswordError.
//
// Source: NIST SP 800-63B-4 (2025), section 3.1.1.2, and OWASP ASVS 5.0 (2025),
// V6.2.
func CheckPassword(password string, least int, context ...string) error {
	if !utf8.ValidString(password) || strings.ContainsRune(password, 0) {
		return &PasswordError{"text", "the password is not valid text: type it again"}
	}
	if len(password) > maxBytes {
		return tooLong()
	}
	password = normalize(password)
	folded := fold(password)
	switch n := utf8.RuneCountInString(password); {
	case n > MaxPassword:
		return tooLong()
	case n < least:
		return &PasswordError{"short", fmt.Sprintf("the password has %d characters and needs at least %d: a few words with spaces are easy to remember", n, least)}
	case folded != "" && strings.Contains("\n"+common, "\n"+folded+"\n"):
		return &PasswordError{"common", "this is one of the passwords that everyone tries first: choose another"}
	case repeats(password):
		return &PasswordError{"repeated", "the password repeats the same few characters: choose another"}
	}
	if word := guessable(password, context); word != "" {
		return &PasswordError{"context", fmt.Sprintf("the password is little more than the word %q, which anyone here would try: choose another", word)}
	}
	return nil
}

func tooLong() error {
	return &PasswordError{"long", fmt.Sprintf("the password has more than %d characters: choose a shorter one", MaxPassword)}
}

// fold leaves the letters and digits, in lower case.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if isNoWord(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// repeats reports whether s has fewer than five different characters, or says
// the same thing three times or more.
func repeats(s string) bool {
	runes := []rune(s)
	if different(s) < 5 {
		return true
	}
	for unit := 5; unit <= len(runes)/3; unit++ {
		if slices.Equal(runes[unit:], runes[:len(runes)-unit]) {
			return true
		}
	}
	return false
}

func different(s string) int {
	set := map[rune]bool{}
	for _, r := range s {
		set[r] = true
	}
	return len(set)
}

// contextWords are what anyone would try against this program.
var contextWords = []string{
	"lodd", "password", "passord", "trial", "study", "studie", "random", "randomization", "randomisering",
	"participant", "deltaker", "admin", "administrator", "sykehus", "hospital", "welcome", "velkommen", "qwerty",
}

// guessable returns the longest guessable word in password if little is left of
// it without such words and without digits.
func guessable(password string, context []string) (word string) {
	words := slices.Clone(contextWords)
	for _, c := range context {
		c = strings.ToLower(normalize(c))
		words = append(append(words, c), strings.FieldsFunc(c, isNoWord)...)
	}
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	left := strings.ToLower(password)
	for _, w := range words {
		if len(w) < 3 || !strings.Contains(left, w) {
			continue
		}
		if word == "" {
			word = w
		}
		left = strings.ReplaceAll(left, w, "")
	}
	left = strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, left)
	if different(left) >= minLeft {
		return ""
	}
	return word
}

func isNoWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
