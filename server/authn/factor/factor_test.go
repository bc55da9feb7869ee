package factor

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/authn"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// ofText returns a factor whose secret is the text.
func ofText(t testing.TB, secret string) Factor {
	t.Helper()
	f, err := New(strings.NewReader(secret))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// vector is the secret of the vectors of RFC 6238, appendix B, for SHA-1.
const vector = "12345678901234567890"

func at(seconds int64) time.Time { return time.Unix(seconds, 0) }

// The vectors of RFC 6238 (2011), appendix B, cut to six digits, as section 5.3
// of RFC 4226 says.
func TestCodesAreThoseOfTheStandard(t *testing.T) {
	for _, tt := range []struct {
		at   int64
		code string
	}{
		{59, "287082"},
		{1111111109, "081804"},
		{1111111111, "050471"},
		{1234567890, "005924"},
		{2000000000, "279037"},
		{20000000000, "353130"},
	} {
		f := ofText(t, vector)
		if !f.Take(tt.code, at(tt.at)) {
			t.Errorf("the code of second %d was not taken", tt.at)
		}
	}
}

// "287082" is the code of step 1: 30 to 59 seconds.
func TestWindowIsOneStepEachWay(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   int64
		code string
		want bool
	}{
		{"at once", 30, "287082", true},
		{"with a space", 30, " 287 082 ", true},
		{"the clock of the phone is ahead", 0, "287082", true},
		{"the code was typed slowly", 89, "287082", true},
		{"too slowly", 90, "287082", false},
		{"of another step", 120, "287082", false},
		{"before time began", -100, "287082", false},
		{"one digit off", 30, "287083", false},
		{"a digit short", 30, "28708", false},
		{"a digit more", 30, "2870820", false},
		{"nothing", 30, "", false},
		{"other digits", 30, "٢٨٧٠٨٢", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := ofText(t, vector)
			if got := f.Take(tt.code, at(tt.at)); got != tt.want {
				t.Errorf("Take = %v, want %v", got, tt.want)
			}
		})
	}
}

// A code that somebody read over a shoulder is worth nothing once it was used,
// nor is one from before it, whatever the clock does.
func TestCodesAreTakenOnce(t *testing.T) {
	f := ofText(t, vector)
	before, after := "755224", "359152" // of steps 0 and 2: RFC 4226 (2005), appendix D
	if !f.Take("287082", at(45)) {
		t.Fatal("the first code was not taken")
	}
	for _, code := range []string{"287082", before} {
		for _, second := range []int64{45, 15, 75} {
			if f.Take(code, at(second)) {
				t.Errorf("%s was taken at %d s, after the code of step 1", code, second)
			}
		}
	}
	if !f.Take(after, at(45)) {
		t.Error("the next code was not taken")
	}
}

// No history of times and codes has a code taken twice, or one after a later
// one.
func TestStepsNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, _ := New(strings.NewReader(vector))
		last := int64(-1)
		for range 20 {
			now := rapid.Int64Range(0, 300).Draw(t, "now")
			step := rapid.Int64Range(max(0, now/30-2), now/30+2).Draw(t, "step")
			code := f.code(step)
			want := step > last && step > 0 && step >= now/30-1 && step <= now/30+1
			if got := f.Take(code, at(now)); got != want {
				t.Fatalf("at %d s, after step %d, the code of step %d: %v", now, last, step, got)
			}
			if want {
				last = step
			}
		}
	})
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	f, codes := ofText(t, vector), authn.NewCodes([32]byte{1}, &counter{})
	list, err := f.NewRecovery(codes)
	if err != nil || len(list) != 10 || f.Left() != 10 {
		t.Fatalf("%d codes, %d left, %v", len(list), f.Left(), err)
	}
	for i, code := range list {
		if !f.Recover(codes, strings.ToLower(code)) {
			t.Errorf("code %d was not taken", i)
		}
		if f.Recover(codes, code) {
			t.Errorf("code %d was taken twice", i)
		}
		if f.Left() != 9-i {
			t.Errorf("%d codes are left after %d", f.Left(), i+1)
		}
	}
}

func TestRecoveryRefuses(t *testing.T) {
	f, codes := ofText(t, vector), authn.NewCodes([32]byte{1}, &counter{})
	old, err := f.NewRecovery(codes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.NewRecovery(codes); err != nil {
		t.Fatal(err)
	}
	stranger, _, err := codes.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{"replaced": old[0], "a stranger's": stranger, "nothing": "", "of an app": "287082"} {
		if f.Recover(codes, code) {
			t.Errorf("a recovery code was taken: %s", name)
		}
	}
	if f.Left() != Recoveries {
		t.Errorf("%d codes are left", f.Left())
	}
}

func TestIsRecovery(t *testing.T) {
	for code, want := range map[string]bool{
		"287082": false, "287 082": false, "": false, "ABCD-EFGH-ABCD-EFGH-ABCD-EFGH-ABCD-EFGH": true,
	} {
		if got := IsRecovery(code); got != want {
			t.Errorf("IsRecovery(%q) = %v", code, got)
		}
	}
}

// counter yields bytes that don't repeat soon.
type counter struct{ n int }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = byte(c.n ^ c.n>>8*7)
	}
	return len(b), nil
}

func TestURIIsWhatAnAppReads(t *testing.T) {
	text, err := ofText(t, vector).URI("Lodd: Oslo", "kari")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	got := []string{u.Scheme, u.Host, u.Path, q.Get("secret"), q.Get("issuer"), q.Get("algorithm"), q.Get("digits"), q.Get("period")}
	want := []string{"otpauth", "totp", "/Lodd  Oslo:kari", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "Lodd  Oslo", "SHA1", "6", "30"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", text, d)
	}
}

func TestFactorDoesntPrint(t *testing.T) {
	f := ofText(t, vector)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		if got := fmt.Sprintf(verb, f); got != "sealed" {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, &f); got != "sealed" {
			t.Errorf("%s of a pointer prints %s", verb, got)
		}
	}
}

// golden is a factor of which every part is set.
func golden(t testing.TB) Factor {
	f := ofText(t, vector)
	if !f.Take("005924", at(1234567890)) {
		t.Fatal("the code was not taken")
	}
	if _, err := f.NewRecovery(authn.NewCodes([32]byte{1}, &counter{})); err != nil {
		t.Fatal(err)
	}
	f.recovery = f.recovery[:2]
	return f
}

// What is kept of a factor is read by every later version.
func TestBytesAreGolden(t *testing.T) {
	f, path := golden(t), filepath.Join("testdata", "factor.golden")
	b, err := f.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(hex.EncodeToString(b)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(b) + "\n"; got != string(want) {
		t.Errorf("a factor is kept as\n%s, want\n%s", got, want)
	}
	var g Factor
	if err := g.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f, g, cmp.AllowUnexported(Factor{})); d != "" {
		t.Errorf("it comes back changed (-want +got):\n%s", d)
	}
}

func TestBytesOfSomethingElseAreRefused(t *testing.T) {
	good, err := golden(t).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "another version": change(0, 2), "a byte short": good[:len(good)-1], "a byte more": append(bytes.Clone(good), 0),
		"too many codes": append(change(head-1, Recoveries+1), make([]byte, 32*(Recoveries-1))...),
		"fewer codes":    change(head-1, 1), "a step below zero": change(1+secretSize, 0x80),
	} {
		f := ofText(t, vector)
		if err := f.UnmarshalBinary(b); err == nil {
			t.Errorf("%s was read as a factor", name)
		}
		if f.Secret() != ofText(t, vector).Secret() {
			t.Errorf("%s changed the factor", name)
		}
	}
}

func FuzzBytes(f *testing.F) {
	good, err := golden(f).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:head])
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Factor
		if g.UnmarshalBinary(b) != nil {
			return
		}
		again, err := g.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is read and written as %x, %v", b, again, err)
		}
	})
}

func TestNewNeedsEntropy(t *testing.T) {
	if _, err := New(strings.NewReader("too short")); err == nil {
		t.Error("a factor was made of too little")
	}
	f := ofText(t, vector)
	if _, err := f.NewRecovery(authn.NewCodes([32]byte{1}, strings.NewReader("too short"))); err == nil {
		t.Error("recovery codes were made of nothing")
	}
	if f.Left() != 0 {
		t.Error("codes that nobody was told are kept")
	}
}
