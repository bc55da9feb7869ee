package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// System is the compartment of accounts, sign-ins and grants.
const System = "system"

// People are the accounts and grants of a server. Its methods may be called
// concurrently.
type People struct {
	config  Config
	journal *journal

	deciding sync.Mutex // held from a decision until it is durable

	mu    sync.RWMutex // guards state, which is replaced and never changed
	state *people.State
}

func openPeople(ctx context.Context, c Config, j *journal) (*People, error) {
	p := &People{config: c, journal: j}
	return p, p.load(ctx)
}

// load makes the state of what the log holds.
func (p *People) load(ctx context.Context) error {
	next := &people.State{}
	if err := p.fold(ctx, next, func(time.Time) bool { return true }); err != nil {
		return err
	}
	p.journal.clock.read(next.Last())
	p.show(next)
	return nil
}

// Before returns the state as it was before an instant. It reads the log from
// its first entry.
func (p *People) Before(ctx context.Context, at time.Time) (*people.State, error) {
	past := &people.State{}
	return past, p.fold(ctx, past, func(t time.Time) bool { return t.Before(at) })
}

// fold applies the entries of the log to next while they are wanted.
func (p *People) fold(ctx context.Context, next *people.State, wanted func(at time.Time) bool) error {
	for batch, err := range p.journal.batches(ctx, System, p.config.Log.Len(System)) {
		if err != nil {
			return err
		}
		for _, e := range batch {
			if !wanted(e.At) {
				return nil
			}
			event, ok := e.Event.(people.Event)
			if !ok {
				return fmt.Errorf("ledger: entry %d of %s is a %T", e.Index, System, e.Event)
			}
			if err := next.Apply(people.Meta{Index: e.Index, At: e.At, Actor: e.Actor}, event); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *People) show(next *people.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = next
}

// View calls f with the present state, which f must not keep.
//
// It doesn't wait for appends: what isn't durable yet isn't part of it.
func (p *People) View(f func(*people.State)) { f(p.now()) }

func (p *People) now() *people.State {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.state
}

// Do appends what decide returns, and returns when it is durable. Events are
// appended even if decide fails too: a refusal can be an entry. The error is
// then decide's. If the rules of package people refuse one of the events, none
// is appended. If another writer comes first, decide is called again.
//
// The receipt is of the first entry; it is empty if there is none.
func (p *People) Do(ctx context.Context, by Caller, decide func(*people.State, time.Time) ([]people.Event, error)) (Receipt, error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	r, err := p.attempt(ctx, by, decide)
	if !errors.Is(err, ErrBusy) || !errors.Is(err, store.ErrConflict) {
		return r, err
	}
	if err := p.load(ctx); err != nil {
		return Receipt{}, err
	}
	return p.attempt(ctx, by, decide)
}

func (p *People) attempt(ctx context.Context, by Caller, decide func(*people.State, time.Time) ([]people.Event, error)) (Receipt, error) {
	state := p.now()
	at, _ := p.journal.clock.stamp()
	events, refusal := decide(state, at)
	if len(events) == 0 {
		return Receipt{}, refusal
	}
	r, err := p.append(ctx, by, at, state.Clone(), events)
	if err != nil {
		return Receipt{}, err
	}
	return r, refusal
}

// append applies events to next, a copy of the state, first: an entry that the
// rules refuse must never reach the log, which could not be opened again.
func (p *People) append(ctx context.Context, by Caller, at time.Time, next *people.State, events []people.Event) (Receipt, error) {
	part := audit.Part{List: System, At: next.Len()}
	for i, e := range events {
		if err := next.Apply(people.Meta{Index: part.At + int64(i), At: at, Actor: by.Actor}, e); err != nil {
			return Receipt{}, err
		}
		b, err := p.journal.marshal(System, part.At+int64(i), entry.Entry{At: at, Actor: by.Actor, Request: by.Request, Event: e})
		if err != nil {
			return Receipt{}, err
		}
		part.Entries = append(part.Entries, b)
	}
	receipts, err := p.config.Log.Append(ctx, part)
	if err != nil {
		return Receipt{}, outcome(err)
	}
	p.show(next)
	r := receipts[0]
	return Receipt{List: r.List, Index: r.Index, Leaf: r.Leaf, At: at}, nil
}
