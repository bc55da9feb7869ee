package identifiers_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/identifiers"
)

// number completes nine digits by their control digits, or returns "" if one of
// them would be 10. It is written apart from the package: by the sum that has
// to be divisible, not by the digit that makes it so.
func number(nine string) string {
	for k1 := range 10 {
		for k2 := range 10 {
			n := fmt.Sprintf("%s%d%d", nine, k1, k2)
			if divisible(n, "37618945210") && divisible(n, "54327654321") {
				return n
			}
		}
	}
	return ""
}

func divisible(digits, weights string) bool {
	sum := 0
	for i := range digits {
		sum += int(digits[i]-'0') * int(weights[i]-'0')
	}
	return sum%11 == 0
}

// first returns the first number that begins with six digits. The tests ask only
// for numbers that nobody has: synthetic ones, days that don't exist, and the
// very end of the FH-numbers.
func first(t testing.TB, six string) string {
	t.Helper()
	for i := range 1000 {
		if n := number(fmt.Sprintf("%s%03d", six, i)); n != "" {
			return n
		}
	}
	t.Fatalf("no number begins with %s", six)
	return ""
}

func TestFindsEveryKindOfNumber(t *testing.T) {
	for _, tt := range []struct{ name, six string }{
		{"birth number, synthetic month", "018190"},
		{"last day and month, synthetic", "319299"},
		{"D-number, synthetic month", "418190"},
		{"last D-number day, synthetic month", "719290"},
		{"H-number, no such day", "314290"},
		{"synthetic by 65", "016690"},
		{"FH-number, 8", "899999"},
		{"FH-number, 9", "999999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := first(t, tt.six)
			got, ok := identifiers.Find("a " + n + ".")
			want := identifiers.Match{Kind: identifiers.NationalID, Start: 2, End: 13}
			if !ok || got != want {
				t.Errorf("Find = %v, %v; want %v", got, ok, want)
			}
		})
	}
}

// Numbers with an ordinary month are found, too. The sample is of days that
// don't exist, on which nobody was born.
func TestFindsOrdinaryMonths(t *testing.T) {
	for _, six := range []string{"300200", "310200", "310400", "310600", "310900", "311100"} {
		n := first(t, six)
		if _, ok := identifiers.Find(n); !ok {
			t.Errorf("%s isn't found", n)
		}
	}
}

func TestFindLooksAtTheNeighbours(t *testing.T) {
	n := first(t, "018190")
	head, tail := n[:6], n[6:]
	for _, tt := range []struct {
		name, text string
		start, end int // 0, 0: not found
	}{
		{"alone", n, 0, 11},
		{"in Norwegian text", "født " + n + ", Ås", 6, 17},
		{"in brackets", "(" + n + ")", 1, 12},
		{"space", head + " " + tail, 0, 12},
		{"dash", head + "-" + tail, 0, 12},
		{"no-break space", head + "\u00a0" + tail, 0, 13},
		{"en dash", head + "–" + tail, 0, 14},
		{"second of two", "12345678901 " + n, 12, 23},
		{"after a newline", "x\n" + n, 2, 13},
		{"after an underscore", "id_" + n, 3, 14},
		{"after a broken character", "\xff" + n, 1, 12},
		{"two spaces", head + "  " + tail, 0, 0},
		{"a space elsewhere", n[:5] + " " + n[5:], 0, 0},
		{"two separators", head + " " + tail[:2] + " " + tail[2:], 0, 0},
		{"a dot", head + "." + tail, 0, 0},
		{"letter before", "x" + n, 0, 0},
		{"Norwegian letter before", "å" + n, 0, 0},
		{"letter after", n + "x", 0, 0},
		{"Norwegian letter after", n + "Ø", 0, 0},
		{"digit before", "1" + n, 0, 0},
		{"digit after", n + "1", 0, 0},
		{"other digit after", n + "٣", 0, 0},
		{"ten digits", n[:10], 0, 0},
		{"empty", "", 0, 0},
		{"zeros", "00000000000", 0, 0},
		{"month 13, synthetic", first(t, "019390"), 0, 0},
		{"day 0", first(t, "008190"), 0, 0},
		{"day 32", first(t, "328190"), 0, 0},
		{"day 72", first(t, "728190"), 0, 0},
		{"month 20", first(t, "012090"), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := identifiers.Find(tt.text)
			if ok != (tt.end > 0) || got.Start != tt.start || got.End != tt.end {
				t.Errorf("Find(%q) = %v, %v; want [%d, %d)", tt.text, got, ok, tt.start, tt.end)
			}
		})
	}
}

// Eleven digits are found only if both control digits are right.
func TestWrongControlDigitsAreNotFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.StringMatching(`[0-9]{11}`).Draw(t, "digits")
		if _, ok := identifiers.Find(n); ok && number(n[:9]) != n {
			t.Errorf("%s is found", n)
		}
	})
}

// A change of any one digit of a number hides it: that is what the control
// digits are for.
func TestOneWrongDigitIsNotFound(t *testing.T) {
	n := first(t, "018190")
	for i := range n {
		for d := byte('0'); d <= '9'; d++ {
			changed := n[:i] + string(d) + n[i+1:]
			if _, ok := identifiers.Find(changed); ok != (changed == n) {
				t.Errorf("Find(%s) = %v", changed, ok)
			}
		}
	}
}

// Whatever stands around a number, at a distance of one space, doesn't hide it.
func TestSurroundingTextHidesNothing(t *testing.T) {
	n := first(t, "418190")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "before") + " " + n + " " + rapid.String().Draw(t, "after")
		if _, ok := identifiers.Find(text); !ok {
			t.Errorf("nothing found in %q", text)
		}
	})
}

func FuzzFind(f *testing.F) {
	f.Add("018190 12345")
	f.Add(strings.Repeat("1", 30))
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := identifiers.Find(text)
		if !ok {
			return
		}
		var digits strings.Builder
		for _, r := range text[m.Start:m.End] {
			if '0' <= r && r <= '9' {
				digits.WriteRune(r)
			}
		}
		if n := digits.String(); len(n) != 11 || number(n[:9]) != n {
			t.Errorf("found %q", text[m.Start:m.End])
		}
	})
}
