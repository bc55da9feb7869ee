package server

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/vault"
)

// An address can be had back, changed and taken away, and whoever reads the store
// sees neither it nor its length.
func TestAddressIsKeptSealedAndCanBeTakenAway(t *testing.T) {
	values := &storetest.Memory{}
	v, err := vault.New(vault.Config{Master: [32]byte{1}, Store: values, NotFound: store.ErrNotFound, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	k := &core{config: Config{Vault: v, Credentials: values, NotFound: store.ErrNotFound}}
	s := &Server{core: k}
	if _, ok, err := s.NoticeAddress(t.Context(), "kari"); ok || err != nil {
		t.Errorf("there is an address before it was given, or %v", err)
	}
	size := 0
	for _, address := range []string{"kari@hospital.example", strings.Repeat("x", maxAddress), "k@h.example", ""} {
		if err := k.keepAddress(t.Context(), "kari", address); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.NoticeAddress(t.Context(), "kari")
		if got != address || ok != (address != "") || err != nil {
			t.Errorf("%q, %v, %v; want %q", got, ok, err, address)
		}
		kept, err := values.Get(t.Context(), "address/kari")
		if err != nil || address != "" && bytes.Contains(kept, []byte(address)) || size != 0 && size != len(kept) {
			t.Errorf("%d bytes after %d, %v", len(kept), size, err)
		}
		size = len(kept)
	}
	// An address that was put under another account's name isn't that account's.
	kept, err := values.Get(t.Context(), "address/kari")
	if err != nil {
		t.Fatal(err)
	}
	if err := values.Put(t.Context(), "address/olav", kept); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.NoticeAddress(t.Context(), "olav"); err == nil {
		t.Error("an address of somebody else was opened")
	}
}

func TestAddressIsOneAddress(t *testing.T) {
	for text, want := range map[string]string{"": "", " ": "", "kari@hospital.example": "kari@hospital.example", " kari@hospital.example ": "kari@hospital.example"} {
		if got, err := parseAddress(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"kari", "Kari <kari@hospital.example>", "a@x.example, b@x.example", "kari@hospital.example\r\nBcc: b@x.example",
		strings.Repeat("x", maxAddress) + "@hospital.example",
	} {
		if _, err := parseAddress(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
