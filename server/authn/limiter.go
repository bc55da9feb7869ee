package authn

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrAttempts is returned when an account has had as many wrong attempts in a
// row as it may have. A log-in from a known device still works.
var ErrAttempts = errors.New("authn: too many wrong attempts in a row: log in from a device that you have used before, or wait for 24 hours and try again")

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
	rowEnds     = 24 * time.Hour   // without an attempt, a row is forgotten
	maxCounters = 100_000          // counters kept: about 10 MB
)

// A Limiter slows down guessing. It counts the attempts in a row for an account
// and a device: everyone who comes without a known device (see [Devices])
// shares one counter, so that strangers can close that door, but not the one
// through which the user comes from a device used before.
//
// A row ends with a success, and a day after its last attempt: there is nobody
// who could open the door to someone whose only device is new, and a hundred
// attempts in two days find no password that [CheckPassword] lets through.
//
// Counters are in memory. Accounts that don't exist are counted as those that
// do, so that the answer doesn't tell. All methods may be called concurrently.
//
// Source: NIST SP 800-63B-4 (2025), section 3.2.2, for the hundred and the
// growing waits; the day is ours.
type Limiter struct {
	mu       sync.Mutex // guards counters
	counters map[place]counter
}

type place struct{ account, device string }

type counter struct {
	attempts int
	last     time.Time // the last attempt
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
	if at.Sub(c.last) >= rowEnds {
		c = counter{}
	}
	switch {
	case c.attempts >= maxAttempts:
		return ErrAttempts
	case at.Before(c.next):
		wait := c.next.Sub(at)
		return &WaitError{(wait + time.Second - 1).Truncate(time.Second)}
	}
	c.attempts++
	c.last, c.next = at, at.Add(waitAfter(c.attempts))
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

// Withdraw takes back an attempt that Try counted and nobody looked at, because
// the server was busy: a flood must not use up the attempts of a known device.
func (l *Limiter) Withdraw(account, device string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := place{account, device}
	c, ok := l.counters[p]
	if !ok {
		return
	}
	if c.attempts--; c.attempts == 0 {
		delete(l.counters, p)
		return
	}
	c.next = c.last.Add(waitAfter(c.attempts))
	l.counters[p] = c
}
