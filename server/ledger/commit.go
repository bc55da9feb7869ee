package ledger

import (
	"context"
	"errors"
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
	at       place // of the first event that names the caller, or of the earlier request's
	repeated bool
	receipt  Receipt
	err      error
	done     chan struct{}
}

// An Answer is what became of a command.
type Answer struct {
	// Receipt is of the first entry that names the caller. It is empty if the
	// command needed none.
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
	if err := t.journal.fits(c.by, c.proposal); err != nil {
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
func (j *journal) fits(by Caller, e trial.Event) error {
	n, err := j.size(entry.Entry{Actor: by.Actor, Role: string(by.Role), Request: by.Request, Event: e})
	if err != nil {
		return &trial.Invalid{Field: "request", Problem: err.Error()}
	}
	if n > store.MaxRecord {
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
//
// It survives a panic in a commit: the commands get [ErrUnknown], and the trial
// is down until the log is opened again.
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

// commit carries out the first commands of a batch and returns how many. Nobody
// is shown the state before the append is durable, since unsure is held until
// then; mu is given up while the log writes, see write.
func (t *Trial) commit(batch []*call) (n int) {
	t.unsure.Lock()
	defer t.unsure.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		if p := recover(); p != nil { // its text may name a participant, its type can't
			t.down = fmt.Errorf("%w: panic of type %T", ErrUnknown, p)
			refuse(batch, t.down)
			n = len(batch)
		}
	}()
	if t.down != nil {
		refuse(batch, t.down)
		return len(batch)
	}
	ctx := context.WithoutCancel(batch[0].ctx)
	b, n, err := t.attempt(ctx, batch)
	if errors.Is(err, ErrBusy) && errors.Is(err, store.ErrConflict) { // another writer came first
		if t.recover(ctx, b, err); t.down == nil {
			b, n, err = t.attempt(ctx, batch)
		}
	}
	if err != nil {
		n = max(n, 1)
		t.recover(ctx, b, err)
		refuse(batch[:n], err)
		return n
	}
	t.finish(ctx, b, batch[:n])
	return n
}

// attempt decides commands, as many as one append takes, appends what follows
// from them, and returns how many. The error is [ErrUnknown], [ErrFull] or
// [ErrBusy].
func (t *Trial) attempt(ctx context.Context, batch []*call) (b *appending, n int, err error) {
	at, back := t.journal.clock.stamp()
	b = &appending{at: at, later: t.wary, lag: t.lag, parts: map[trial.Compartment]*audit.Part{}}
	if b.later {
		batch = batch[:1]
	}
	noted, err := t.noteClock(ctx, b, back)
	if err != nil {
		return b, 0, outcome(err)
	}
	if noted && b.later { // and isn't applied yet: the command comes next
		batch = nil
	}
	for n < len(batch) && b.bytes <= maxBytes {
		n++
		if err := t.decide(ctx, b, batch[n-1]); err != nil {
			return b, n, outcome(err)
		}
	}
	if len(b.order) == 0 {
		return b, n, nil
	}
	if err := t.write(ctx, b); err != nil {
		return b, n, outcome(err)
	}
	t.wary = false
	for _, s := range b.steps {
		if err := t.fold1(ctx, t.fold, s.in, s.meta, s.event); err != nil {
			return b, n, outcome(fmt.Errorf("%w: %w", store.ErrUnknown, err))
		}
	}
	return b, n, nil
}

// noteClock records a clock that went backwards, once for each step: until it
// has caught up, entries bear the last time.
func (t *Trial) noteClock(ctx context.Context, b *appending, back time.Duration) (noted bool, err error) {
	noted = back > t.lag
	if t.lag = back; !noted {
		return false, nil
	}
	return true, t.add(ctx, b, Caller{Actor: trial.ServerActor}, trial.ClockSteppedBack{By: back})
}

// decide decides one command and adds its entries to the batch. What refuses
// the command is in the call; an error means that the batch can't be appended.
func (t *Trial) decide(ctx context.Context, b *appending, c *call) error {
	c.at, c.repeated, c.events, c.err = place{}, false, nil, nil
	if at, ok := t.requests[c.by.Request]; ok && c.by.Request != (trial.RequestID{}) {
		c.at, c.repeated = at.place(), true
		return nil
	}
	if c.unless != nil {
		if c.err = c.unless(t.state); c.err != nil {
			return nil
		}
	}
	m := trial.Meta{At: b.at, Actor: c.by.Actor, Role: c.by.Role, Request: c.by.Request}
	events, refusal := t.state.Decide(m, c.proposal)
	if refusal != nil {
		c.err = refusal
		return nil
	}
	if c.follow != nil {
		events = append(events, c.follow)
	}
	if err := t.sealArms(ctx, events); errors.Is(err, trial.ErrListUsedUp) {
		c.err = err
		return nil
	} else if err != nil {
		return err
	}
	if err := t.sealReporter(ctx, events, c.by.Actor); err != nil {
		return err
	}
	for _, e := range events {
		if c.at.in == "" && c.by.of(e).Request == c.by.Request {
			in := t.state.Compartment(e)
			c.at = place{in, b.next(t.state, in)}
		}
		if err := t.add(ctx, b, c.by, e); err != nil {
			return err
		}
	}
	c.events = events
	return nil
}

// recover takes back what an attempt that failed has applied, by reading the log
// again. If that fails too, the trial is down.
//
// Reading a whole trial for each command on a full disk would be no service at
// all, so the trial is wary from then on: it takes one command at a time and
// applies it only once it is durable, until one succeeds. There is then nothing
// to take back.
func (t *Trial) recover(ctx context.Context, b *appending, err error) {
	t.lag = b.lag // a step of the clock isn't in the log, either
	t.wary = true
	if b.later && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrConflict) {
		return
	}
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
