package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// Commands share one append up to these limits. A command makes at most two
// entries, so that what an append takes, [audit.MaxEntries] and
// [audit.MaxBytes], is enough for one more command and for the entry of a clock
// that stepped back.
const (
	maxBatch = 256
	maxBytes = audit.MaxBytes - 3*store.MaxRecord
)

// A call is one command on its way.
type call struct {
	ctx      context.Context
	by       Caller
	proposal trial.Event
	// unless reports why the command no longer fits the state; it may be nil.
	unless func(*trial.State) error
	// follow is appended after what follows from the proposal; it may be nil.
	follow trial.Event

	events   []trial.Event
	at       place // of the first event, or of the earlier request's
	repeated bool
	receipt  Receipt
	err      error
	done     chan struct{}
}

// An Answer is what became of a command.
type Answer struct {
	// Receipt is of the first entry. It is empty if the command needed none.
	Receipt Receipt
	// Events are what was appended, for a repeated request the first event.
	Events []trial.Event
}

// Do decides a command, appends what follows from it, and returns when that is
// durable. The context is looked at before the command is queued and never
// after. A request id that was used for the same command gives the same answer;
// for another one Do fails with [ErrReused].
//
// Beside the errors of package trial it fails with [ErrBusy], [ErrFull] and
// [ErrUnknown].
func (t *Trial) Do(ctx context.Context, by Caller, proposal trial.Event) (Answer, error) {
	return t.do(&call{ctx: ctx, by: by, proposal: proposal, done: make(chan struct{})})
}

func (t *Trial) do(c *call) (Answer, error) {
	if err := c.ctx.Err(); err != nil {
		return Answer{}, fmt.Errorf("ledger: %w", err)
	}
	if err := fits(c.by, c.proposal); err != nil {
		return Answer{}, err
	}
	if err := t.enqueue(c); err != nil {
		return Answer{}, err
	}
	<-c.done
	return Answer{c.receipt, c.events}, c.err
}

// fits reports a command that can't be stored: one that is too large, or whose
// text is no UTF-8. Found out later, it would fail all commands of its batch.
func fits(by Caller, e trial.Event) error {
	const nonce, place = 2 + entry.NonceSize, 11 // are filled in when it is decided
	b, err := entry.Marshal(entry.Entry{Actor: by.Actor, Role: string(by.Role), Request: by.Request, Event: e})
	if err != nil {
		return &trial.Invalid{Field: "request", Problem: err.Error()}
	}
	if n := len(b) + nonce + place; n > store.MaxRecord {
		return tooLarge(n)
	}
	return nil
}

func (t *Trial) enqueue(c *call) error {
	t.stopping.RLock()
	defer t.stopping.RUnlock()
	if t.stopped {
		return fmt.Errorf("%w: the server is stopping", ErrBusy)
	}
	select {
	case t.queue <- c:
		return nil
	default:
		return ErrBusy
	}
}

// stop lets the owner finish what waits, and waits for it.
func (t *Trial) stop() {
	t.stopping.Lock()
	if !t.stopped {
		t.stopped = true
		close(t.queue)
	}
	t.stopping.Unlock()
	<-t.done
}

// run is the owner: it takes one command and whatever else waits. There is no
// timer: alone a command is committed at once, under load many share a commit.
func (t *Trial) run() {
	defer close(t.done)
	for c := range t.queue {
		batch := []*call{c}
		for len(batch) < maxBatch && len(t.queue) > 0 {
			batch = append(batch, <-t.queue)
		}
		for len(batch) > 0 {
			n := t.commit(batch)
			for _, c := range batch[:n] {
				close(c.done)
			}
			batch = batch[n:]
		}
	}
}

// commit carries out the first commands of a batch, as many as one append
// takes, and returns how many. Nobody sees the state before the append is
// durable, since mu is held until then.
func (t *Trial) commit(batch []*call) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	ctx := context.WithoutCancel(batch[0].ctx)
	if t.down != nil {
		refuse(batch, t.down)
		return len(batch)
	}
	b := &appending{parts: map[trial.Compartment]*audit.Part{}}
	b.at = t.config.stamp()
	if last := t.state.Last(); b.at.Before(last) {
		back := last.Sub(b.at)
		b.at = last
		t.noteClock(ctx, b, back)
	} else {
		t.lag = 0
	}
	for i, c := range batch {
		if t.down != nil {
			break
		}
		if b.bytes > maxBytes {
			batch = batch[:i]
			break
		}
		t.decide(ctx, b, c)
	}
	err := t.down
	if err == nil && len(b.order) > 0 {
		err = outcome(t.append(ctx, b))
	}
	if err != nil {
		t.recover(ctx, batch, err)
	} else {
		t.finish(ctx, b, batch)
	}
	return len(batch)
}

// An appending is a batch on its way into the log.
type appending struct {
	at    time.Time
	parts map[trial.Compartment]*audit.Part
	order []trial.Compartment
	bytes int // of all entries
	// receipts are those of the entries of each part, once it is durable.
	receipts map[trial.Compartment][]audit.Receipt
}

// noteClock records a clock that went backwards, once for each step: until it
// has caught up, entries bear the last time.
func (t *Trial) noteClock(ctx context.Context, b *appending, back time.Duration) {
	if back <= t.lag {
		t.lag = back
		return
	}
	t.lag = back
	if err := t.add(ctx, b, Caller{Actor: "server"}, trial.ClockSteppedBack{By: back}); err != nil {
		t.down = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

// decide decides one command and adds its entries to the batch.
func (t *Trial) decide(ctx context.Context, b *appending, c *call) {
	if at, ok := t.requests[c.by.Request]; ok && c.by.Request != (trial.RequestID{}) {
		c.at, c.repeated = at.place(), true
		return
	}
	if c.unless != nil {
		if c.err = c.unless(t.state); c.err != nil {
			return
		}
	}
	m := trial.Meta{At: b.at, Actor: c.by.Actor, Role: c.by.Role, Request: c.by.Request}
	events, err := t.state.Decide(m, c.proposal)
	if err != nil {
		c.err = err
		return
	}
	if c.follow != nil {
		events = append(events, c.follow)
	}
	for i, e := range events {
		if a, ok := e.(trial.Allocated); ok {
			if a.Sealed, c.err = t.sealArm(ctx, t.deck, a); c.err != nil {
				t.down = fmt.Errorf("%w: %w", ErrUnknown, c.err) // half a command is applied
				return
			}
			e, events[i] = a, a
		}
		if i == 0 {
			c.at = place{t.state.Compartment(e), t.state.Len(t.state.Compartment(e))}
		}
		if err := t.add(ctx, b, c.by, e); err != nil {
			c.err, t.down = err, fmt.Errorf("%w: %w", ErrUnknown, err)
			return
		}
	}
	c.events = events
}

// add marshals an event and applies it.
func (t *Trial) add(ctx context.Context, b *appending, by Caller, e trial.Event) error {
	in := t.state.Compartment(e)
	m := trial.Meta{At: b.at, Actor: by.Actor, Role: by.Role, Request: by.Request, Index: t.state.Len(in)}
	rec := entry.Entry{At: b.at, Actor: by.Actor, Role: string(by.Role), Request: by.Request, Event: e}
	if in != trial.Conduct {
		rec.ConductSize = t.state.Len(trial.Conduct)
	}
	data, err := t.config.marshal(rec)
	if err != nil {
		return err
	}
	if b.parts[in] == nil {
		b.parts[in] = &audit.Part{List: list(t.id, in), At: m.Index}
		b.order = append(b.order, in)
	}
	b.parts[in].Entries = append(b.parts[in].Entries, data)
	b.bytes += len(data)
	return t.fold1(ctx, t.fold, in, m, e)
}

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

// recover answers a batch whose append failed, and takes back what was applied
// by reading the log again. If that fails too, the trial is down.
func (t *Trial) recover(ctx context.Context, batch []*call, err error) {
	refuse(batch, err)
	t.down, t.lag = nil, 0 // a step of the clock isn't in the log, either
	if again := t.load(ctx); again != nil {
		t.down = fmt.Errorf("%w: %w", ErrUnknown, again)
	}
}

// refuse gives an error to every call of a batch, also to those that were
// refused for a reason of their own: it may be that of an entry which isn't
// there.
func refuse(batch []*call, err error) {
	for _, c := range batch {
		c.err, c.events = err, nil
	}
}
