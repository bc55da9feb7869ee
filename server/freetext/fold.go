package freetext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A char is one visible character of a text: folded, so that what looks alike
// is alike, and with its place in the text.
type char struct {
	r          rune
	upper      bool // it was a capital
	start, end int  // bytes
}

// fold takes a text apart into characters. Compatibility forms become plain
// ones, capitals small, accents are dropped (å is a, and ø is o), and so is
// what nobody sees: soft hyphens, joiners, other format and control characters.
//
// Source: Unicode Standard Annex #15 (Unicode Normalization Forms), form KD;
// Unicode Standard, section 4.5, general categories Cf, Mn and Me.
func fold(text string) []char {
	chars := make([]char, 0, len(text))
	var it norm.Iter
	it.InitString(norm.NFKD, text)
	for !it.Done() {
		start := it.Pos()
		segment := it.Next()
		for len(segment) > 0 {
			r, size := utf8.DecodeRune(segment)
			segment = segment[size:]
			if unseen(r) {
				continue
			}
			for _, folded := range plain(unicode.ToLower(r)) {
				chars = append(chars, char{folded, unicode.IsUpper(r), start, it.Pos()})
			}
		}
	}
	return chars
}

// unseen reports whether a rune leaves no trace on a screen.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me) ||
		unicode.IsControl(r) && !unicode.IsSpace(r) ||
		r == '\u115f' || r == '\u1160' // the fillers of Hangul
}

// plain returns the letters that stand for a small letter without a keyboard
// for it.
func plain(r rune) string {
	switch r {
	case 'ø':
		return "o"
	case 'æ':
		return "ae"
	case 'ß':
		return "ss"
	case 'ı':
		return "i"
	}
	return string(r)
}

func (c char) letter() bool { return unicode.IsLetter(c.r) }

func (c char) digit() bool { return '0' <= c.r && c.r <= '9' }

func (c char) blank() bool { return unicode.IsSpace(c.r) || c.r == '\u2800' } // the empty braille pattern

// joins reports whether people write c, blanks around it or none, between two
// halves of one word or number.
func (c char) joins() bool {
	return unicode.Is(unicode.Pd, c.r) || strings.ContainsRune("/_\u2212", c.r)
}

// A gap is what stands between two letters or digits.
type gap int

const (
	none   gap = iota // nothing
	glue              // one sign without a blank: I.P.S, jobb-spesialist
	blank             // blanks, and perhaps a dash among them
	broken            // anything else: one sentence ends, another begins
)

// between returns the gap that consists of some characters.
func between(chars []char) gap {
	blanks, joiners := 0, 0
	for _, c := range chars {
		switch {
		case c.blank():
			blanks++
		case c.joins() || c.r == '+' || c.r == '&':
			joiners++
		}
	}
	switch signs := len(chars) - blanks; {
	case len(chars) == 0:
		return none
	case blanks == 0 && signs == 1:
		return glue
	case blanks > 0 && (signs == 0 || signs == 1 && joiners == 1):
		return blank
	}
	return broken
}
