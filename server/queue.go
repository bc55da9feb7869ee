package server

import (
	"context"

	"github.com/lodd-rct/lodd/server/ledger"
)

// A queue lets a few in at once, lets some more wait, and turns the others away.
type queue struct{ places, turns chan struct{} }

func newQueue(atOnce, waiting int) queue {
	return queue{make(chan struct{}, atOnce+waiting), make(chan struct{}, atOnce)}
}

// enter waits for a turn, which ends when leave is called. It fails with
// [ledger.ErrBusy] if too many wait, or as ctx does.
func (q queue) enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.places <- struct{}{}:
	default:
		return nil, ledger.ErrBusy
	}
	select {
	case q.turns <- struct{}{}:
		return func() { <-q.turns; <-q.places }, nil
	case <-ctx.Done():
		<-q.places
		return nil, ctx.Err()
	}
}
