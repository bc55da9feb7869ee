package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/lodd-rct/lodd/server/vault"
)

func TestCreateTwiceKeepsTheKey(t *testing.T) {
	store := newMemory()
	v := open(t, store, rand.Reader)
	create(t, v, "k")
	sealed := seal(t, v, "k", "arm 1", "")
	create(t, v, "k")
	reopened := open(t, store, rand.Reader)
	create(t, reopened, "k")
	for _, v := range []*vault.Vault{v, reopened} {
		if got, err := v.Open(t.Context(), "k", sealed, nil); err != nil || string(got) != "arm 1" {
			t.Errorf("Open = %q, %v", got, err)
		}
	}
}

// Destroyed stays destroyed: for the vault that had the key in cache, after
// reopening, after Create and after a second Destroy.
func TestDestroyedStaysDestroyed(t *testing.T) {
	store := newMemory()
	v := open(t, store, rand.Reader)
	create(t, v, "k", "other")
	sealed := seal(t, v, "k", "arm 1", "")
	other := seal(t, v, "other", "arm 0", "")
	for range 2 {
		if err := v.Destroy(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		for _, v := range []*vault.Vault{v, open(t, store, rand.Reader)} {
			if err := v.Create(t.Context(), "k"); !errors.Is(err, vault.ErrDestroyed) {
				t.Errorf("Create = %v", err)
			}
			if _, err := v.Open(t.Context(), "k", sealed, nil); !errors.Is(err, vault.ErrDestroyed) {
				t.Errorf("Open = %v", err)
			}
			if _, err := v.Seal(t.Context(), "k", nil, nil); !errors.Is(err, vault.ErrDestroyed) {
				t.Errorf("Seal = %v", err)
			}
			if got, err := v.Open(t.Context(), "other", other, nil); err != nil || string(got) != "arm 0" {
				t.Errorf("Open with another key = %q, %v", got, err)
			}
		}
	}
}

func TestDestroyBeforeCreateLeavesATombstone(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	if err := v.Destroy(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := v.Create(t.Context(), "k"); !errors.Is(err, vault.ErrDestroyed) {
		t.Errorf("Create = %v", err)
	}
}

// If the outcome of destroying is unknown, the store decides, not the cache.
func TestDestroyOfUnknownOutcomeDropsTheCachedKey(t *testing.T) {
	store := newMemory()
	v := open(t, store, rand.Reader)
	create(t, v, "k")
	seal(t, v, "k", "arm 1", "")
	store.fail = errors.New("disk gone")
	if err := v.Destroy(t.Context(), "k"); !errors.Is(err, store.fail) {
		t.Errorf("Destroy = %v", err)
	}
	if _, err := v.Seal(t.Context(), "k", nil, nil); !errors.Is(err, vault.ErrDestroyed) {
		t.Errorf("Seal = %v", err)
	}
}

// A wrapped key that lies under another name, or was changed in any byte, or
// belongs to another master key, opens nothing and is not replaced.
func TestDamagedKeysAreRefused(t *testing.T) {
	store := newMemory()
	v := open(t, store, rand.Reader)
	create(t, v, "a", "b")
	good := store.values["key/a"]
	damaged := [][]byte{{}, {1}, store.values["key/b"], good[:len(good)-1], append(bytes.Clone(good), 0)}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1
		damaged = append(damaged, changed)
	}
	for i, value := range damaged {
		store.values["key/a"] = value
		v := open(t, store, rand.Reader)
		_, err := v.Seal(t.Context(), "a", nil, nil)
		if err == nil || errors.Is(err, vault.ErrDestroyed) || errors.Is(err, vault.ErrSealed) {
			t.Errorf("damage %d: Seal = %v", i, err)
		}
		if err := v.Create(t.Context(), "a"); err == nil || !bytes.Equal(store.values["key/a"], value) {
			t.Errorf("damage %d: Create = %v", i, err)
		}
	}
	store.values["key/a"] = good
	stranger, err := vault.New(vault.Config{Master: [32]byte{1}, Store: store, NotFound: errNotFound, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Seal(t.Context(), "a", nil, nil); err == nil {
		t.Error("another master key opens the stored key")
	}
}

func TestErrorsNameNoKey(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	_, err := v.Seal(t.Context(), "ips/P1", nil, nil)
	if err == nil || strings.Contains(err.Error(), "P1") {
		t.Errorf("Seal without a key = %v", err)
	}
}

func TestKeyIDsHaveALength(t *testing.T) {
	v := open(t, newMemory(), rand.Reader)
	for id, ok := range map[vault.KeyID]bool{
		"": false, "k": true,
		vault.KeyID(strings.Repeat("k", 255)): true,
		vault.KeyID(strings.Repeat("k", 256)): false,
	} {
		if err := v.Create(t.Context(), id); (err == nil) != ok {
			t.Errorf("Create with %d bytes = %v", len(id), err)
		}
		if err := v.Destroy(t.Context(), id); (err == nil) != ok {
			t.Errorf("Destroy with %d bytes = %v", len(id), err)
		}
	}
}

// A source of randomness that fails leaves no key behind and seals nothing.
func TestEntropyFailureIsAnError(t *testing.T) {
	broken := errors.New("no entropy")
	for _, n := range []int{0, 31, 32, 55} {
		store := newMemory()
		v := open(t, store, readerOf(n, broken))
		if err := v.Create(t.Context(), "k"); !errors.Is(err, broken) || len(store.values) > 0 {
			t.Errorf("%d bytes: Create = %v, %d values", n, err, len(store.values))
		}
	}
	v := open(t, newMemory(), readerOf(56, broken))
	create(t, v, "k")
	if _, err := v.Seal(t.Context(), "k", nil, nil); !errors.Is(err, broken) {
		t.Errorf("Seal = %v", err)
	}
}

func readerOf(n int, err error) readerFunc {
	return func(p []byte) (int, error) {
		if n < len(p) {
			return iotest.ErrReader(err).Read(p)
		}
		n -= len(p)
		return len(p), nil
	}
}

// The cache is bounded, and a key that left it is read again.
func TestCacheIsBounded(t *testing.T) {
	store := newMemory()
	v := open(t, store, rand.Reader)
	const n = 5000 // more than the cache holds
	for i := range n {
		create(t, v, vault.KeyID(fmt.Sprint(i)))
	}
	sealAll := func() (reads int) {
		before := store.gets
		for i := range n {
			seal(t, v, vault.KeyID(fmt.Sprint(i)), "x", "")
		}
		return store.gets - before
	}
	if reads := sealAll(); reads != n {
		t.Errorf("%d keys read with an empty cache, want %d", reads, n)
	}
	if reads := sealAll(); reads < n-4096 || reads == n {
		t.Errorf("%d keys read with a full cache, want %d or more but not all", reads, n-4096)
	}
	before := store.gets
	seal(t, v, "4999", "x", "")
	seal(t, v, "4999", "x", "")
	if reads := store.gets - before; reads > 1 {
		t.Errorf("%d reads for a key used twice", reads)
	}
}

// A key that is destroyed while it is being loaded doesn't come back with what
// was read of it.
func TestDestroyWhileLoading(t *testing.T) {
	store := newMemory()
	create(t, open(t, store, rand.Reader), "k")
	v := open(t, store, rand.Reader) // nothing cached yet
	var wg sync.WaitGroup
	var destroyed atomic.Bool
	store.read = sync.OnceFunc(func() {
		wg.Go(func() {
			if err := v.Destroy(t.Context(), "k"); err != nil {
				t.Errorf("Destroy = %v", err)
			}
			destroyed.Store(true)
		})
		for i := 0; i < 10_000 && !destroyed.Load(); i++ {
			runtime.Gosched() // time enough, if nothing holds Destroy back
		}
	})
	seal(t, v, "k", "arm 1", "")
	wg.Wait()
	if _, err := v.Seal(t.Context(), "k", nil, nil); !errors.Is(err, vault.ErrDestroyed) {
		t.Errorf("Seal after Destroy = %v", err)
	}
}

// Callers at once: what was sealed opens, and once Destroy has returned nobody
// opens any more, not even by a key that was being loaded at that moment.
func TestConcurrentUse(t *testing.T) {
	store := newMemory()
	for range 50 {
		store.values = map[string][]byte{}
		creator := open(t, store, rand.Reader)
		create(t, creator, "k")
		sealed := seal(t, creator, "k", "arm 1", "")
		v := open(t, store, rand.Reader) // nothing cached yet
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				got, err := v.Open(t.Context(), "k", sealed, nil)
				if err != nil && !errors.Is(err, vault.ErrDestroyed) || err == nil && string(got) != "arm 1" {
					t.Errorf("Open = %q, %v", got, err)
				}
			})
			wg.Go(func() {
				if err := v.Create(t.Context(), "other"); err != nil {
					t.Errorf("Create = %v", err)
				}
			})
		}
		wg.Go(func() {
			if err := v.Destroy(t.Context(), "k"); err != nil {
				t.Errorf("Destroy = %v", err)
			}
		})
		wg.Wait()
		if _, err := v.Open(t.Context(), "k", sealed, nil); !errors.Is(err, vault.ErrDestroyed) {
			t.Fatalf("Open after Destroy = %v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	v := open(f, newMemory(), entropy())
	create(f, v, "k")
	f.Add(seal(f, v, "k", "arm 1", ""))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := v.Open(t.Context(), "k", sealed, nil)
		if err == nil && string(plain) != "arm 1" {
			t.Errorf("forged: %x", sealed)
		}
	})
}
