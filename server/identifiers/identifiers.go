// Package identifiers finds direct identifiers that must never enter the
// store. It only looks: what is found is neither kept nor repeated in a
// message, so that a refusal can be logged.
package identifiers

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// NationalID is the kind of a Norwegian national identity number: a birth
// number, D-number or H-number, the joint assistance number of the hospitals
// (FH-number), and the synthetic numbers made for tests.
const NationalID = "national identity number"

// A Match tells what was found and where, but not the identifier itself.
type Match struct {
	Kind       string // NationalID
	Start, End int    // the identifier is text[Start:End], in bytes
}

// Find returns the first direct identifier in text, and whether there is one.
// A number counts only if no letter or digit stands next to it. It may be
// written with one space or dash after the birth date.
func Find(text string) (Match, bool) {
	before := ' '
	for i, r := range text {
		if isDigit(r) && !isWord(before) {
			if end, ok := nationalID(text, i); ok {
				return Match{NationalID, i, end}, true
			}
		}
		before = r
	}
	return Match{}, false
}

// nationalID reports whether a national identity number begins at text[start],
// and where it ends.
func nationalID(text string, start int) (end int, ok bool) {
	var d [11]int
	at, n := start, 0
	for n < len(d) {
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case isDigit(r):
			d[n] = int(r - '0')
			n++
		case n == 6 && isSeparator(r) && at == start+6:
			// The one separator; a second one doesn't start right after six digits.
		default:
			return 0, false
		}
		at += size
	}
	if next, size := utf8.DecodeRuneInString(text[at:]); size > 0 && isWord(next) {
		return 0, false
	}
	return at, plausible(d) && controlled(d)
}

// plausible reports whether the first four digits can be the day and month of
// such a number: control digits alone would find 00000000000. A 31st of June
// passes, since to refuse too much is the lesser harm.
func plausible(d [11]int) bool {
	if d[0] >= 8 {
		return true // an FH-number holds no date
	}
	day := 10*d[0] + d[1]
	if day > 40 { // D-number
		day -= 40
	}
	month := 10*d[2] + d[3]
	for _, added := range []int{80, 65, 40} { // synthetic, synthetic, H-number
		if month > added {
			month -= added
			break
		}
	}
	return 1 <= day && day <= 31 && 1 <= month && month <= 12
}

// controlled reports whether both control digits are right. A control digit of
// 10 doesn't exist: it equals no digit.
//
// Source: Skatteetaten, "Fødselsnummer": two control digits, modulo 11.
func controlled(d [11]int) bool {
	k1 := control(d[:9], []int{3, 7, 6, 1, 8, 9, 4, 5, 2})
	k2 := control(d[:10], []int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2})
	return d[9] == k1 && d[10] == k2
}

func control(digits, weights []int) int {
	sum := 0
	for i, d := range digits {
		sum += d * weights[i]
	}
	return (11 - sum%11) % 11
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// isSeparator knows what people type and what word processors make of it:
// spaces that don't break, dashes that are no hyphens.
func isSeparator(r rune) bool { return strings.ContainsRune(" \u00a0\u202f-\u2010\u2011\u2013", r) }
