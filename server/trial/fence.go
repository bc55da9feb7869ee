package trial

import (
	"fmt"
	"slices"
	"strings"
)

// MaxLostSlots is how many slots of a stratum one reconciliation can give up, if
// no more are known to be lost: whoever types a number too many wastes no more.
// What is known to be lost may all be of one stratum, and can be named whole.
const MaxLostSlots = 1000

// Fence returns what the latest restore is known to have lost, and whether the
// trial still waits for its reconciliation. Until then nobody is randomized: the
// lost part of the log may have used the next slots, and whoever knows their
// arms would know the next participants'.
func (s *State) Fence() (Restored, bool) {
	if !s.fenced() {
		return Restored{}, false
	}
	return s.restored[len(s.restored)-1], true
}

func (s *State) fenced() bool { return len(s.restored) > 0 }

func (s *State) checkFence(e Event) error {
	switch e := e.(type) {
	case Restored:
		return when(min(e.Conduct, e.Outcome, e.Delivery, e.Allocation) < 0, &Invalid{"lost", "fewer entries than none"})
	case Reconciled:
		return s.checkReconciled(e)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

func (s *State) checkReconciled(e Reconciled) error {
	if !s.fenced() {
		return ErrNotFenced
	}
	total, most := int64(0), max(MaxLostSlots, s.lostSlots)
	for i, l := range e.Lost {
		again := slices.ContainsFunc(e.Lost[:i], func(o LostSlots) bool { return o.Stratum == l.Stratum })
		switch {
		case !s.protocol.hasStratum(l.Stratum):
			return &Invalid{"lost", fmt.Sprintf("%q is no stratum of this trial, want one such as %q", l.Stratum, s.protocol.someStratum())}
		case again:
			return &Invalid{"lost", fmt.Sprintf("stratum %q is named twice", l.Stratum)}
		case l.Slots < 1 || int64(l.Slots) > most:
			return &Invalid{"lost", fmt.Sprintf("%d slots of %q, want 1 to %d", l.Slots, l.Stratum, most)}
		}
		total += int64(l.Slots)
	}
	if total < s.lostSlots {
		return &Invalid{"lost", fmt.Sprintf("%d slots are named, but the signed heads show that %d entries were lost each of which may have been an allocation; name as many slots", total, s.lostSlots)}
	}
	return nil
}

// raiseFence notes a restore. Not every lost entry of [Allocation] was an
// allocation, but which ones were nobody knows: too many slots that are given up
// show no arm, too few would. Between two of them nobody was randomized, so the
// larger number is all there is. If the design was lost too, its slots are of a
// sequence that nobody can draw any more.
func (s *State) raiseFence(e Restored) {
	s.restored = append(s.restored, e)
	if s.kept {
		s.lostSlots = max(s.lostSlots, e.Allocation)
	}
}

// liftFence gives up the lost slots and lets randomization go on behind them.
func (s *State) liftFence(e Reconciled) {
	for _, l := range e.Lost {
		s.slots[l.Stratum] += l.Slots
		s.enrolledInLost = true
	}
	s.restored, s.lostSlots = nil, 0
}

// hasStratum reports whether name is a site with a level of each factor.
func (p *Protocol) hasStratum(name Stratum) bool {
	parts := strings.Split(string(name), "/")
	if len(parts) != 1+len(p.Factors) || !slices.ContainsFunc(p.Sites, func(s Site) bool { return string(s.ID) == parts[0] }) {
		return false
	}
	for i, f := range p.Factors {
		if !slices.ContainsFunc(f.Levels, func(l Option) bool { return string(f.ID)+"="+string(l.ID) == parts[i+1] }) {
			return false
		}
	}
	return true
}

// someStratum returns the first stratum.
func (p *Protocol) someStratum() Stratum {
	first := Participant{Site: p.Sites[0].ID}
	for _, f := range p.Factors {
		if len(f.Levels) > 0 {
			first.Levels = append(first.Levels, f.Levels[0].ID)
		}
	}
	return first.stratum(p.Factors)
}
