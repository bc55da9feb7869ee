package randomization_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// secrets returns values that must not print, by name.
func secrets(t *testing.T) map[string]any {
	s := newSequence(t, equalChances([]int{1, 1}, 4), "ips", "oslo")
	s.First(100)
	seed, salt := testSeed(t), testSalt(t)
	return map[string]any{"seed": seed, "*seed": &seed, "salt": salt, "*salt": &salt, "sequence": s, "sequence value": *s}
}

func TestSecretsPrintAsSealed(t *testing.T) {
	for name, secret := range secrets(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%t", "%f", "%e", "%g", "%c", "%U", "%z", "%5v", "%-9.2s"} {
			if got := fmt.Sprintf(verb, secret); got != "sealed" {
				t.Errorf("%s: Sprintf(%q) = %q", name, verb, got)
			}
		}
		if got := fmt.Sprint(map[string]any{"k": []any{secret}}); got != "map[k:[sealed]]" {
			t.Errorf("%s: inside a map: %q", name, got)
		}
		if b, err := json.Marshal(map[string]any{"k": secret}); err != nil || string(b) != `{"k":"sealed"}` {
			t.Errorf("%s: JSON %s, %v", name, b, err)
		}
		if b, err := xml.Marshal(secret); err != nil || !strings.Contains(string(b), ">sealed<") {
			t.Errorf("%s: XML %s, %v", name, b, err)
		}
		var text, object bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "k", secret)
		slog.New(slog.NewJSONHandler(&object, nil)).Info("m", "k", secret)
		if !strings.HasSuffix(text.String(), " k=sealed\n") || !strings.HasSuffix(object.String(), `"k":"sealed"}`+"\n") {
			t.Errorf("%s: slog %q and %q", name, text.String(), object.String())
		}
	}
}

// Package fmt doesn't ask Format about %p, %w and unexported fields. What it
// shows there must not depend on the secret: two secrets print alike, but for
// addresses.
func TestSecretsDoNotLeakWhereFormatIsNotAsked(t *testing.T) {
	type config struct{ hidden any }
	type typed struct {
		seed randomization.Seed
		salt randomization.Salt
	}
	values := secrets(t)
	values["typed"] = typed{testSeed(t), testSalt(t)}
	for name, secret := range values {
		for _, v := range []any{secret, config{secret}, &config{secret}, []config{{secret}}} {
			for _, verb := range []string{"%p", "%w", "%v", "%+v", "%#v", "%x", "%d", "%s", "%q", "%t", "%z", "%!"} {
				got := fmt.Sprintf(verb, v)
				for _, leak := range []string{"1 2 3", "0x1, 0x2", "33 34 35", "0x21, 0x22", "010203", "212223", "0 1 1", "1 0 0", "0x1, 0x0"} {
					if strings.Contains(got, leak) {
						t.Errorf("%s: Sprintf(%q) = %q, which tells %q", name, verb, got, leak)
					}
				}
			}
		}
	}
}

func TestSecretsComeFromTheGivenReader(t *testing.T) {
	random := bytes.NewReader(append(counting(0), counting(0x20)...))
	seed, err := randomization.NewSeed(random)
	if err != nil || !bytes.Equal(seed.Bytes(), counting(0)) {
		t.Errorf("NewSeed = %x, %v", seed.Bytes(), err)
	}
	salt, err := randomization.NewSalt(random)
	if err != nil || !bytes.Equal(salt.Bytes(), counting(0x20)) {
		t.Errorf("NewSalt = %x, %v", salt.Bytes(), err)
	}
	if random.Len() != 0 {
		t.Errorf("%d bytes unread", random.Len())
	}
}

func TestSecretsRefuseBadSources(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		is   error
	}{
		{"no bytes", nil, io.EOF},
		{"31 bytes", make([]byte, 31), io.ErrUnexpectedEOF},
		{"zeros", make([]byte, 32), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err1 := randomization.NewSeed(bytes.NewReader(tt.data))
			_, err2 := randomization.NewSalt(bytes.NewReader(tt.data))
			_, err3 := randomization.SeedFromBytes(tt.data)
			_, err4 := randomization.SaltFromBytes(tt.data)
			for i, err := range []error{err1, err2, err3, err4} {
				if err == nil || i < 2 && tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("constructor %d: error %v, want %v", i, err, tt.is)
				}
			}
		})
	}
	if _, err := randomization.SeedFromBytes(make([]byte, 33)); err == nil {
		t.Error("SeedFromBytes accepts 33 bytes")
	}
}

func TestSecretsAreNotShared(t *testing.T) {
	b := counting(0)
	seed, err := randomization.SeedFromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	b[0] = 99
	seed.Bytes()[1] = 99
	if !bytes.Equal(seed.Bytes(), counting(0)) {
		t.Errorf("seed changed to %x", seed.Bytes())
	}
}

func TestZeroSecretsAreNoSecrets(t *testing.T) {
	var seed randomization.Seed
	var salt randomization.Salt
	if seed.Bytes() != nil || salt.Bytes() != nil || seed.Contribute([]byte("dice")).Bytes() != nil {
		t.Error("a zero secret has bytes")
	}
	if _, err := randomization.NewSequence(seed, equalChances([]int{1, 1}, 4), "ips", "oslo"); err == nil {
		t.Error("NewSequence accepts the zero Seed")
	}
	if got := fmt.Sprint(seed, salt, randomization.Sequence{}); got != "sealed sealed sealed" {
		t.Errorf("zero secrets print as %q", got)
	}
}

// A contributed seed depends on the drawn seed and on every byte contributed;
// an empty contribution isn't the same as none.
func TestContribute(t *testing.T) {
	seed := testSeed(t)
	seen := map[string]string{string(seed.Bytes()): "seed as drawn"}
	other, _ := randomization.SeedFromBytes(counting(1))
	for name, s := range map[string]randomization.Seed{
		"empty":        seed.Contribute(nil),
		"dice":         seed.Contribute([]byte("dice")),
		"dice and NUL": seed.Contribute([]byte("dice\x00")),
		"dice twice":   seed.Contribute([]byte("dice")).Contribute([]byte("dice")),
		"other":        other.Contribute([]byte("dice")),
	} {
		if len(s.Bytes()) != randomization.SecretSize {
			t.Errorf("%s: %d bytes", name, len(s.Bytes()))
		}
		if first, ok := seen[string(s.Bytes())]; ok {
			t.Errorf("%s gives the same seed as %s", name, first)
		}
		seen[string(s.Bytes())] = name
	}
	if !bytes.Equal(seed.Contribute([]byte("dice")).Bytes(), seed.Contribute([]byte("dice")).Bytes()) {
		t.Error("the same contribution gives two seeds")
	}
}
