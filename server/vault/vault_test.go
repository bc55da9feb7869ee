package vault_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/vault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	create(t, v, "ips/P1")
	rapid.Check(t, func(rt *rapid.T) {
		plain, ad := rapid.String().Draw(rt, "plain"), rapid.String().Draw(rt, "ad")
		sealed := seal(t, v, "ips/P1", plain, ad)
		got, err := v.Open(t.Context(), "ips/P1", sealed, []byte(ad))
		if err != nil || string(got) != plain {
			rt.Errorf("Open = %q, %v; want %q", got, err, plain)
		}
		if len(sealed) != len(plain)+vault.Overhead {
			rt.Errorf("%d bytes sealed in %d, want %d more", len(plain), len(sealed), vault.Overhead)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	create(t, v, "ips/P1", "ips/P2", "gone")
	sealed := seal(t, v, "ips/P1", "arm 1", "slot 1")
	if err := v.Destroy(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		id     vault.KeyID
		sealed []byte
		ad     string
		want   error
	}{
		{"right", "ips/P1", sealed, "slot 1", nil},
		{"another key", "ips/P2", sealed, "slot 1", vault.ErrSealed},
		{"another slot", "ips/P1", sealed, "slot 2", vault.ErrSealed},
		{"no associated data", "ips/P1", sealed, "", vault.ErrSealed},
		{"nothing", "ips/P1", nil, "slot 1", vault.ErrSealed},
		{"one byte less", "ips/P1", sealed[:len(sealed)-1], "slot 1", vault.ErrSealed},
		{"one byte more", "ips/P1", append(bytes.Clone(sealed), 0), "slot 1", vault.ErrSealed},
		{"shorter than the overhead", "ips/P1", sealed[:vault.Overhead-1], "slot 1", vault.ErrSealed},
		{"a destroyed key", "gone", sealed, "slot 1", vault.ErrDestroyed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := v.Open(t.Context(), tt.id, tt.sealed, []byte(tt.ad)); !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, want %v", err, tt.want)
			}
		})
	}
}

// A change of any byte, in every bit of it, is noticed.
func TestOpenNoticesEveryChangedByte(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	create(t, v, "k")
	sealed := seal(t, v, "k", "arm 1", "")
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if _, err := v.Open(t.Context(), "k", changed, nil); !errors.Is(err, vault.ErrSealed) {
				t.Fatalf("byte %d, bit %d changed: Open = %v", i, bit, err)
			}
		}
	}
}

// The border between key id and associated data can't be shifted, whatever the
// key: two keys are made equal by copying nothing but their random bytes.
func TestKeyIDIsBound(t *testing.T) {
	same := func() io.Reader { return bytes.NewReader(make([]byte, 1000)) }
	a, b := open(t, newMemory(), same()), open(t, newMemory(), same())
	create(t, a, "ips/P1")
	create(t, b, "ips/P")
	sealed := seal(t, a, "ips/P1", "arm 1", "2")
	if _, err := b.Open(t.Context(), "ips/P", sealed, []byte("12")); !errors.Is(err, vault.ErrSealed) {
		t.Errorf("Open with the border shifted = %v", err)
	}
	if _, err := a.Open(t.Context(), "ips/P1", sealed, []byte("2")); err != nil {
		t.Errorf("Open = %v", err)
	}
}

func TestNoncesDoNotRepeat(t *testing.T) {
	v := open(t, newMemory(), entropy())
	create(t, v, "k")
	seen := map[string]bool{}
	for range 1000 {
		nonce := string(seal(t, v, "k", "arm 1", "")[1:25])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

// All arms sealed have one length, whatever their names.
func TestSealedArmsHaveOneLength(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	create(t, v, "k")
	lengths := map[int]bool{}
	for _, arm := range []string{"", "TAU", "IPS+TAU", strings.Repeat("a", 31)} {
		padded, err := vault.Pad([]byte(arm), 32)
		if err != nil {
			t.Fatal(err)
		}
		lengths[len(seal(t, v, "k", string(padded), ""))] = true
	}
	if want := map[int]bool{32 + vault.Overhead: true}; !cmp.Equal(lengths, want) {
		t.Errorf("lengths %v, want %v", lengths, want)
	}
}

// The format, with fixed entropy: what this version wrote, every later one
// reads.
func TestFormatGolden(t *testing.T) {
	store := newMemory()
	v := open(t, store, entropy())
	create(t, v, "ips/P1", "ips/P2")
	sealed := seal(t, v, "ips/P1", "arm 1", "ips/allocation/7")
	if err := v.Destroy(t.Context(), "ips/P2"); err != nil {
		t.Fatal(err)
	}
	subkey := v.Subkey("export")
	got := fmt.Sprintf("key %x\ndestroyed %x\nsealed %x\nsubkey %x\n",
		store.values["key/ips/P1"], store.values["key/ips/P2"], sealed, subkey)
	const file = "testdata/format.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the format has changed (-want +got):\n%s", diff)
	}
}

// The golden file opens, from its text alone.
func TestGoldenOpens(t *testing.T) {
	text, err := os.ReadFile("testdata/format.golden")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if lines[name], err = hex.DecodeString(value); err != nil {
			t.Fatal(err)
		}
	}
	store := newMemory()
	store.values["key/ips/P1"], store.values["key/ips/P2"] = lines["key"], lines["destroyed"]
	v := open(t, store, rand.Reader)
	got, err := v.Open(t.Context(), "ips/P1", lines["sealed"], []byte("ips/allocation/7"))
	if err != nil || string(got) != "arm 1" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := v.Seal(t.Context(), "ips/P2", nil, nil); !errors.Is(err, vault.ErrDestroyed) {
		t.Errorf("Seal with the tombstone = %v", err)
	}
}

func TestSubkeysAreApart(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	again := open(t, newMemory(), rand.Reader)
	if v.Subkey("a") != again.Subkey("a") || v.Subkey("a") == v.Subkey("b") || v.Subkey("") == [32]byte{} {
		t.Error("subkeys of one purpose differ, or of two don't")
	}
}

func TestNothingSecretPrints(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, v); got != "sealed" {
			t.Errorf("Sprintf(%q) = %q", verb, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := vault.Config{Master: master, Store: newMemory(), NotFound: errNotFound, Random: rand.Reader}
	for _, tt := range []struct {
		name   string
		change func(*vault.Config)
	}{
		{"zero master", func(c *vault.Config) { c.Master = [32]byte{} }},
		{"no store", func(c *vault.Config) { c.Store = nil }},
		{"no sentinel", func(c *vault.Config) { c.NotFound = nil }},
		{"no entropy", func(c *vault.Config) { c.Random = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			if _, err := vault.New(c); err == nil {
				t.Error("New accepts it")
			}
		})
	}
	if _, err := vault.New(good); err != nil {
		t.Error(err)
	}
}

func BenchmarkSeal(b *testing.B) {
	v := open(b, newMemory(), rand.Reader)
	create(b, v, "k")
	plain := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Seal(b.Context(), "k", plain, []byte("ips/allocation/7")); err != nil {
			b.Fatal(err)
		}
	}
}
