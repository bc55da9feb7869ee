// Package store defines what the audit log asks of a storage engine: durable
// lists of records that only grow, and a small map of values that can be
// deleted.
//
// Three things are promised for lists, and nothing else may be assumed: an
// append of several lists happens entirely or not at all, it is durable when
// Append returns, and it happens only if every list has the length that the
// caller expects. Package storetest checks them; every engine runs it.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Limits of what a store keeps.
const (
	// MaxRecord is the most bytes in one record and in one value of the map.
	//
	// Source: C2SP tlog-tiles (2025), log entries: 16-bit length prefix.
	MaxRecord = 65535

	// MaxName is the most bytes in the name of a list and in a key of the map.
	MaxName = 255
)

var (
	// ErrConflict is returned by Append when a list has another length than
	// the caller expects: another writer came first. Nothing was written.
	ErrConflict = errors.New("store: list has another length")

	// ErrUnknown is returned when a write may or may not have happened, and by
	// every method after that: the store must be closed and opened again.
	ErrUnknown = errors.New("store: outcome of a write is unknown, open the store again")

	// ErrFull is returned by a write for which there is no room. Nothing was
	// written, and the store goes on serving.
	ErrFull = errors.New("store: no room left")

	// ErrRefused is returned by a write that the engine doesn't take at present,
	// and not for lack of room: somebody has to change a right, or give back
	// what is away. Nothing was written, and the store goes on serving.
	ErrRefused = errors.New("store: writes are refused")

	// ErrNotFound is returned by Get for a key that is not in the map.
	ErrNotFound = errors.New("store: no such key")
)

// A DamageError says that stored data cannot be what was written. It names the
// first bad record, as far as it is known.
type DamageError struct {
	// List is the list that is damaged; it is empty if the damage is to the
	// store as a whole.
	List string

	// Index is the index of the first bad record of the list, or -1 if the
	// damage is not to a list.
	Index int64

	// Reason says what is wrong.
	Reason string
}

// Error implements error.
func (e *DamageError) Error() string {
	if e.Index < 0 {
		return "store: damaged: " + e.Reason
	}
	return fmt.Sprintf("store: damaged: list %q: record %d: %s", e.List, e.Index, e.Reason)
}

// A Part is what one Append adds to one list.
type Part struct {
	// List is the name of the list, 1 to MaxName bytes. A list begins to exist
	// with its first record.
	List string

	// At is the length that the list must have, 0 or more.
	At int64

	// Records are added in order; each has at most MaxRecord bytes and may be
	// empty. A part without records only demands the length.
	Records [][]byte
}

// A Store is a set of durable lists of records, and a small map. Records are
// never changed or removed; the map exists for what must be deletable, such as
// wrapped keys. All methods may be called concurrently.
type Store interface {
	// Append adds records to several lists, all or none, and returns when they
	// are durable. A list may occur more than once; its parts are then taken
	// in order. The store keeps no reference to the records.
	//
	// It returns an error that wraps ErrConflict, ErrFull, ErrRefused or ErrUnknown. Any
	// other error means that a part is not valid, that the context was done
	// before the write began, or that the store is closed: nothing was
	// written.
	Append(ctx context.Context, parts ...Part) error

	// Len returns the number of records of a list, which is 0 for a list that
	// does not exist.
	Len(ctx context.Context, list string) (int64, error)

	// Read returns the records [lo, hi) of a list. The caller owns them. It is
	// an error to ask for a record at or beyond Len. It returns a
	// *[DamageError] if a record is not what was written.
	Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error)

	// Lists returns the names of the lists that begin with prefix, sorted.
	Lists(ctx context.Context, prefix string) ([]string, error)

	// Snapshot writes a consistent copy of the whole store to w, in the form
	// that the engine opens. Appends go on meanwhile.
	Snapshot(ctx context.Context, w io.Writer) error

	// Get returns the value of a key. The caller owns it. It returns an error
	// that wraps ErrNotFound if there is none.
	Get(ctx context.Context, key string) ([]byte, error)

	// Keys returns the keys of the map that begin with prefix, sorted.
	Keys(ctx context.Context, prefix string) ([]string, error)

	// Put sets the value of a key and returns when it is durable. If it
	// replaces a value, that one is gone as after Delete. A key has 1 to
	// MaxName bytes, a value at most MaxRecord. Errors are those of Append.
	Put(ctx context.Context, key string, value []byte) error

	// Delete removes a key and returns when that is durable and the store
	// itself no longer holds the value anywhere, as far as the engine can
	// reach: not in what it has freed either. It is no error if there is no
	// such key. Errors are those of Append.
	Delete(ctx context.Context, key string) error

	// Close waits for running calls and releases the store. Every call after
	// it fails.
	Close() error
}

// Check returns an error if one of the parts can never be appended: a name or
// a record has a length that is not allowed, or At is negative.
func Check(parts ...Part) error {
	for _, p := range parts {
		if p.List == "" || len(p.List) > MaxName {
			return fmt.Errorf("store: name of list %q has %d bytes, want 1 to %d", p.List, len(p.List), MaxName)
		}
		if p.At < 0 {
			return fmt.Errorf("store: list %s: at %d: %w", p.List, p.At, ErrConflict)
		}
		for i, r := range p.Records {
			if len(r) > MaxRecord {
				return fmt.Errorf("store: list %s: record %d has %d bytes, at most %d are allowed", p.List, p.At+int64(i), len(r), MaxRecord)
			}
		}
	}
	return nil
}

// CheckValue returns an error if the map can never hold the value.
func CheckValue(key string, value []byte) error {
	if key == "" || len(key) > MaxName {
		return fmt.Errorf("store: key %q has %d bytes, want 1 to %d", key, len(key), MaxName)
	}
	if len(value) > MaxRecord {
		return fmt.Errorf("store: value of key %s has %d bytes, at most %d are allowed", key, len(value), MaxRecord)
	}
	return nil
}
