package ledger

import (
	"sync"
	"time"
)

// A clock gives entries their times, which never go back: not in a list, and
// not from one list of the server to another, so that a clock that was set back
// is noticed by whoever acts first, also in a trial where nothing happened for
// long.
type clock struct {
	now func() time.Time

	mu     sync.Mutex // guards latest; held from a reading until it is kept
	latest time.Time  // of every list
}

// stamp returns the present instant as entries carry it, and by how much the
// clock is behind the latest entry.
func (c *clock) stamp() (at time.Time, back time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at = c.now().UTC().Truncate(time.Millisecond)
	if at.Before(c.latest) {
		return c.latest, c.latest.Sub(at)
	}
	c.latest = at
	return at, 0
}

// read tells the clock of an entry that was read.
func (c *clock) read(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest.Before(at) {
		c.latest = at
	}
}
