package ledger

import (
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/ahead"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// A journal writes and reads the entries of this server. The log shows whether
// anybody changed what was signed once; that nobody but this server added what
// wasn't signed yet, the code of each entry shows, whose key lies outside the
// store.
type journal struct {
	log    *audit.Log
	random io.Reader
	clock  clock
	key    [32]byte
}

func newJournal(c Config) *journal {
	return &journal{log: c.Log, random: c.Random, clock: clock{now: c.Now}, key: c.Vault.Subkey("log entries")}
}

// Format implements [fmt.Formatter]: a journal holds a key.
func (*journal) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// MarshalText implements [encoding.TextMarshaler], for JSON and structured logs.
func (*journal) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

// marshal returns the bytes of entry index of a list, with a fresh nonce.
func (j *journal) marshal(list string, index int64, e entry.Entry) ([]byte, error) {
	if _, err := io.ReadFull(j.random, e.Nonce[:]); err != nil {
		return nil, fmt.Errorf("ledger: read nonce: %w", err)
	}
	b, err := entry.Marshal(e)
	if err != nil {
		return nil, err
	}
	if n := len(b) + entry.MACOverhead; n > store.MaxRecord {
		return nil, tooLarge(n)
	}
	return entry.Authenticate(b, j.key, list, index), nil
}

func tooLarge(size int) error {
	return &trial.Invalid{Field: "request", Problem: fmt.Sprintf("makes an entry of %d bytes, at most %d are stored; send less at once", size, store.MaxRecord)}
}

// unmarshal is the inverse of marshal. It refuses what this server didn't write
// as entry index of the list.
func (j *journal) unmarshal(list string, index int64, b []byte) (entry.Entry, error) {
	return decode(entry.NewReader(j.key, list), list, index, b)
}

func decode(r *entry.Reader, list string, index int64, b []byte) (entry.Entry, error) {
	if !r.Authentic(b, index) {
		return entry.Entry{}, fmt.Errorf("ledger: entry %d of %s was not written by this server; bring back the newest copy of the store that was", index, list)
	}
	e, err := r.Unmarshal(b)
	if err != nil {
		return entry.Entry{}, fmt.Errorf("ledger: entry %d of %s: %w", index, list, err)
	}
	return e, nil
}

// chunk is how many entries are read at once: enough to be fast, few enough
// that memory doesn't grow with the log.
const chunk = 512

type record struct {
	entry entry.Entry
	err   error
}

// entries yields the first hi entries of a list with their indexes. Codes are
// checked and entries decoded on every core, ahead of the caller. After an error
// it ends.
func (j *journal) entries(ctx context.Context, list string, hi int64) iter.Seq2[int64, record] {
	return func(yield func(int64, record) bool) {
		depth := runtime.GOMAXPROCS(0)
		readers := make(chan *entry.Reader, depth)
		for range depth {
			readers <- entry.NewReader(j.key, list)
		}
		at := int64(0)
		for records := range ahead.Of((hi+chunk-1)/chunk, depth, func(i int64) []record {
			r := <-readers
			defer func() { readers <- r }()
			return j.read(ctx, r, list, i*chunk, min((i+1)*chunk, hi))
		}) {
			for _, r := range records {
				if !yield(at, r) || r.err != nil {
					return
				}
				at++
			}
		}
	}
}

// read returns the entries [lo, hi) of a list, or what is wrong with each.
func (j *journal) read(ctx context.Context, r *entry.Reader, list string, lo, hi int64) []record {
	stored, err := j.log.Read(ctx, list, lo, hi)
	if err != nil {
		return []record{{err: fmt.Errorf("ledger: read %s: %w", list, err)}}
	}
	records := make([]record, 0, len(stored))
	for i, b := range stored {
		e, err := decode(r, list, lo+int64(i), b)
		records = append(records, record{e, err})
	}
	return records
}
