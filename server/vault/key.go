package vault

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// Create makes the key id, unless it is there already. It returns when the key
// is durable.
//
// The error wraps [ErrDestroyed] if the key was destroyed.
func (v *Vault) Create(ctx context.Context, id KeyID) error {
	if _, err := v.key(ctx, id); !errors.Is(err, ErrAbsent) {
		return err // it is there, as nearly always, or can't be
	}
	v.change.Lock()
	defer v.change.Unlock()
	switch _, err := v.load(ctx, id); { // another caller may have made it meanwhile
	case err == nil:
		return nil
	case !errors.Is(err, ErrAbsent):
		return err
	}
	key := make([]byte, chacha20poly1305.KeySize)
	if _, err := io.ReadFull(v.random, key); err != nil {
		return fmt.Errorf("vault: read new key: %w", err)
	}
	wrapped, err := v.seal(v.wrap, key, bind(formatKey, id, nil))
	if err != nil {
		return err
	}
	if err := v.store.Put(ctx, name(id), wrapped); err != nil {
		return fmt.Errorf("vault: store key: %w", err)
	}
	return nil
}

// Destroy makes everything that was sealed with the key id unreadable, for
// ever. A tombstone stays in its place, also if there was no such key. To
// destroy twice is no error.
func (v *Vault) Destroy(ctx context.Context, id KeyID) error {
	if err := id.check(); err != nil {
		return err
	}
	v.change.Lock()
	defer v.change.Unlock()
	v.cache.drop(id) // first: if Put's outcome is unknown, the store decides
	if err := v.store.Put(ctx, name(id), []byte{formatTombstone}); err != nil {
		return fmt.Errorf("vault: destroy key: %w", err)
	}
	return nil
}

// Destroyed reports whether the key id was destroyed. A key that was never made
// wasn't.
func (v *Vault) Destroyed(ctx context.Context, id KeyID) (bool, error) {
	if err := id.check(); err != nil {
		return false, err
	}
	v.change.RLock()
	defer v.change.RUnlock()
	wrapped, err := v.store.Get(ctx, name(id))
	switch {
	case errors.Is(err, v.notFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("vault: read key: %w", err)
	}
	return Tombstone(wrapped), nil
}

// Check returns why what is sealed with the key id can't be opened, whatever it
// is: there is no key, or it was destroyed, or it is not of this vault.
//
// The error wraps [ErrAbsent] or [ErrDestroyed], if it is one of these.
func (v *Vault) Check(ctx context.Context, id KeyID) error {
	v.change.RLock()
	defer v.change.RUnlock()
	_, err := v.load(ctx, id) // from the store: the cache says nothing about it
	return err
}

// key returns the key id ready for use, from the cache or the store.
func (v *Vault) key(ctx context.Context, id KeyID) (cipher.AEAD, error) {
	if aead, ok := v.cache.get(id); ok {
		return aead, nil
	}
	v.change.RLock()
	defer v.change.RUnlock()
	aead, err := v.load(ctx, id)
	if err != nil {
		return nil, err
	}
	v.cache.put(id, aead)
	return aead, nil
}

// load reads and unwraps the key id. The caller holds v.change.
func (v *Vault) load(ctx context.Context, id KeyID) (cipher.AEAD, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	wrapped, err := v.store.Get(ctx, name(id))
	switch {
	case errors.Is(err, v.notFound):
		return nil, ErrAbsent
	case err != nil:
		return nil, fmt.Errorf("vault: read key: %w", err)
	case Tombstone(wrapped):
		return nil, ErrDestroyed
	}
	key, err := open(v.wrap, wrapped, bind(formatKey, id, nil))
	if err != nil {
		// Not ErrSealed: that speaks of the caller's bytes, this of the store's.
		return nil, errors.New("vault: a stored key does not open: it is damaged, or the store belongs to another master key; restore the keys folder that belongs to this store")
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("vault: stored key: %w", err)
	}
	return aead, nil
}

// Tombstone reports whether a value of the store says that its key was destroyed.
func Tombstone(wrapped []byte) bool { return len(wrapped) == 1 && wrapped[0] == formatTombstone }

func name(id KeyID) string { return "key/" + string(id) }

func (id KeyID) check() error {
	if len(id) == 0 || len(id) > maxID {
		return fmt.Errorf("vault: a key id has 1 to %d bytes, not %d", maxID, len(id))
	}
	return nil
}

// maxCached bounds the keys held unwrapped: 4,096 of about 150 bytes.
const maxCached = 4096

// A cache holds unwrapped keys. mu guards keys.
type cache struct {
	mu   sync.Mutex
	keys map[KeyID]cipher.AEAD
}

func (c *cache) get(id KeyID) (cipher.AEAD, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	aead, ok := c.keys[id]
	return aead, ok
}

// put adds a key; a full cache drops any other: to load one again costs a read.
func (c *cache) put(id KeyID, aead cipher.AEAD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= maxCached {
		for other := range c.keys {
			delete(c.keys, other)
			break
		}
	}
	c.keys[id] = aead
}

func (c *cache) drop(id KeyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
}
