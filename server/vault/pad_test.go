package vault_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/vault"
)

func TestPad(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plain string
		size  int
		want  string // "": refused
	}{
		{"empty", "", 4, "\x80\x00\x00\x00"},
		{"some", "ab", 4, "ab\x80\x00"},
		{"all but one", "abc", 4, "abc\x80"},
		{"full", "abcd", 4, ""},
		{"too long", "abcde", 4, ""},
		{"no room at all", "", 0, ""},
		{"negative", "", -1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := vault.Pad([]byte(tt.plain), tt.size)
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("Pad = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// What is unpadded is what was padded, also if it ends as padding does.
func TestUnpadReversesPad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.SampledFrom([]byte{0, 0x80, 'a'})).Draw(t, "plain")
		padded, err := vault.Pad(plain, len(plain)+rapid.IntRange(1, 9).Draw(t, "room"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := vault.Unpad(padded); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("Unpad = %x, %v; want %x", got, err, plain)
		}
	})
	for _, bad := range []string{"", "\x00\x00", "abc", "\x80a\x00"} {
		if got, err := vault.Unpad([]byte(bad)); err == nil {
			t.Errorf("Unpad(%q) = %q", bad, got)
		}
	}
}
