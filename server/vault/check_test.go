package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/server/vault"
)

// Asking about a key draws no random bytes and tells a destroyed key from one
// that is missing and from one that doesn't open.
func TestCheckAndDestroyed(t *testing.T) {
	store := newMemory()
	creator := open(t, store, rand.Reader)
	create(t, creator, "there", "gone", "damaged")
	if err := creator.Destroy(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	store.values["key/damaged"][30] ^= 1
	store.values["key/moved"] = bytes.Clone(store.values["key/there"])
	v := open(t, store, readerOf(0, errors.New("random bytes were drawn")))
	unlike := errors.New("another error")
	for _, tt := range []struct {
		id        vault.KeyID
		destroyed bool
		check     error
	}{
		{"there", false, nil},
		{"never", false, vault.ErrAbsent},
		{"gone", true, vault.ErrDestroyed},
		{"damaged", false, unlike},
		{"moved", false, unlike},
	} {
		t.Run(string(tt.id), func(t *testing.T) {
			if got, err := v.Destroyed(t.Context(), tt.id); got != tt.destroyed || err != nil {
				t.Errorf("Destroyed = %t, %v", got, err)
			}
			err := v.Check(t.Context(), tt.id)
			if errors.Is(tt.check, unlike) {
				if err == nil || errors.Is(err, vault.ErrAbsent) || errors.Is(err, vault.ErrDestroyed) {
					t.Errorf("Check = %v", err)
				}
			} else if !errors.Is(err, tt.check) {
				t.Errorf("Check = %v, want %v", err, tt.check)
			}
		})
	}
	if _, err := v.Destroyed(t.Context(), ""); err == nil {
		t.Error("no id was accepted")
	}
}

// What the store has lost is noticed, though the key is still in memory.
func TestCheckLooksIntoTheStore(t *testing.T) {
	store := newMemory()
	v := open(t, store, rand.Reader)
	create(t, v, "k")
	seal(t, v, "k", "arm 1", "")
	delete(store.values, "key/k")
	if err := v.Check(t.Context(), "k"); !errors.Is(err, vault.ErrAbsent) {
		t.Errorf("Check = %v", err)
	}
}

// To create a key that is there costs one reading of the store, however often it
// is asked for, and doesn't wait for another that is being loaded.
func TestCreateOfAKnownKeyIsCheap(t *testing.T) {
	store := newMemory()
	create(t, open(t, store, rand.Reader), "k", "other")
	v := open(t, store, rand.Reader)
	before := store.gets
	for range 10 {
		create(t, v, "k")
	}
	if n := store.gets - before; n != 1 {
		t.Errorf("the store was read %d times", n)
	}
	store.read = sync.OnceFunc(func() { create(t, v, "k") }) // while other is loaded
	seal(t, v, "other", "x", "")
}
