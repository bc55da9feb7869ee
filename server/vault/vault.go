// Package vault seals what the log must not show, and destroys what must be
// forgotten. Each key has an id, is wrapped under a key derived from the
// server's master key, and lies in a small mutable map beside the log. Once a
// key is destroyed, whatever was sealed with it is lost, while the log that
// holds the sealed bytes still verifies.
//
// Sealing is XChaCha20-Poly1305 with a random nonce of 24 bytes, long enough to
// draw any number of them for one key, also after a restore from a backup.
// Every random byte comes from the injected reader in a fixed order.
//
// Destruction reaches the store, not its backups: an older backup still holds
// the wrapped key, and only the master key, which lies elsewhere, opens it.
// Backups must be kept no longer than the protocol's rule for erasure allows.
//
// No error names a key id: ids may hold a participant's pseudonym, and errors
// end up in the server's log.
package vault

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// Overhead is by how many bytes a sealed text is longer than its plaintext.
const Overhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// maxID is the greatest length of a key id in bytes.
const maxID = 255

// ErrDestroyed is returned when the key was destroyed. It can't be made again
// under the same id.
var ErrDestroyed = errors.New("vault: the key was destroyed")

// ErrAbsent is returned when no key was ever made under the id.
var ErrAbsent = errors.New("vault: there is no such key")

// ErrSealed is returned by [Vault.Open] when sealed bytes don't open: another
// key or associated data, or a changed byte. It doesn't tell which.
var ErrSealed = errors.New("vault: the sealed bytes do not open with this key and context")

// A KeyID names a key: 1 to 255 bytes, for instance a trial, a slash and a
// participant.
type KeyID string

// A Store is the small mutable map that keeps wrapped keys, under names that
// begin with "key/". Its methods may be called concurrently; Put returns when
// the value is durable.
type Store interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

// Config is what a vault is made of. All fields are needed.
type Config struct {
	// Master is the key over all others, 32 bytes that are not all zero.
	Master [32]byte

	// Store keeps the wrapped keys. One vault at a time may use it.
	Store Store

	// NotFound is what Store.Get's error wraps if there is no value.
	NotFound error

	// Random is the source of keys and nonces. It must be safe for concurrent
	// use if the vault is used so, as crypto/rand.Reader is.
	Random io.Reader
}

// A Vault seals and opens. Its methods may be called concurrently.
type Vault struct {
	store    Store
	notFound error
	random   io.Reader
	master   [32]byte
	wrap     cipher.AEAD

	// change is held for writing while a stored key changes and for reading
	// while one is loaded, so that no load puts a destroyed key back in cache.
	change sync.RWMutex
	cache  cache
}

// New returns a vault. It neither reads nor writes the store.
func New(c Config) (*Vault, error) {
	switch {
	case c.Master == [32]byte{}:
		return nil, errors.New("vault: the master key is missing")
	case c.Store == nil || c.NotFound == nil || c.Random == nil:
		return nil, errors.New("vault: Store, NotFound and Random are needed")
	}
	wrap := derive(c.Master, "wrap")
	aead, err := chacha20poly1305.NewX(wrap[:])
	if err != nil {
		return nil, fmt.Errorf("vault: wrapping key: %w", err)
	}
	return &Vault{
		store: c.Store, notFound: c.NotFound, random: c.Random, master: c.Master, wrap: aead,
		cache: cache{keys: map[KeyID]cipher.AEAD{}},
	}, nil
}

// Format implements [fmt.Formatter]: a vault doesn't print.
func (*Vault) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// Subkey returns a key of its own for purpose, derived from the master key: the
// same master and purpose give the same key for ever.
//
// Source: RFC 5869 (2010), HKDF with SHA-256.
func (v *Vault) Subkey(purpose string) [32]byte {
	return derive(v.master, "subkey/"+purpose)
}

func derive(master [32]byte, purpose string) (key [32]byte) {
	b, err := hkdf.Key(sha256.New, master[:], nil, "lodd/vault/v1/"+purpose, len(key))
	if err != nil {
		panic(err) // only for lengths that aren't allowed, and these are constants
	}
	copy(key[:], b)
	return key
}

// Seal returns plaintext sealed with the key id, [Overhead] bytes longer. It
// opens only with the same key and the same ad, the associated data that says
// where the sealed bytes belong and is not itself stored in them.
//
// The error wraps [ErrAbsent] or [ErrDestroyed] if there is no key.
func (v *Vault) Seal(ctx context.Context, id KeyID, plaintext, ad []byte) ([]byte, error) {
	aead, err := v.key(ctx, id)
	if err != nil {
		return nil, err
	}
	return v.seal(aead, plaintext, bind(formatText, id, ad))
}

// Open returns what was sealed with the key id and ad.
//
// The error wraps [ErrAbsent], [ErrDestroyed] or [ErrSealed].
func (v *Vault) Open(ctx context.Context, id KeyID, sealed, ad []byte) ([]byte, error) {
	aead, err := v.key(ctx, id)
	if err != nil {
		return nil, err
	}
	return open(aead, sealed, bind(formatText, id, ad))
}

// The first byte of whatever the vault writes. A released number never gets
// another meaning.
const (
	formatTombstone = 0 // a destroyed key: this byte alone
	formatKey       = 1 // a wrapped key: format, nonce, ciphertext
	formatText      = 2 // a sealed text: format, nonce, ciphertext
)

// bind returns the associated data of a sealed record: format, key id and the
// caller's own, so that no record can stand in for another.
func bind(format byte, id KeyID, ad []byte) []byte {
	b := make([]byte, 0, 3+len(id)+len(ad))
	b = append(b, format)
	b = binary.BigEndian.AppendUint16(b, uint16(len(id)))
	b = append(b, id...)
	return append(b, ad...)
}

// seal returns format, nonce and ciphertext; ad begins with the format.
func (v *Vault) seal(aead cipher.AEAD, plaintext, ad []byte) ([]byte, error) {
	const head = 1 + chacha20poly1305.NonceSizeX
	out := make([]byte, head, len(plaintext)+Overhead)
	out[0] = ad[0]
	if _, err := io.ReadFull(v.random, out[1:head]); err != nil {
		return nil, fmt.Errorf("vault: read nonce: %w", err)
	}
	return aead.Seal(out, out[1:head], plaintext, ad), nil
}

func open(aead cipher.AEAD, sealed, ad []byte) ([]byte, error) {
	const head = 1 + chacha20poly1305.NonceSizeX
	if len(sealed) < Overhead || sealed[0] != ad[0] {
		return nil, ErrSealed
	}
	plaintext, err := aead.Open(nil, sealed[1:head], sealed[head:], ad)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}
