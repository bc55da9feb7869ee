package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"google.golang.org/grpc/codes"
)

// trials is what this process has found out about each trial.
type trials struct {
	mu   sync.Mutex // guards the map and what is in it
	byID map[string]*checkedTrial
}

// A checkedTrial is whether the log of a trial is what it was. Its fields are
// guarded by the mutex of trials.
type checkedTrial struct {
	running *running  // the check that runs now; nil if none does
	done    bool      // it is
	told    bool      // that something kept a check from finding out
	refusal *LogError // no call is made any more
	closed  map[string]bool
}

// A running is a check for which others wait.
type running struct {
	ended chan struct{} // closed when it has

	// why the server couldn't be asked, which holds for those who wait as well;
	// nil if they have to look for themselves. Guarded by the mutex of trials.
	why error
}

// of returns what is known about a trial.
func (t *trials) of(id string) *checkedTrial {
	if t.byID == nil {
		t.byID = map[string]*checkedTrial{}
	}
	if t.byID[id] == nil {
		t.byID[id] = &checkedTrial{closed: map[string]bool{}}
	}
	return t.byID[id]
}

// first checks, before the first call about a trial, that its log continues
// what was seen from here. It returns an error if it doesn't, and to every
// later call as well. If the server can't be asked, the call may go on: it will
// fail as it would have, and if it doesn't, answered is told why.
//
// Of calls at once one checks and the others wait. Whatever kept that one alone
// from finding out, such as that its caller gave up, is no reason for another to
// go on: the next one checks.
func (c *Client) first(ctx context.Context, trial string) (why, err error) {
	if trial == "" {
		return nil, nil
	}
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	for {
		t := c.trials.of(trial)
		switch {
		case t.done || t.refusal != nil:
			return nil, t.refused()
		case why != nil:
			return why, nil
		case t.running == nil:
			return c.check(ctx, trial, t)
		}
		other := t.running
		c.trials.mu.Unlock()
		select {
		case <-other.ended:
		case <-ctx.Done():
		}
		c.trials.mu.Lock()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotReached, err)
		}
		why = other.why
	}
}

// check checks the log of a trial for its caller and for all who wait. The
// caller holds the mutex of trials, which is let go meanwhile.
func (c *Client) check(ctx context.Context, trial string, t *checkedTrial) (why, err error) {
	r := &running{ended: make(chan struct{})}
	t.running = r
	c.trials.mu.Unlock()
	err = c.checkTrial(ctx, trial)
	c.trials.mu.Lock()
	t.running = nil
	close(r.ended)
	wrong, ok := errors.AsType[*LogError](err)
	switch {
	case ok:
		t.refusal = wrong
	case err != nil && !isRemote(err):
		return nil, err // what was seen can't be read: the user would work unprotected
	case err != nil:
		if ctx.Err() == nil {
			r.why = err
		}
		return err, t.refused()
	default:
		t.done = true
	}
	return nil, t.refused()
}

func (t *checkedTrial) refused() error {
	if t.refusal == nil {
		return nil // and not a nil *LogError
	}
	return t.refusal
}

// refuse makes every later call about a trial fail.
func (c *Client) refuse(trial string, err *LogError) error {
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	c.trials.of(trial).refusal = err
	return err
}

// accept forgets what was found out about a trial whose log is taken as it is,
// and that other trials were refused for the list of accounts, which is taken
// along. A check that runs meanwhile speaks for its own call alone.
func (t *trials) accept(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.byID, func(other string, c *checkedTrial) bool {
		return other == id || c.refusal != nil && c.refusal.List == "system"
	})
}

// checkTrial checks the lists of a trial that are remembered, and the list of
// accounts if it is; then the receipts that wait.
func (c *Client) checkTrial(ctx context.Context, trial string) error {
	ctx, cancel := c.checking(ctx)
	defer cancel()
	lists, err := c.memory.lists(trial)
	if err != nil {
		return err
	}
	for _, list := range append(lists, "system") {
		if seen, err := c.seen(list); err != nil || seen.Size < 0 {
			if err != nil {
				return err
			}
			continue
		}
		err := c.refollow(ctx, trial, list)
		if conduct := list == trial+"/conduct"; conduct && err != nil {
			if e, ok := errors.AsType[*Error](err); ok && e.Code == codes.NotFound {
				// Whoever is let into a trial may verify conduct.
				return c.found(finding{List: list, Problem: "the server doesn't show this list any more, which every trial has"})
			}
			return denied(err)
		}
		if err != nil && !isClosed(err) {
			return err
		}
	}
	return c.checkPending(ctx, trial)
}
