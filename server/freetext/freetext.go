// Package freetext finds in what people write themselves that which must not
// enter the store, and that which may tell an arm: identity numbers, e-mail
// addresses and phone numbers, and words that give an arm away.
//
// It only looks. A finding says what was found and where, and repeats nothing
// of the text, so that it can be logged. Words are all that it knows: a text
// that describes an arm in other words passes, which is one reason why an
// assessor can report a broken blind. What it finds too much costs a person a
// look, what it finds too little costs the blind; so it rather finds too much.
package freetext

import (
	"cmp"
	"slices"
)

// A Kind is the kind of a finding.
type Kind string

// The kinds of findings.
const (
	GiveAway   Kind = "give-away"                // a word that may tell the arm
	NationalID Kind = "national-identity-number" // as in package identifiers, and what looks like one
	Email      Kind = "email"
	Phone      Kind = "phone"
)

// A Finding tells what was found and where, but not the words.
type Finding struct {
	Kind       Kind
	Start, End int // the finding is text[Start:End], in bytes
}

// Identifies reports whether the finding is an identifier of a person, which
// nobody may store, and not a word, which a reviewer can release.
func (f Finding) Identifies() bool { return f.Kind != GiveAway }

// A Scanner finds identifiers and give-away words. It may be used concurrently.
// The zero Scanner knows no words and finds identifiers alone.
type Scanner struct {
	begin  map[rune][]term // those with an exact beginning, by their first rune
	almost []term          // those that are found with one letter wrong
}

// New returns a scanner for the words that give an arm away in any trial of
// supported employment, and for extra ones, such as the arms' labels and ids
// and the names of teams. An extra phrase is taken apart at signs such as "+"
// and "/" ("IPS+TAU" is two words). A word of fewer than three letters or
// digits is left out: it would be found everywhere.
func New(extra ...string) *Scanner {
	s := &Scanner{begin: map[rune][]term{}}
	for _, t := range append(terms(), extraTerms(extra)...) {
		s.begin[t.word[0]] = append(s.begin[t.word[0]], t)
		if t.loose {
			s.almost = append(s.almost, t)
		}
	}
	return s
}

// Scan returns what it finds in text, in the order of the text. Findings of one
// kind don't overlap. The time is linear in the length of the text.
func (s *Scanner) Scan(text string) []Finding {
	chars := fold(text)
	var found []Finding
	for _, part := range [][]Finding{s.words(chars), numbers(chars), emails(chars)} {
		found = append(found, part...)
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	var out []Finding
	for _, f := range found {
		if n := len(out); n > 0 && out[n-1].Kind == f.Kind && f.Start < out[n-1].End {
			out[n-1].End = max(out[n-1].End, f.End)
			continue
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// finding is what stands at chars[from:to].
func finding(kind Kind, chars []char, from, to int) Finding {
	return Finding{kind, chars[from].start, chars[to-1].end}
}
