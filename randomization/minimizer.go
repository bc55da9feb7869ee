package randomization

import (
	"errors"
	"fmt"
	"slices"
)

// MaxMinimized is the largest number of slots of a trial with [Minimization],
// and of participants that a [Minimizer] counts. Up to here all numbers that
// are compared are exact in floating point too, which other languages use.
const MaxMinimized = 1 << 20

// A Minimizer allocates the participants of one trial with [Minimization]. It
// knows how many participants with each level of each factor are in each arm,
// and prints like a [Seed]. It is not for concurrent use.
type Minimizer struct {
	sealed
	state func() *minimized // a closure as in Seed
}

// minimized is what a minimizer knows.
type minimized struct {
	design Minimization
	unit   []int // by how much one participant moves the count of each arm
	random *stream
	counts [][]int // [factor][level × arms + arm], each divided by the ratio
	total  int     // participants counted
}

// NewMinimizer returns the minimizer of a trial, which has counted nobody. The
// error wraps [ErrDesign] if the design can't be used. The zero Seed is refused
// too.
func NewMinimizer(seed Seed, design Minimization, trial string) (*Minimizer, error) {
	if err := design.Validate(); err != nil {
		return nil, err
	}
	if seed.open == nil {
		return nil, errors.New("randomization: start minimization: there is no seed")
	}
	design.Ratio, design.Factors = slices.Clone(design.Ratio), slices.Clone(design.Factors)
	s := newMinimized(design, newStream(seed, trial, "", design.purpose()))
	return &Minimizer{state: func() *minimized { return s }}, nil
}

func newMinimized(design Minimization, random *stream) *minimized {
	s := &minimized{design: design, random: random}
	common := multiple(design.Ratio)
	for _, r := range design.Ratio {
		s.unit = append(s.unit, common/r)
	}
	for _, f := range design.Factors {
		s.counts = append(s.counts, make([]int, f.Levels*len(design.Ratio)))
	}
	return s
}

// Next returns the arm for a participant with the given levels, one of each
// factor of the design in its order, counted from 0. It counts nobody.
//
// Slots are numbered over the whole trial, from 0 to [MaxMinimized] − 1, and
// never used twice. The arm depends on the arguments of [NewMinimizer] and Next
// and on who was counted, and on nothing else: the random words of a slot are
// its own, so that a slot that is left out moves no other.
func (m *Minimizer) Next(slot int, levels []int) (Arm, error) {
	s := m.state()
	if slot < 0 || slot >= MaxMinimized {
		return NoArm, fmt.Errorf("randomization: minimize: slot %d: want 0 to %d", slot, MaxMinimized-1)
	}
	if err := s.check(levels); err != nil {
		return NoArm, err
	}
	return s.draw(s.slot(slot), levels), nil
}

// Count notes that a participant with the given levels has been allocated to
// an arm, whether by Next or otherwise: a backup envelope counts too.
func (m *Minimizer) Count(levels []int, arm Arm) error {
	s := m.state()
	if err := s.check(levels); err != nil {
		return err
	}
	if arm < 0 || int(arm) >= len(s.unit) {
		return fmt.Errorf("randomization: minimize: arm %d: want 0 to %d", arm, len(s.unit)-1)
	}
	if s.total == MaxMinimized {
		return fmt.Errorf("randomization: minimize: a trial has at most %d participants", MaxMinimized)
	}
	s.count(levels, int(arm))
	return nil
}

func (s *minimized) check(levels []int) error {
	if len(levels) != len(s.counts) {
		return fmt.Errorf("randomization: minimize: %d levels: want one for each of %d factors", len(levels), len(s.counts))
	}
	for i, l := range levels {
		if l < 0 || l >= s.design.Factors[i].Levels {
			return fmt.Errorf("randomization: minimize: level %d of factor %d: want 0 to %d", l, i, s.design.Factors[i].Levels-1)
		}
	}
	return nil
}

func (s *minimized) count(levels []int, arm int) {
	for i := range s.counts {
		s.at(i, levels)[arm] += s.unit[arm]
	}
	s.total++
}

// at returns the counts of the arms at the participant's level of a factor.
func (s *minimized) at(factor int, levels []int) []int {
	arms := len(s.unit)
	return s.counts[factor][levels[factor]*arms:][:arms]
}

// slot returns the words of one slot. Its first output has the slot's number;
// further ones, which are needed once in 2^50 slots, are far from any slot.
func (s *minimized) slot(slot int) *stream {
	return &stream{mac: s.random.mac, counter: uint64(slot), stride: 1 << 32}
}

// draw prefers one of the best arms, in proportion to the ratio, and then draws
// an arm by the chances that this gives.
func (s *minimized) draw(random *stream, levels []int) Arm {
	best := s.best(levels)
	preferred := share(best, random.below(uint64(sum(best))))
	chances := s.design.chances(preferred)
	return Arm(share(chances, random.below(uint64(sum(chances)))))
}

// best returns the ratio of the arms that would leave the arms most alike, and
// 0 for the others.
func (s *minimized) best(levels []int) []int {
	best, least := make([]int, len(s.unit)), 0
	for arm, r := range s.design.Ratio {
		score := s.score(levels, arm)
		if arm == 0 || score < least {
			clear(best)
			least = score
		}
		if score == least {
			best[arm] = r
		}
	}
	return best
}

// score returns how unlike the arms would be over all factors with one
// participant more in arm.
func (s *minimized) score(levels []int, arm int) int {
	score := 0
	for i, f := range s.design.Factors {
		score += f.Weight * s.measure(s.at(i, levels), arm)
	}
	return score
}

// measure returns how unlike the arms would be with one participant more in
// arm; for the variance, how much more unlike than they are. The latter orders
// the arms as the variance itself would and is far smaller: with k arms,
// counts x and d more in one arm, k·Σx² − (Σx)² grows by
// d·(2·(k·x − Σx) + (k − 1)·d).
func (s *minimized) measure(counts []int, arm int) int {
	d := s.unit[arm]
	if s.design.Measure == Variance {
		k := len(counts)
		return d * (2*(k*counts[arm]-sum(counts)) + (k-1)*d)
	}
	most, fewest := counts[arm]+d, counts[arm]+d
	for other, n := range counts {
		if other != arm {
			most, fewest = max(most, n), min(fewest, n)
		}
	}
	return most - fewest
}

// chances returns the chances of the arms, as parts of their sum, if one of
// them is preferred. They are a mixture: an arm drawn by the ratio alone, or
// the preferred one. Favored of Of is the chance of a preferred arm with the
// smallest number of the ratio.
func (m Minimization) chances(preferred int) []int {
	chances := make([]int, len(m.Ratio))
	for arm, r := range m.Ratio {
		chances[arm] = (m.Of - m.Favored) * r
	}
	chances[preferred] += m.Favored*sum(m.Ratio) - m.Of*slices.Min(m.Ratio)
	return chances
}
