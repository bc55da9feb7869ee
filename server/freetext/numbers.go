package freetext

import (
	"slices"
	"strings"
	"unicode"

	"github.com/lodd-rct/lodd/server/identifiers"
)

// A group is digits that stand together: chars[from:to].
type group struct {
	digits   string
	from, to int
}

func groups(chars []char) []group {
	var all []group
	for i := 0; i < len(chars); i++ {
		if !chars[i].digit() {
			continue
		}
		g := group{from: i}
		var b strings.Builder
		for ; i < len(chars) && chars[i].digit(); i++ {
			b.WriteRune(chars[i].r)
		}
		g.digits, g.to = b.String(), i
		all = append(all, g)
	}
	return all
}

// A reader reads the numbers of a text.
type reader struct {
	chars  []char
	groups []group
}

func numbers(chars []char) []Finding {
	r := reader{chars, groups(chars)}
	var found []Finding
	for i := range r.groups {
		if n := r.nationalID(i); n > 0 {
			found = append(found, r.finding(NationalID, i, n))
			continue
		}
		if n := r.international(i); n > 0 {
			found = append(found, r.finding(Phone, i, n))
		}
		if n := r.local(i); n > 0 {
			found = append(found, r.finding(Phone, i, n))
		}
	}
	return found
}

func (r reader) finding(kind Kind, i, n int) Finding {
	return finding(kind, r.chars, r.groups[i].from, r.groups[i+n-1].to)
}

// joined reports whether group i+1 goes on with the number of group i: between
// them stand at most three blanks, one of which may be a dot, a dash or one of
// signs.
func (r reader) joined(i int, signs string) bool {
	if i < 0 || i+1 >= len(r.groups) {
		return false
	}
	gap := r.chars[r.groups[i].to:r.groups[i+1].from]
	n := 0
	for _, c := range gap {
		switch {
		case c.blank():
		case c.joins(), c.r == '.', strings.ContainsRune(signs, c.r):
			n++
		default:
			return false
		}
	}
	return len(gap) <= 3 && (n <= 1 || signs != "")
}

// nationalID returns how many groups from the i-th on are an identity number,
// or 0. Its digits may be grouped in any way. If the control digits are wrong,
// as when one digit was mistyped, it counts if it is written as such numbers
// are, in one piece or with a gap after the date, and begins with a date; that
// covers the numbers from 2032 on, too, whose first control digit is another.
//
// Source: Skatteetaten, Folkeregisteret: "Fødselsnummer", and "Nytt
// fødselsnummer fra 2032".
func (r reader) nationalID(i int) int {
	var digits strings.Builder
	for n := 0; i+n < len(r.groups); n++ {
		if n > 0 && !r.joined(i+n-1, "") {
			return 0
		}
		g := r.groups[i+n].digits
		if digits.Len()+len(g) > 11 {
			return 0
		}
		digits.WriteString(g)
		if digits.Len() < 11 {
			continue
		}
		shaped := n == 0 || n == 1 && len(g) == 5
		if _, ok := identifiers.Find(digits.String()); ok || shaped && dated(digits.String()) {
			return n + 1
		}
	}
	return 0
}

// dated reports whether digits begin with the date of an identity number: day
// and month, to which 40 is added in a D-number and 40, 65 or 80 in assistance
// numbers and synthetic ones.
func dated(digits string) bool {
	day, month := two(digits[:2]), two(digits[2:4])
	if day > 40 {
		day -= 40
	}
	for _, added := range []int{0, 40, 65, 80} {
		if m := month - added; day >= 1 && day <= 31 && m >= 1 && m <= 12 {
			return true
		}
	}
	return false
}

func two(digits string) int { return 10*int(digits[0]-'0') + int(digits[1]-'0') }

// international returns how many groups from the i-th on are a phone number
// with a country code, after + or 00.
//
// Source: ITU-T E.164 (2010), section 6: at most 15 digits, the country code
// first, which begins with no 0. Numbers of fewer than 8 digits are left alone.
func (r reader) international(i int) int {
	first := r.groups[i].digits
	switch plus := r.before(i); {
	case plus == '+':
	case strings.HasPrefix(first, "00"):
		first = first[2:]
	default:
		return 0
	}
	if first == "" || first[0] == '0' || len(first) > 15 {
		return 0
	}
	total, n := len(first), 1
	for i+n < len(r.groups) && r.joined(i+n-1, "()") && total+len(r.groups[i+n].digits) <= 15 {
		total += len(r.groups[i+n].digits)
		n++
	}
	if total < 8 || r.amount(i+n-1) {
		return 0
	}
	return n
}

// before returns the sign right before a group, or 0.
func (r reader) before(i int) rune {
	if at := r.groups[i].from; at > 0 {
		return r.chars[at-1].r
	}
	return 0
}

// local returns how many groups from the i-th on are a Norwegian phone number:
// eight digits from 2 on, in one piece or as 2-2-2-2, 3-2-3 or 4-4. After a
// word such as "tlf" any grouping will do.
//
// Source: Norwegian numbering plan (Nkom): eight digits; those that begin with
// 0 and 1 are other services, and shorter.
func (r reader) local(i int) int {
	var sizes []int
	total := 0
	for n := 0; total < 8; n++ {
		if i+n >= len(r.groups) || n > 0 && !r.joined(i+n-1, "") {
			return 0
		}
		sizes = append(sizes, len(r.groups[i+n].digits))
		total += sizes[n]
	}
	if total > 8 || r.groups[i].digits[0] < '2' || r.code(i) {
		return 0
	}
	n := len(sizes)
	if r.called(i) || !r.amount(i+n-1) && !r.decimal(i, n) && r.grouped(i, sizes) {
		return n
	}
	return 0
}

// grouped reports whether a number is grouped as phone numbers are, and isn't a
// date, two years or part of a list.
func (r reader) grouped(i int, sizes []int) bool {
	g := r.groups[i : i+len(sizes)]
	switch {
	case slices.Equal(sizes, []int{8}):
		return !isDate(g[0].digits)
	case slices.Equal(sizes, []int{3, 2, 3}):
		return true
	case slices.Equal(sizes, []int{2, 2, 2, 2}):
		last := i + len(sizes) - 1
		listed := r.joined(i-1, "") && len(r.groups[i-1].digits) == 2 || r.joined(last, "") && len(r.groups[last+1].digits) == 2
		return !listed
	case slices.Equal(sizes, []int{4, 4}):
		return !isYear(g[0].digits) && !isYear(g[1].digits)
	}
	return false
}

// isDate reports whether eight digits are YYYYMMDD or DDMMYYYY.
func isDate(d string) bool {
	day := func(dd, mm string) bool { return two(dd) >= 1 && two(dd) <= 31 && two(mm) >= 1 && two(mm) <= 12 }
	return isYear(d[:4]) && day(d[6:], d[4:6]) || isYear(d[4:]) && day(d[:2], d[2:4])
}

func isYear(d string) bool { return d[:2] == "19" || d[:2] == "20" || d[:2] == "21" }

// code reports whether a group is the number in a code, as P-23456789.
func (r reader) code(i int) bool {
	at := r.groups[i].from - 1
	if at >= 0 && r.chars[at].joins() {
		at--
	}
	return at >= 0 && r.chars[at].letter() && !r.called(i)
}

// decimal reports whether groups i to i+n-1 are digits before or behind a
// decimal sign.
func (r reader) decimal(i, n int) bool {
	sign := func(i int) bool {
		if i < 0 || i+1 >= len(r.groups) {
			return false
		}
		gap := r.chars[r.groups[i].to:r.groups[i+1].from]
		return len(gap) == 1 && strings.ContainsRune(".,", gap[0].r)
	}
	return n == 1 && (sign(i-1) || sign(i))
}

// amount reports whether money or a percentage is what group i ends.
func (r reader) amount(i int) bool {
	rest := r.chars[r.groups[i].to:]
	for len(rest) > 0 && rest[0].blank() {
		rest = rest[1:]
	}
	var word strings.Builder
	for _, c := range rest[:min(len(rest), 6)] {
		if !c.letter() && c.r != '%' && c.r != '€' && c.r != '$' && c.r != '£' {
			break
		}
		word.WriteRune(c.r)
	}
	return slices.Contains([]string{"kr", "krone", "kroner", "nok", "sek", "dkk", "euro", "eur", "usd", "mill", "%", "€", "$", "£"}, word.String())
}

// called reports whether the word before group i says that it is a number to
// call.
func (r reader) called(i int) bool {
	at := r.groups[i].from
	for at > 0 && (r.chars[at-1].blank() || strings.ContainsRune(".:", r.chars[at-1].r)) && r.groups[i].from-at < 4 {
		at--
	}
	end := at
	for at > 0 && unicode.IsLetter(r.chars[at-1].r) && end-at < 12 {
		at--
	}
	var word strings.Builder
	for _, c := range r.chars[at:end] {
		word.WriteRune(c.r)
	}
	return slices.Contains([]string{
		"tlf", "telefon", "tel", "mob", "mobil", "mobilnummer", "telefonnr", "mobilnr", "ring", "ringe", "sms", "phone", "mobile", "call",
	}, word.String())
}
