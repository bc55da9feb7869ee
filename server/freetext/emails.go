package freetext

import "strings"

// The longest parts of an address, in characters.
//
// Source: RFC 5321 (2008), section 4.5.3.1.
const (
	maxLocal  = 64
	maxDomain = 255
)

// emails finds e-mail addresses: something, an @ and a domain with a dot. A
// blank on either side of the @, and (at) or [at] for it, is what people write
// to keep machines from reading an address.
func emails(chars []char) []Finding {
	var found []Finding
	for i := range chars {
		width := at(chars[i:])
		if width == 0 {
			continue
		}
		from, to := local(chars[:i]), domain(chars[i+width:])
		if from < i && to > 0 {
			found = append(found, finding(Email, chars, from, i+width+to))
		}
	}
	return found
}

// at returns how many characters at the beginning are an @.
func at(chars []char) int {
	if chars[0].r == '@' {
		return 1
	}
	if len(chars) >= 4 && strings.ContainsRune("([{", chars[0].r) && chars[1].r == 'a' && chars[2].r == 't' &&
		strings.ContainsRune(")]}", chars[3].r) {
		return 4
	}
	return 0
}

// local returns where the part before an @ begins: len(chars) if there is none.
func local(chars []char) int {
	end := len(chars)
	if end > 0 && chars[end-1].blank() {
		end--
	}
	from := end
	for from > 0 && end-from < maxLocal && (chars[from-1].letter() || chars[from-1].digit() || strings.ContainsRune("._%+-'", chars[from-1].r)) {
		from--
	}
	if from == end {
		return len(chars)
	}
	return from
}

// domain returns where the domain after an @ ends: 0 if there is none. Its last
// label has two letters or more.
func domain(chars []char) int {
	i := 0
	if len(chars) > 0 && chars[0].blank() {
		i++
	}
	end, label, letters, dotted := 0, 0, 0, false
	for ; i < min(len(chars), maxDomain); i++ {
		switch c := chars[i]; {
		case c.letter() || c.digit():
			label++
			if c.letter() {
				letters++
			}
			if dotted && letters >= 2 && letters == label {
				end = i + 1
			}
		case c.r == '-' && label > 0:
			label++
		case c.r == '.' && label > 0:
			dotted, label, letters = true, 0, 0
		default:
			return end
		}
	}
	return end
}
