package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// System is the compartment of accounts, sign-ins and grants.
const System = "system"

// People are the accounts and grants of a server. Its methods may be called
// concurrently.
type People struct {
	config Config

	mu    sync.RWMutex // guards the fields below; held for writing until an append is durable
	state *people.State
}

func openPeople(ctx context.Context, c Config) (*People, error) {
	p := &People{config: c, state: &people.State{}}
	for index, b := range entries(ctx, c.Log, System, 0, c.Log.Len(System)) {
		if b.err != nil {
			return nil, b.err
		}
		e, err := entry.Unmarshal(b.data)
		if err != nil {
			return nil, fmt.Errorf("ledger: entry %d of %s: %w", index, System, err)
		}
		event, ok := e.Event.(people.Event)
		if !ok {
			return nil, fmt.Errorf("ledger: entry %d of %s is a %T", index, System, e.Event)
		}
		if err := p.state.Apply(index, e.At, event); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// View calls f with the present state, which f must not keep.
func (p *People) View(f func(*people.State)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	f(p.state)
}

// Do appends what decide returns, and returns when it is durable. Events are
// appended even if decide fails too: a refusal can be an entry. The error is
// then decide's. If the rules of package people refuse one of the events, none
// is appended.
func (p *People) Do(ctx context.Context, by Caller, decide func(*people.State, time.Time) ([]people.Event, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.config.stamp()
	if at.Before(p.state.Last()) {
		at = p.state.Last()
	}
	events, refusal := decide(p.state, at)
	if len(events) == 0 {
		return refusal
	}
	if err := p.append(ctx, by, at, events); err != nil {
		return err
	}
	return refusal
}

// append applies events to a copy of the state first: an entry that the rules
// refuse must never reach the log, which could not be opened again.
func (p *People) append(ctx context.Context, by Caller, at time.Time, events []people.Event) error {
	part := audit.Part{List: System, At: p.state.Len()}
	next := p.state.Clone()
	for i, e := range events {
		if err := next.Apply(part.At+int64(i), at, e); err != nil {
			return err
		}
		b, err := p.config.marshal(entry.Entry{At: at, Actor: by.Actor, Request: by.Request, Event: e})
		if err != nil {
			return err
		}
		part.Entries = append(part.Entries, b)
	}
	if _, err := p.config.Log.Append(ctx, part); err != nil {
		return outcome(err)
	}
	p.state = next
	return nil
}
