package freetext

import "strings"

// A term is one word or phrase that gives an arm away, folded and without
// blanks.
type term struct {
	word []rune
	// inner says that it counts inside a longer word, as Norwegian compounds
	// are: jobbspesialistmøte. Other terms are whole words.
	inner bool
	// bends says that a whole word may have an ending: job coaches.
	bends bool
	// loose says that one letter may be wrong, missing, too much, or swapped
	// with its neighbour.
	loose bool
	// blanks is how many it is written with.
	blanks int
}

// minLoose is the length from which a misspelt word is still itself, in
// letters. Shorter ones have neighbours that mean something else.
const minLoose = 10

// minSplit is the length from which a misspelt word may be split, too: "vente
// lite" is no venteliste.
const minSplit = 12

// maxBlanks is the most blanks inside a term that isn't spelt out letter by
// letter: what was one word has two halves, seldom more.
const maxBlanks = 3

// short is the length up to which letters are a term only if they stand
// together or are all apart: "I P S", but not "i PS-spill".
const short = 5

// terms returns the built-in terms. Norwegian ones are stems without endings,
// in bokmål and nynorsk: jobbspesialist is found in jobbspesialistane.
//
// Titles such as karrierekonsulent or NAV-veileder are none of them: people of
// both arms meet those. A trial in which they tell the arm adds them.
//
// Source: product requirement OA-5; Norwegian titles as the "Hekta på jobb"
// trial (NCT04289415) and the handbooks of individual placement and support
// use them.
func terms() []term {
	var all []term
	for _, w := range []string{
		"jobbspesialist", "jobbveileder", "jobbveiledar", "jobbvegleiar", "jobbrettleiar", "jobbcoach", "jobbkonsulent",
		"arbeidsspesialist", "jobbstøtte", "jobbstøtta", "ventelist", "venteliste", "workshop",
		"kontrollgrupp", "kontrollarm", "tiltaksgrupp", "intervensjonsgrupp", "forsøksgrupp",
	} {
		all = append(all, makeTerm(w, term{inner: true, loose: true}))
	}
	// Misspelt, these are other words: selvhjulpen.
	for _, w := range []string{"selvhjelp", "sjølvhjelp", "sjølhjelp"} {
		all = append(all, makeTerm(w, term{inner: true}))
	}
	for _, w := range []string{
		"IPS", "jobbspes", "individual placement and support", "employment specialist", "supported employment",
		"job coach", "job specialist", "self-help", "waiting list", "wait list",
		"control group", "control arm", "intervention group", "treatment as usual",
	} {
		all = append(all, makeTerm(w, term{bends: true, loose: true}))
	}
	return all
}

// extraTerms returns the terms of a trial.
func extraTerms(phrases []string) []term {
	var all []term
	for _, phrase := range phrases {
		for _, w := range strings.FieldsFunc(phrase, func(r rune) bool { return strings.ContainsRune("+/&,;:()", r) }) {
			if t := makeTerm(w, term{bends: true, loose: true}); len(t.word) >= 3 {
				all = append(all, t)
			}
		}
	}
	return all
}

func makeTerm(word string, t term) term {
	for _, c := range fold(word) {
		switch {
		case c.letter() || c.digit():
			t.word = append(t.word, c.r)
		case c.blank():
			t.blanks++
		}
	}
	t.bends = t.bends && len(t.word) > short // tau is a word, and taus is another
	t.loose = t.loose && len(t.word) >= minLoose
	return t
}

// endings are those that a whole word may have, in both languages.
func endings() []string {
	return []string{"s", "en", "ens", "er", "ere", "eren", "ene", "enes", "ane", "ar", "es", "ed", "ers", "ing"}
}

// A mark is a letter or digit and the gap before it.
type mark struct {
	char
	at     int // its index among the characters
	before gap
}

func marks(chars []char) []mark {
	out := make([]mark, 0, len(chars))
	last := 0
	for i, c := range chars {
		if !c.letter() && !c.digit() {
			continue
		}
		m := mark{c, i, between(chars[last:i])}
		if m.before == none && (len(out) == 0 || out[len(out)-1].digit() != c.digit()) {
			m.before = glue // IPS2
		}
		out, last = append(out, m), i+1
	}
	return out
}

// words finds the give-away words.
func (s *Scanner) words(chars []char) []Finding {
	text := marks(chars)
	var found []Finding
	add := func(t term, from, n int) {
		if n > 0 && t.stands(text, from, from+n) {
			found = append(found, finding(GiveAway, chars, text[from].at, text[from+n-1].at+1))
		}
	}
	for i, m := range text {
		for _, t := range s.begin[m.r] {
			if hasPrefix(text[i:], t.word) {
				add(t, i, len(t.word))
			}
		}
		if m.before == none {
			continue
		}
		for _, t := range s.almost {
			n := almost(text[i:], t.word)
			if len(t.word) >= minSplit || blanks(text[i:i+n]) <= t.blanks {
				add(t, i, n)
			}
		}
	}
	return found
}

// blanks counts the blanks inside of text.
func blanks(text []mark) (n int) {
	for i, m := range text {
		if i > 0 && m.before == blank {
			n++
		}
	}
	return n
}

func hasPrefix(text []mark, word []rune) bool {
	if len(text) < len(word) {
		return false
	}
	for i, r := range word {
		if text[i].r != r {
			return false
		}
	}
	return true
}

// almost returns how much of the beginning of text is word with one letter
// missing, too much, wrong or swapped with the next; 0 if nothing is.
func almost(text []mark, word []rune) int {
	i := 0
	for i < len(word) && i < len(text) && text[i].r == word[i] {
		i++
	}
	if i == len(word) {
		return 0 // that is the word itself
	}
	rest := func(skip, from int) int {
		if i+skip <= len(text) && hasPrefix(text[i+skip:], word[from:]) {
			return i + skip + len(word) - from
		}
		return 0
	}
	swapped := 0
	if i+1 < len(word) && i+1 < len(text) && text[i].r == word[i+1] && text[i+1].r == word[i] {
		swapped = rest(2, i+2)
	}
	return max(rest(0, i+1), rest(1, i), rest(1, i+1), swapped)
}

// stands reports whether t, which is spelt by text[lo:hi], stands there as a
// word: neither by chance inside of another one nor across two sentences.
func (t term) stands(text []mark, lo, hi int) bool {
	apart := true
	for _, m := range text[lo+1 : hi] {
		if m.before == broken {
			return false
		}
		apart = apart && m.before != none
	}
	begins, n := text[lo].before != none, blanks(text[lo:hi])
	switch {
	case n > 0 && !begins, n > maxBlanks && !apart, n > 0 && len(t.word) <= short && !apart:
		return false
	case t.inner:
		return true
	}
	return begins && t.ends(text, lo, hi)
}

// ends reports whether a whole word may end before text[hi].
func (t term) ends(text []mark, lo, hi int) bool {
	if hi == len(text) || text[hi].before != none {
		return true
	}
	if text[lo].upper && text[hi-1].upper && !text[hi].upper {
		return true // IPSteamet
	}
	if !t.bends {
		return false
	}
	n := hi
	var rest strings.Builder
	for n < len(text) && text[n].before == none && n-hi <= 4 {
		rest.WriteRune(text[n].r)
		n++
	}
	for _, e := range endings() {
		if rest.String() == e {
			return true
		}
	}
	return false
}
