package freetext_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/freetext"
)

// found returns the kinds and words that a scanner finds, for tables.
func found(s *freetext.Scanner, text string) []string {
	var out []string
	for _, f := range s.Scan(text) {
		out = append(out, fmt.Sprintf("%s %s", f.Kind, text[f.Start:f.End]))
	}
	return out
}

func want(kind freetext.Kind, words ...string) []string {
	var out []string
	for _, w := range words {
		out = append(out, fmt.Sprintf("%s %s", kind, w))
	}
	return out
}

func TestFindsGiveAwayWords(t *testing.T) {
	s := freetext.New("IPS + TAU", "TAU", "Team Bislett", "a")
	for _, tt := range []struct {
		text  string
		words []string
	}{
		{"Jobbspesialisten ringte", []string{"Jobbspesialist"}},
		{"jobbspesialistane, jobbspesialistens", []string{"jobbspesialist", "jobbspesialist"}},
		{"JOBBSPESIALIST", []string{"JOBBSPESIALIST"}},
		{"ｊｏｂｂｓｐｅｓｉａｌｉｓｔ", []string{"ｊｏｂｂｓｐｅｓｉａｌｉｓｔ"}},
		{"jobb\u00adspesi\u200balist", []string{"jobb\u00adspesi\u200balist"}},
		{"jobb\u00a0spesialist", []string{"jobb\u00a0spesialist"}},
		{"jobb–spesialist og jobb - spesialist", []string{"jobb–spesialist", "jobb - spesialist"}},
		{"jobbspe-\nsialist", []string{"jobbspe-\nsialist"}},
		{"j o b b s p e s i a l i s t", []string{"j o b b s p e s i a l i s t"}},
		{"J.O.B.B.S.P.E.S.I.A.L.I.S.T", []string{"J.O.B.B.S.P.E.S.I.A.L.I.S.T"}},
		{"hovedjobbspesialist", []string{"jobbspesialist"}},
		{"jobbstotte, jobbstøtte, jobbstøtta, JOBBSTØTTE", []string{"jobbstotte", "jobbstøtte", "jobbstøtta", "JOBBSTØTTE"}},
		{"jobbsto\u0338tte", []string{"jobbsto\u0338tte"}},
		{"jobspesialist jobbbspesialist jobbspesjalist jobbspseialist", []string{
			"jobspesialist", "jobbbspesialist", "jobbspesjalist", "jobbspseialist",
		}},
		{"obbspesialist jobbspesialis.", []string{"obbspesialist", "jobbspesialis"}},
		{"jbspesialist", nil}, // two letters are missing
		{"worksop", nil},      // short, and perhaps another word
		{"jobb spe sia list, j o bb s p esialist", []string{"jobb spe sia list"}},
		{"IPS, ips, I.P.S., I P S, I-P-S, (IPS)", []string{"IPS", "ips", "I.P.S", "I P S", "I-P-S", "IPS"}},
		{"IPS'en, IPS-en, IPSen, IPSteamet, IPS2, nav-ips", []string{"IPS", "IPS", "IPS", "IPS", "IPS", "ips"}},
		{"lips chips tips VIPS gips ipsilateral IPSOS klipset", nil},
		{"i PS-spill, zip s, chip s", nil},
		{"jobb spesialist", []string{"jobb spesialist"}},
		{"Fikk jobb. Spesialist på sykehus. Jobb, spesialist; jobb (spesialist)", nil},
		{"deltidsjobb spesialist, sommerjobb støtter økonomien", nil},
		{"jobb", nil},
		{"spesialist", nil},
		{"venter på svar", nil},
		{"selvhjelpsgruppe sjølvhjelp self-help self help", []string{"selvhjelp", "sjølvhjelp", "self-help", "self help"}},
		{"selvhjulpen, himself help, himself helps", nil},
		{"venteliste ventelista ventelistene", []string{"venteliste", "ventelista", "venteliste"}},
		{"ventliste, vente liste; måtte vente lite, vente litt, ventelig", []string{"ventliste", "vente liste"}},
		{"wating list, waitng-list, job speialist", []string{"wating list", "waitng-list", "job speialist"}},
		{"waiting list, waitinglists, wait-listed, waitlist", []string{"waiting list", "waitinglist", "wait-list", "waitlist"}},
		{"waiting listlessly. Waiting. List", nil},
		{"employment specialists, employment-specialist, unemployment specialist", []string{"employment specialist", "employment-specialist"}},
		{"supported employment; unsupported employment; I felt supported. Employment", []string{"supported employment"}},
		{"work-shop workshops Workshopen", []string{"work-shop", "workshop", "Workshop"}},
		{"TAU, tau, TAU-gruppen, taus, taushet, Taubåt", []string{"TAU", "tau", "TAU"}},
		{"team Bislett og team-bislett, bislett stadion", []string{"team Bislett", "team-bislett"}},
		{"a A", nil}, // too short to tell anything
		{"", nil},
		{"\xff jobb\xffspesialist \xf0\x9f", []string{"jobb\xffspesialist"}},
	} {
		if diff := cmp.Diff(want(freetext.GiveAway, tt.words...), found(s, tt.text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestFindsEmailAddresses(t *testing.T) {
	s := &freetext.Scanner{}
	for _, tt := range []struct {
		text  string
		words []string
	}{
		{"Skriv til kari.nordmann+x@example.no.", []string{"kari.nordmann+x@example.no"}},
		{"kari @ example.co.uk, ola@sub-dom.example.com", []string{"kari @ example.co.uk", "ola@sub-dom.example.com"}},
		{"kari (at) example.no og ola[at]example.no", []string{"kari (at) example.no", "ola[at]example.no"}},
		{"KARI＠EXAMPLE.NO", []string{"KARI＠EXAMPLE.NO"}},
		{"ka\u200bri@exam\u00adple.no", []string{"ka\u200bri@exam\u00adple.no"}},
		{"åse@blåbær.no", []string{"åse@blåbær.no"}},
		{"@kari på nett, kari@ , kari@jobb, 3@4.5, a@b.c", nil},
	} {
		if diff := cmp.Diff(want(freetext.Email, tt.words...), found(s, tt.text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

// Whatever nobody sees, capitals and signs between the letters hide no word.
func TestNothingUnseenHidesAWord(t *testing.T) {
	s := freetext.New("Team Bislett")
	words := []string{
		"jobbspesialist", "jobbstøtte", "arbeidsspesialist", "selvhjelp", "venteliste", "workshop", "ips",
		"employment specialist", "job coach", "supported employment", "waiting list", "team bislett",
	}
	rapid.Check(t, func(t *rapid.T) {
		word := []rune(rapid.SampledFrom(words).Draw(t, "word"))
		var b strings.Builder
		for i, r := range word {
			if rapid.Bool().Draw(t, "capital") {
				r = unicode.ToUpper(r)
			}
			b.WriteRune(r)
			b.WriteString(rapid.SampledFrom([]string{"", "", "\u200b", "\u00ad", "\u2060", "\ufeff", "\u0301"}).Draw(t, "unseen"))
			inside := i+1 < len(word) && r != ' ' && word[i+1] != ' '
			if inside && rapid.IntRange(0, 3).Draw(t, "dot") == 0 {
				b.WriteString(rapid.SampledFrom([]string{".", "-", "·", "*"}).Draw(t, "sign"))
			}
		}
		text := "Sa at " + b.String() + " var bra."
		if got := s.Scan(text); len(got) != 1 || got[0].Kind != freetext.GiveAway {
			t.Errorf("%q: %v", text, got)
		}
	})
}

// A word with one wrong letter is found, if it is long.
func TestOneWrongLetterHidesNoLongWord(t *testing.T) {
	s := freetext.New()
	rapid.Check(t, func(t *rapid.T) {
		word := []rune(rapid.SampledFrom([]string{"jobbspesialist", "arbeidsspesialist", "jobbveileder", "employment specialist"}).Draw(t, "word"))
		i := rapid.IntRange(0, len(word)-2).Draw(t, "at")
		other := rapid.RuneFrom([]rune("abcdefghijklmnopqrstuvwxyz")).Draw(t, "letter")
		var typed string
		switch rapid.IntRange(0, 3).Draw(t, "mistake") {
		case 0:
			typed = string(word[:i]) + string(word[i+1:])
		case 1:
			typed = string(word[:i]) + string(other) + string(word[i:])
		case 2:
			typed = string(word[:i]) + string(other) + string(word[i+1:])
		case 3:
			typed = string(word[:i]) + string(word[i+1]) + string(word[i]) + string(word[i+2:])
		}
		if got := s.Scan("Har " + typed + "."); len(got) != 1 {
			t.Errorf("%q: %v", typed, got)
		}
	})
}

// The time is linear: a scan that compares every letter with every other takes
// minutes for the first of these texts, and this one a fraction of a second.
func TestLongTextsTakeLinearTime(t *testing.T) {
	s := freetext.New(arms()...)
	texts := []string{strings.Repeat("j", 256<<10)}
	for _, piece := range []string{"a ", "a.", "j o b b s p e s i a l i s ", "1", "1 ", "22 ", "@", "a@a.", "+", "\u0301", "jobb ", "00"} {
		texts = append(texts, strings.Repeat(piece, 16<<10/len(piece)))
	}
	for _, text := range texts {
		for _, f := range s.Scan(text) {
			if f.Start >= f.End || f.End > len(text) {
				t.Fatalf("%q...: %v", text[:8], f)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("Jobbspesialisten (I.P.S.) ringte +47 998 87 766, kari@example.no")
	f.Add("018190 12345 \u00ad\u200b\xff j.o.b.b")
	s := freetext.New(arms()...)
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, found := range s.Scan(text) {
			if found.Start < last || found.End <= found.Start || found.End > len(text) {
				t.Fatalf("%v is outside of %d bytes, or before %d", found, len(text), last)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[found.Start:found.End]) {
				t.Fatalf("%v cuts a character", found)
			}
			last = found.Start
		}
	})
}
