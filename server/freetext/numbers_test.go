package freetext_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/freetext"
)

// synthetic returns an identity number of nobody: of the six digits of a date
// whose month is of a synthetic series, and the first serial number that has
// control digits.
func synthetic(t testing.TB, six string) string {
	t.Helper()
	for serial := range 1000 {
		for control := range 100 {
			n := fmt.Sprintf("%s%03d%02d", six, serial, control)
			if divisible(n[:10], "3761894521") && divisible(n, "54327654321") {
				return n
			}
		}
	}
	t.Fatalf("no number begins with %s", six)
	return ""
}

func divisible(digits, weights string) bool {
	sum := 0
	for i := range digits {
		sum += int(digits[i]-'0') * int(weights[i]-'0')
	}
	return sum%11 == 0
}

func TestFindsIdentityNumbersHoweverTheyAreGrouped(t *testing.T) {
	s := &freetext.Scanner{}
	for _, six := range []string{"018190", "319205", "418190", "719205"} { // synthetic: month + 80; and of a D-number: day + 40
		n := synthetic(t, six)
		for _, text := range []string{
			n, n[:6] + " " + n[6:], n[:6] + "-" + n[6:], n[:6] + "." + n[6:], n[:6] + " - " + n[6:],
			n[:2] + "." + n[2:4] + "." + n[4:6] + " " + n[6:], n[:2] + " " + n[2:4] + " " + n[4:6] + " " + n[6:9] + " " + n[9:],
			strings.Join(strings.Split(n, ""), " "), n[:3] + "\u200b" + n[3:], n[:6] + "\u00a0" + n[6:],
			n[:1] + "\u00ad" + n[1:], strings.Map(func(r rune) rune { return r - '0' + '０' }, n),
		} {
			if diff := cmp.Diff(want(freetext.NationalID, text), found(s, "f. "+text+", Ås")); diff != "" {
				t.Errorf("%q (-want +got):\n%s", text, diff)
			}
		}
	}
}

// A number whose control digits are wrong was mistyped, or is of the series that
// begins in 2032: it is found where it looks like one.
func TestFindsIdentityNumbersThatWereMistyped(t *testing.T) {
	s := &freetext.Scanner{}
	n := synthetic(t, "018190")
	wrong := n[:10] + string('0'+(n[10]-'0'+1)%10)
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{wrong, true},
		{wrong[:6] + " " + wrong[6:], true},
		{wrong[:6] + "-" + wrong[6:], true},
		{wrong[:4] + " " + wrong[4:], false},
		{wrong[:4] + "." + wrong[4:6] + "." + wrong[6:], false}, // an account number
		{"99" + wrong[2:], false},                               // no day
		{"0113" + wrong[4:], false},                             // no month
		{"1" + wrong, false},
		{wrong[:10], false},
		{wrong[:5] + ", " + wrong[5:], false},
	} {
		if got := found(s, "nr "+tt.text); (len(got) > 0) != tt.ok {
			t.Errorf("%q: %v, want %v", tt.text, got, tt.ok)
		}
	}
}

func TestFindsPhoneNumbers(t *testing.T) {
	s := &freetext.Scanner{}
	for _, text := range []string{
		"99887766", "99 88 77 66", "998 87 766", "9988 7766", "22 11 20 26", "998\u00a087\u00a0766", "99-88-77-66",
		"99\u200b887766", "+47 998 87 766", "+4799887766", "+47 99 88 77 66", "0047 998 87 766", "004799887766", "+46 70 123 45 67",
		"+44 (0)20 7946 0018", "+1-202-555-0143", "+372 640 1163", "００４７９９８８７７６６",
	} {
		got := found(s, "Kan nås på "+text+" etter kl. 17.")
		if len(got) != 1 || !strings.HasPrefix(got[0], string(freetext.Phone)) {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"tlf 99 887 766", "mob. 998 877 66", "Ring: 20262026", "tlf. 22112026"} {
		if got := found(s, text); len(got) != 1 {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestOtherNumbersAreNoPhoneNumbers(t *testing.T) {
	s := &freetext.Scanner{}
	for _, text := range []string{
		"2026-11-22", "22.11.2026", "22-11-2026", "20261122", "22112026", "22.11.26", "2026-11-22T14:30:00Z", "14:30-15:45",
		"kl. 14.30 den 22.11.2026", "2019-2023", "2019 2023", "2024–2025", "21 31 45 50 61", "12 34 56 78", "12345678",
		"HADS 23, WHODAS 24/36, AUDIT 31", "128/84", "25 000 000", "25000000 kr", "29 99 88 77 kroner", "kr 250 000", "99887766 %",
		"0,99887766", "99887766,5", "P-99887766", "S99887766", "+2", "+2,5 kg", "+25 000 000 kr", "9988776", "998877665",
		"3 500", "uke 22, 23, 24, 25", "22, 33, 44, 55", "1-0042", "00:15 til 00:45", "UTC+01", "11 22 33 44 dager",
	} {
		if got := found(s, text); len(got) > 0 {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// A grouping of a right number hides it no more than characters that nobody
// sees.
func TestNoGroupingHidesAnIdentityNumber(t *testing.T) {
	s := &freetext.Scanner{}
	n := synthetic(t, "078195")
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for i, r := range n {
			b.WriteRune(r)
			if i < len(n)-1 {
				b.WriteString(rapid.SampledFrom([]string{"", "", " ", "-", ".", "\u00a0", "\u200b", "–", " - "}).Draw(t, "gap"))
			}
		}
		if got := found(s, "nr. "+b.String()+" her"); len(got) == 0 || !strings.HasPrefix(got[0], string(freetext.NationalID)) {
			t.Errorf("%q: %q", b.String(), got)
		}
	})
}
