package authn

// TakeTurn occupies one of the hasher's turns until the returned function is
// called.
func (p *Passwords) TakeTurn() (giveBack func()) {
	p.turns <- struct{}{}
	return func() { <-p.turns }
}

// Counters returns how many counters l keeps.
func (l *Limiter) Counters() int { return len(l.counters) }

// Common is the list of refused passwords.
var Common = common

// MaxCounters is how many counters a Limiter may keep.
const MaxCounters = maxCounters
