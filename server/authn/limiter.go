package authn

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrAttempts is returned when an account has had as many wrong attempts in a
// row as it may have. A log-in from a known device still works.
var ErrAttempts = errors.New("authn: too many wrong attempts in a row: log in from a device that you have used before, or ask for a new one-time code")

// A WaitError says that the next attempt comes too early.
type WaitError struct {
	For time.Duration // how long to wait, rounded up to whole seconds
}

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("authn: too many wrong attempts: wait %v and try again", e.For)
}

const (
	maxAttempts = 100              // wrong attempts in a row
	free        = 3                // the first ones cost no wait
	maxWait     = 15 * time.Minute // the waits double from one second up to this
	maxCounters = 100_000          // counters kept: about 10 MB
)

// A Limiter slows down guessing. It counts the attempts in a row for an account
// and a device: everyone who comes without a known device (see [Devices])
// shares one counter, so that strangers can close that door, but not the one
// through which the user comes from a device used before.
//
// Counters are in memory. Accounts that don't exist are counted as those that
// do, so that the answer doesn't tell. All methods may be called concurrently.
//
// Source: NIST SP 800-63B-4 (2025), section 3.2.2.
type Limiter struct {
	mu       sync.Mutex // guards counters
	counters map[place]counter
}

type place struct{ account, device string }

type counter struct {
	attempts int
	next     time.Time // no attempt before
}

// NewLimiter returns a limiter that has seen nothing.
func NewLimiter() *Limiter { return &Limiter{counters: map[place]counter{}} }

// Try asks whether an attempt to log in to account may be made at the time at,
// and if so counts it, before its outcome is known: attempts at the same moment
// can't slip through together. The device is "" or what [Devices.ID] returned.
//
// The error is a *WaitError or [ErrAttempts].
func (l *Limiter) Try(account, device string, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := place{account, device}
	c := l.counters[p]
	switch {
	case c.attempts >= maxAttempts:
		return ErrAttempts
	case at.Before(c.next):
		wait := c.next.Sub(at)
		return &WaitError{(wait + time.Second - 1).Truncate(time.Second)}
	}
	c.attempts++
	c.next = at.Add(waitAfter(c.attempts))
	l.makeRoom()
	l.counters[p] = c
	return nil
}

// waitAfter returns how long to wait after n attempts in a row.
func waitAfter(n int) time.Duration {
	switch over := n - free; {
	case over < 0:
		return 0
	case over > 10:
		return maxWait
	default:
		return min(time.Second<<over, maxWait)
	}
}

// makeRoom keeps the number of counters bounded: of a few taken at random it
// drops the one with the fewest attempts.
func (l *Limiter) makeRoom() {
	if len(l.counters) < maxCounters {
		return
	}
	var victim place
	seen, fewest := 0, maxAttempts+1
	for p, c := range l.counters {
		if c.attempts < fewest {
			victim, fewest = p, c.attempts
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(l.counters, victim)
}

// Succeeded forgets the attempts from this device, and those of strangers: the
// row of wrong attempts has ended.
func (l *Limiter) Succeeded(account, device string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.counters, place{account, device})
	delete(l.counters, place{account, ""})
}

// Reset forgets all attempts on account, as when it gets a new one-time code.
func (l *Limiter) Reset(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.counters {
		if p.account == account {
			delete(l.counters, p)
		}
	}
}
