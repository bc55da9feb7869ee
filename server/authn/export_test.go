package authn

// TakeTurn occupies one of the hasher's turns until the returned function is
// called.
func (p *Passwords) TakeTurn() (giveBack func()) {
	p.places <- struct{}{}
	p.turns <- struct{}{}
	return func() { <-p.turns; <-p.places }
}

// Waiting returns how many hashes have or wait for their turn.
func (p *Passwords) Waiting() int { return len(p.places) }

// MaxWaiting is how many hashes may wait.
const MaxWaiting = maxWaiting

// Counters returns how many counters l keeps.
func (l *Limiter) Counters() int { return len(l.counters) }

// Common is the list of refused passwords.
var Common = common

// MaxCounters is how many counters a Limiter may keep.
const MaxCounters = maxCounters
