package authn

// TakeTurn occupies one of the hasher's turns until the returned function is
// called.
func (p *Passwords) TakeTurn() (giveBack func()) {
	p.strangers <- struct{}{}
	p.turns <- struct{}{}
	return func() { <-p.turns; <-p.strangers }
}

// FillUp occupies all places of strangers who wait.
func (p *Passwords) FillUp() {
	for len(p.strangers) < cap(p.strangers) {
		p.strangers <- struct{}{}
	}
}

// Left returns the memory in KiB and the passes of the hash that is computed
// beside one with other parameters, or nothing.
func (p *Passwords) Left(memory, passes uint32) (uint32, uint32) {
	rest, some := p.params.without(params{memory, passes, 1})
	if !some {
		return 0, 0
	}
	return rest.memory, rest.passes
}

// Waiting returns how many strangers' hashes have or wait for their turn.
func (p *Passwords) Waiting() int { return len(p.strangers) }

// MaxWaiting is how many hashes may wait.
const MaxWaiting = maxWaiting

// Counters returns how many counters l keeps.
func (l *Limiter) Counters() int { return len(l.counters) }

// Tokens returns how many step-ups s keeps.
func (s *StepUps) Tokens() int { return len(s.tokens) }

// Common is the list of refused passwords.
var Common = common

// MaxCounters is how many counters a Limiter may keep.
const MaxCounters = maxCounters
