package ledger

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// A deck is the opened design of a trial: it knows the arm of every slot and of
// every envelope. It is held in memory only and does not print.
type deck struct {
	trial  string
	design randomization.Design
	drawn  randomization.Seed // as it was committed to
	salt   randomization.Salt
	seed   randomization.Seed // from which is drawn: drawn, or what the contribution made of it

	mu        sync.Mutex // guards the fields below, which draw as they are asked
	sequences map[trial.Stratum]*randomization.Sequence
	envelopes map[trial.Stratum]*randomization.Sequence
	minimizer *randomization.Minimizer  // nil for the other designs
	minimized map[trial.Stratum][]uint8 // what it decided, by slot of the stratum
}

// lostSlot stands in a deck for a slot that a restore has lost.
const lostSlot = 255

// Format implements [fmt.Formatter].
func (*deck) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// MarshalText implements [encoding.TextMarshaler], for JSON and structured logs.
func (*deck) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

// newDeck returns the deck of a trial in which nobody is allocated.
func newDeck(id string, kept keptDesign, seed randomization.Seed) (*deck, error) {
	d := &deck{
		trial: id, design: kept.design, drawn: kept.seed, salt: kept.salt, seed: seed,
		sequences: map[trial.Stratum]*randomization.Sequence{}, envelopes: map[trial.Stratum]*randomization.Sequence{},
	}
	if m, ok := kept.design.(randomization.Minimization); ok {
		var err error
		if d.minimizer, err = randomization.NewMinimizer(seed, m, id); err != nil {
			return nil, err
		}
		d.minimized = map[trial.Stratum][]uint8{}
	}
	return d, nil
}

// contribute returns the deck that a contribution to the seed makes of d, before
// anybody is allocated.
func (d *deck) contribute(entropy []byte) (*deck, error) {
	return newDeck(d.trial, keptDesign{d.design, d.drawn, d.salt}, d.drawn.Contribute(entropy))
}

// A turn is whose arm is asked for, and all that an arm can depend on beside the
// design and the seed.
type turn struct {
	stratum     trial.Stratum
	slot        int   // of the stratum's sequence, or of its envelopes
	contingency bool  // it is an envelope
	before      int   // slots of the whole trial that are used
	levels      []int // the site and the levels of the factors, as indexes
}

// turnOf returns the turn of an allocation, before which the trial had used some
// slots.
func turnOf(s *trial.State, e trial.Allocated, before int) turn {
	t := turn{stratum: e.Stratum, slot: e.Slot, contingency: e.Contingency, before: before}
	if p, ok := s.Participant(e.Participant); ok {
		t.levels = s.Protocol().LevelIndexes(p)
	}
	return t
}

// arm returns the arm of a turn, as an index into the protocol's arms. It
// decides nothing: the same turn has the same arm again, until somebody is noted.
// It fails with [trial.ErrListUsedUp].
func (d *deck) arm(t turn) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.minimizer != nil && !t.contingency {
		arm, err := d.minimizer.Next(t.before, t.levels)
		return int(arm), err
	}
	return d.listed(t.stratum, t.slot, t.contingency)
}

// listed returns the arm of a slot of a sequence or of the envelopes. The caller
// holds mu.
func (d *deck) listed(s trial.Stratum, slot int, contingency bool) (int, error) {
	sequences, start := d.sequences, randomization.NewSequence
	if contingency {
		sequences, start = d.envelopes, randomization.NewContingency
	}
	seq, ok := sequences[s]
	if !ok {
		var err error
		if seq, err = start(d.seed, d.design, d.trial, string(s)); err != nil {
			return 0, err
		}
		sequences[s] = seq
	}
	arm := seq.At(slot)
	if _, bounded := d.design.(randomization.List); arm == randomization.NoArm && bounded && !contingency {
		return 0, trial.ErrListUsedUp
	}
	if arm == randomization.NoArm {
		return 0, fmt.Errorf("ledger: stratum has no slot %d", slot)
	}
	return int(arm), nil
}

// note tells of an allocation, on whose arm later ones may depend. Envelopes
// count too.
func (d *deck) note(t turn, arm int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.minimizer == nil {
		return nil
	}
	if err := d.minimizer.Count(t.levels, randomization.Arm(arm)); err != nil || t.contingency {
		return err
	}
	was := d.minimized[t.stratum]
	was = append(was, slices.Repeat([]uint8{lostSlot}, max(t.slot-len(was), 0))...)
	d.minimized[t.stratum] = append(was, uint8(arm))
	return nil
}

// held returns the arm that a participant was allocated to.
func (d *deck) held(p *trial.Participant) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.minimizer == nil || p.Envelope > 0 {
		return d.listed(p.Stratum, p.Slot, p.Envelope > 0)
	}
	arms := d.minimized[p.Stratum]
	if p.Slot >= len(arms) || arms[p.Slot] == lostSlot {
		return 0, fmt.Errorf("ledger: slot %d of a stratum was never allocated", p.Slot)
	}
	return int(arms[p.Slot]), nil
}
