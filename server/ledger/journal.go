package ledger

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"runtime"
	"sync"

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

	writers, readers sync.Pool // of *entry.Writer and *entry.Reader
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
	w := j.writer()
	defer j.writers.Put(w)
	b, err := w.Write(e, list, index)
	if err != nil {
		return nil, err
	}
	if len(b) > store.MaxRecord {
		return nil, tooLarge(len(b))
	}
	return b, nil
}

// size returns how many bytes marshal makes of e at most, wherever it will stand.
func (j *journal) size(e entry.Entry) (int, error) {
	w := j.writer()
	defer j.writers.Put(w)
	e.ConductSize = math.MaxInt64
	return w.Size(e)
}

func (j *journal) writer() *entry.Writer {
	if w, ok := j.writers.Get().(*entry.Writer); ok {
		return w
	}
	return entry.NewWriter(j.key)
}

func tooLarge(size int) error {
	return &trial.Invalid{Field: "request", Problem: fmt.Sprintf("makes an entry of %d bytes, at most %d are stored; send less at once", size, store.MaxRecord)}
}

// unmarshal is the inverse of marshal. It refuses what this server didn't write
// as entry index of the list.
func (j *journal) unmarshal(list string, index int64, b []byte) (entry.Entry, error) {
	r := j.reader()
	defer j.readers.Put(r)
	return decode(r, list, index, b)
}

func (j *journal) reader() *entry.Reader {
	if r, ok := j.readers.Get().(*entry.Reader); ok {
		return r
	}
	return entry.NewReader(j.key)
}

func decode(r *entry.Reader, list string, index int64, b []byte) (entry.Entry, error) {
	if !r.Authentic(b, list, index) {
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

// A batch is some entries of a list, and what is wrong with the one after them,
// if anything is.
type batch struct {
	entries []entry.Placed
	err     error
}

// batches yields the first hi entries of a list, some at a time. What is yielded
// is used again for later ones. Codes are checked and entries decoded on every
// core, ahead of the caller. After an error it ends.
func (j *journal) batches(ctx context.Context, list string, hi int64) iter.Seq2[[]entry.Placed, error] {
	return func(yield func([]entry.Placed, error) bool) {
		depth := runtime.GOMAXPROCS(0)
		free := make(chan []entry.Placed, depth+1) // one is with the caller
		for range depth + 1 {
			free <- make([]entry.Placed, 0, min(chunk, hi))
		}
		for b := range ahead.Of((hi+chunk-1)/chunk, depth, func(i int64) batch {
			return j.read(ctx, list, [2]int64{i * chunk, min((i+1)*chunk, hi)}, <-free)
		}) {
			if !yield(b.entries, nil) {
				return
			}
			if b.err != nil {
				yield(nil, b.err)
				return
			}
			free <- b.entries[:0]
		}
	}
}

// read adds the entries of a list in a half open range to into.
func (j *journal) read(ctx context.Context, list string, in [2]int64, into []entry.Placed) batch {
	stored, err := j.log.Read(ctx, list, in[0], in[1])
	if err != nil {
		return batch{into, fmt.Errorf("ledger: read %s: %w", list, err)}
	}
	r := j.reader()
	defer j.readers.Put(r)
	for i, b := range stored {
		index := in[0] + int64(i)
		e, err := decode(r, list, index, b)
		if err != nil {
			return batch{into, err}
		}
		into = append(into, entry.Placed{Index: index, Entry: e})
	}
	return batch{into, nil}
}
