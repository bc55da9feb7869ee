package invite_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/proto/invite"
)

var pin = base64.RawURLEncoding.EncodeToString(make([]byte, 32))

func sample() invite.Invite {
	return invite.Invite{
		Server:    "Hekta på jobb",
		Addresses: []string{"trial.example.org:8443", "192.0.2.7:8443", "[2001:db8::7]:8443"},
		Pin:       pin,
		Code:      "ABCD-EFGH",
	}
}

func encode(t testing.TB, i invite.Invite) string {
	t.Helper()
	text, err := invite.Encode(i)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// seal encodes any bytes as an invite, apart from the package.
func seal(b string) string {
	sum := sha256.Sum256([]byte(b))
	return "lodd1." + base64.RawURLEncoding.EncodeToString(append([]byte(b), sum[:4]...))
}

// The text of the first version, which every later one reads.
func TestFormat(t *testing.T) {
	text := encode(t, sample())
	want := seal(`{"server":"Hekta på jobb","addresses":["trial.example.org:8443","192.0.2.7:8443","[2001:db8::7]:8443"],"pin":"` + pin + `","code":"ABCD-EFGH"}`)
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
}

// What is parsed is what was encoded, also if a mail program broke the line.
func TestParseReversesEncode(t *testing.T) {
	short := rapid.StringMatching(`[\pL -~]{1,100}`)
	rapid.Check(t, func(rt *rapid.T) {
		want := invite.Invite{
			Server:    short.Draw(rt, "server"),
			Addresses: rapid.SliceOfN(rapid.StringMatching(`[a-z0-9]{1,20}:[1-9][0-9]{0,3}`), 1, 16).Draw(rt, "addresses"),
			Pin:       base64.RawURLEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "pin")),
			Code:      short.Draw(rt, "code"),
		}
		text := encode(t, want)
		at := rapid.IntRange(0, len(text)).Draw(rt, "break")
		got, err := invite.Parse(" " + text[:at] + "\r\n \u00a0" + text[at:] + "\n")
		if err != nil {
			rt.Fatalf("Parse = %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Error(diff)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	text := encode(t, sample())
	for _, tt := range []struct{ name, text, say string }{
		{"nothing", "", `begins with "lodd1."`},
		{"an address", "trial.example.org:8443", `begins with "lodd1."`},
		{"the start is missing", text[3:], `begins with "lodd1."`},
		{"only the start", "lodd1.", "copy all of it"},
		{"version 0", "lodd0.abc", `begins with "lodd1."`},
		{"a newer version", "lodd2." + text[6:], "update this program"},
		{"a much newer version", "lodd12.x", "update this program"},
		{"very long", text + strings.Repeat("a", 9000), "too long"},
		{"a character more", text + "A", "copy all of it"},
		{"a foreign character", text[:20] + "!" + text[21:], "copy all of it"},
		{"no JSON", seal("hello"), "ask for a new one"},
		{"no fields", seal("{}"), "ask for a new one"},
		{"no address", seal(`{"server":"s","addresses":[],"pin":"` + pin + `","code":"c"}`), "ask for a new one"},
		{"bad pin", seal(`{"server":"s","addresses":["h:1"],"pin":"x","code":"c"}`), "ask for a new one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := invite.Parse(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("Parse = %v, want it to say %q", err, tt.say)
			}
		})
	}
}

// A paste that was cut off anywhere, or in which one character is wrong, is
// noticed.
func TestParseNoticesDamage(t *testing.T) {
	text := encode(t, sample())
	for n := len("lodd1."); n < len(text); n++ {
		if _, err := invite.Parse(text[:n]); err == nil || !strings.Contains(err.Error(), "copy all of it") {
			t.Errorf("%d characters of %d: Parse = %v", n, len(text), err)
		}
		for _, other := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			changed := text[:n] + string(other) + text[n+1:]
			if _, err := invite.Parse(changed); (err == nil) != (changed == text) {
				t.Errorf("character %d changed: %v", n, err)
			}
		}
	}
}

// A field that a newer server adds doesn't stop an older client.
func TestParseIgnoresNewFields(t *testing.T) {
	got, err := invite.Parse(seal(`{"server":"s","addresses":["h:1"],"pin":"` + pin + `","code":"c","colour":"blue"}`))
	want := invite.Invite{Server: "s", Addresses: []string{"h:1"}, Pin: pin, Code: "c"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse = %+v, %v", got, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*invite.Invite)
	}{
		{"no server", func(i *invite.Invite) { i.Server = "" }},
		{"a long server name", func(i *invite.Invite) { i.Server = strings.Repeat("å", 101) }},
		{"a line break in the name", func(i *invite.Invite) { i.Server = "a\nb" }},
		{"invalid UTF-8 in the name", func(i *invite.Invite) { i.Server = "\xff" }},
		{"no code", func(i *invite.Invite) { i.Code = "" }},
		{"no address", func(i *invite.Invite) { i.Addresses = nil }},
		{"17 addresses", func(i *invite.Invite) { i.Addresses = strings.Fields(strings.Repeat("h:1 ", 17)) }},
		{"no port", func(i *invite.Invite) { i.Addresses = []string{"trial.example.org"} }},
		{"port 0", func(i *invite.Invite) { i.Addresses = []string{"h:0"} }},
		{"port 65536", func(i *invite.Invite) { i.Addresses = []string{"h:65536"} }},
		{"no host", func(i *invite.Invite) { i.Addresses = []string{":8443"} }},
		{"no pin", func(i *invite.Invite) { i.Pin = "" }},
		{"a short pin", func(i *invite.Invite) { i.Pin = pin[:42] }},
		{"a pin with a line break", func(i *invite.Invite) { i.Pin = pin + "\n" }},
		{"more than a paste holds", func(i *invite.Invite) {
			i.Addresses = nil
			for n := range 16 {
				i.Addresses = append(i.Addresses, fmt.Sprintf("%s%02d:8443", strings.Repeat("𝔸", 93), n))
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := sample()
			tt.change(&i)
			if text, err := invite.Encode(i); err == nil {
				t.Errorf("Encode = %q", text)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample()))
	f.Add("lodd1." + strings.Repeat("A", 40))
	f.Fuzz(func(t *testing.T, text string) {
		i, err := invite.Parse(text)
		if err != nil {
			return
		}
		again, err := invite.Encode(i)
		if err != nil {
			t.Fatalf("Encode = %v", err)
		}
		if j, err := invite.Parse(again); err != nil || !reflect.DeepEqual(i, j) {
			t.Errorf("%+v came back as %+v, %v", i, j, err)
		}
	})
}
