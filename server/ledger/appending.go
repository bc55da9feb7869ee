package ledger

import (
	"context"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// An appending is a batch on its way into the log.
type appending struct {
	at    time.Time
	parts map[trial.Compartment]*audit.Part
	order []trial.Compartment
	bytes int // of all entries
	// lag is that of the trial before the batch.
	lag time.Duration
	// later says that steps, the entries of the batch, are applied only once
	// they are durable. Else they are applied as they are added, so that one
	// that the rules refuse never reaches the log.
	later bool
	steps []step
	// receipts are those of the entries of each part, once it is durable.
	receipts map[trial.Compartment][]audit.Receipt
}

// A step is an entry that isn't applied yet.
type step struct {
	in    trial.Compartment
	meta  trial.Meta
	event trial.Event
}

// next returns the index of the next entry of a compartment.
func (b *appending) next(s *trial.State, c trial.Compartment) int64 {
	if p := b.parts[c]; p != nil {
		return p.At + int64(len(p.Entries))
	}
	return s.Len(c)
}

// add marshals an event and applies it, or leaves that for later.
func (t *Trial) add(ctx context.Context, b *appending, by Caller, e trial.Event) error {
	in := t.state.Compartment(e)
	by = by.of(e)
	m := trial.Meta{At: b.at, Actor: by.Actor, Role: by.Role, Request: by.Request, Index: b.next(t.state, in)}
	rec := entry.Entry{At: b.at, Actor: by.Actor, Role: string(by.Role), Request: by.Request, Event: e}
	if in != trial.Conduct {
		rec.ConductSize = b.next(t.state, trial.Conduct)
	}
	data, err := t.journal.marshal(list(t.id, in), m.Index, rec)
	if err != nil {
		return err
	}
	if b.parts[in] == nil {
		b.parts[in] = &audit.Part{List: list(t.id, in), At: m.Index}
		b.order = append(b.order, in)
	}
	b.parts[in].Entries = append(b.parts[in].Entries, data)
	b.bytes += len(data)
	if b.later {
		b.steps = append(b.steps, step{in, m, e})
		return nil
	}
	return t.fold1(ctx, t.fold, in, m, e)
}

// append makes the batch durable.
func (t *Trial) append(ctx context.Context, b *appending) error {
	parts := make([]audit.Part, len(b.order))
	for i, in := range b.order {
		parts[i] = *b.parts[in]
	}
	receipts, err := t.config.Log.Append(ctx, parts...)
	if err != nil {
		return err
	}
	b.receipts = map[trial.Compartment][]audit.Receipt{}
	for i, in := range b.order {
		n := len(parts[i].Entries)
		b.receipts[in], receipts = receipts[:n], receipts[n:]
	}
	return nil
}

// write appends the batch without mu, which the caller holds: meanwhile those may
// look ahead who prepare the commands of the next batch. Only the owner changes what
// mu guards, so that all is as it was.
func (t *Trial) write(ctx context.Context, b *appending) error {
	t.mu.Unlock()
	defer t.mu.Lock() // even after a panic
	return t.append(ctx, b)
}
