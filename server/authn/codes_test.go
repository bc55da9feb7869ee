package authn_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/authn"
)

// The text and digest of a code, for ever; the digest was computed by Python's
// hmac.
func TestCodeGolden(t *testing.T) {
	c := authn.NewCodes([32]byte{1, 2, 3}, strings.NewReader("twenty bytes, really"))
	code, digest, err := c.New()
	if err != nil {
		t.Fatal(err)
	}
	if want := "OR3W-K3TU-PEQG-E6LU-MVZS-YIDS-MVQW-Y3DZ"; code != want {
		t.Errorf("code %s, want %s", code, want)
	}
	if got, want := hex.EncodeToString(digest), "fd9556219b428cf8ae6153733b99c7c129a1edf62ec83b55eb3254903d7dc6b2"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if _, _, err := c.New(); !errors.Is(err, io.EOF) {
		t.Errorf("New without entropy = %v", err)
	}
}

func TestCodesAsPeopleTypeThem(t *testing.T) {
	secret, err := base32.StdEncoding.DecodeString(strings.Repeat("OIBA", 8))
	if err != nil {
		t.Fatal(err)
	}
	c := authn.NewCodes([32]byte{}, bytes.NewReader(secret))
	code, digest, err := c.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, typed string
		ok          bool
	}{
		{"as written", code, true},
		{"small letters", strings.ToLower(code), true},
		{"without dashes", strings.ReplaceAll(code, "-", ""), true},
		{"with spaces", strings.ReplaceAll(code, "-", " "), true},
		{"with a newline", code + "\r\n", true},
		{"zero for O", strings.ReplaceAll(code, "O", "0"), true},
		{"one for I", strings.ReplaceAll(code, "I", "1"), true},
		{"eight for B", strings.ReplaceAll(code, "B", "8"), true},
		{"one group less", code[:len(code)-5], false},
		{"one letter less", code[:len(code)-1], false},
		{"one letter more", code + "A", false},
		{"another letter", code[:10] + "X" + code[11:], false},
		{"a foreign letter", code[:10] + "Å" + code[11:], false},
		{"padding", code[:len(code)-1] + "=", false},
		{"empty", "", false},
		{"very long", strings.Repeat("A", 1<<20), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Matches(tt.typed, digest); got != tt.ok {
				t.Errorf("Matches = %v, want %v", got, tt.ok)
			}
		})
	}
	if c.Matches(code, nil) || c.Matches(code, digest[:31]) {
		t.Error("half a digest matches")
	}
	if _, err := c.Digest("hello"); !errors.Is(err, authn.ErrCode) {
		t.Errorf("Digest = %v", err)
	}
}

// Codes have one form, differ, and match nothing but their own digest made with
// the same key.
func TestCodesMatchTheirOwnDigest(t *testing.T) {
	c, other := authn.NewCodes([32]byte{1}, rand.Reader), authn.NewCodes([32]byte{2}, rand.Reader)
	form := regexp.MustCompile(`^([A-Z2-7]{4}-){7}[A-Z2-7]{4}$`)
	digests := map[string][]byte{}
	for range 200 {
		code, digest, err := c.New()
		if err != nil || !form.MatchString(code) || digests[code] != nil {
			t.Fatalf("New = %q, %v", code, err)
		}
		digests[code] = digest
		if other.Matches(code, digest) {
			t.Errorf("%s matches under another key", code)
		}
	}
	for code := range digests {
		for owner, digest := range digests {
			if c.Matches(code, digest) != (code == owner) {
				t.Errorf("%s and the digest of %s", code, owner)
			}
		}
	}
}

func TestDevices(t *testing.T) {
	d := authn.NewDevices([32]byte{1}, rand.Reader)
	token, err := d.New("kari")
	if err != nil {
		t.Fatal(err)
	}
	id := d.ID("kari", token)
	if id == "" || id != authn.NewDevices([32]byte{1}, nil).ID("kari", token) {
		t.Error("the device isn't known again after a restart")
	}
	second, err := d.New("kari")
	if err != nil || d.ID("kari", second) == id {
		t.Errorf("two devices have one id, %v", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for name, stranger := range map[string]string{
		"nothing":            d.ID("kari", ""),
		"another account":    d.ID("kar", token),
		"a longer account":   d.ID("karin", token),
		"another server":     authn.NewDevices([32]byte{2}, nil).ID("kari", token),
		"cut off":            d.ID("kari", token[:len(token)-2]),
		"no base64":          d.ID("kari", "ø"),
		"random bytes":       d.ID("kari", base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))),
		"moved by one":       d.ID("kari", base64.RawURLEncoding.EncodeToString(append(raw[1:], 0))),
		"with padding added": d.ID("kari", token+"="),
	} {
		if stranger != "" {
			t.Errorf("%s: known as %q", name, stranger)
		}
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if d.ID("kari", base64.RawURLEncoding.EncodeToString(changed)) != "" {
			t.Errorf("byte %d changed: still known", i)
		}
	}
}

// However a token is written, it stands for one device: otherwise each way of
// writing it had attempts of its own.
func TestOneTokenIsOneDevice(t *testing.T) {
	d := authn.NewDevices([32]byte{1}, rand.Reader)
	token, err := d.New("kari")
	if err != nil {
		t.Fatal(err)
	}
	id := d.ID("kari", token)
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(token)).Draw(t, "at")
		with := rapid.SampledFrom([]string{"\n", "\r", "\r\n", " ", "=", "A"}).Draw(t, "with")
		if got := d.ID("kari", token[:at]+with+token[at:]); got != "" && got != id {
			t.Errorf("known as %q", got)
		}
	})
}

func TestKeysDoNotPrint(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, secret := range []any{authn.NewCodes([32]byte{1}, nil), authn.NewDevices([32]byte{1}, nil)} {
			if got := fmt.Sprintf(verb, secret); got != "sealed" {
				t.Errorf("Sprintf(%q) of %T = %q", verb, secret, got)
			}
		}
	}
}
