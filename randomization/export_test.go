package randomization

import (
	"crypto/hmac"
	"crypto/sha256"
	"math/big"
)

// Words returns the first n words of the stream of blocks of a stratum.
func Words(seed Seed, trial, stratum string, n int) []uint64 {
	s := newStream(seed, trial, stratum, Blocks{}.purpose())
	words := make([]uint64, n)
	for i := range words {
		words[i] = s.word()
	}
	return words
}

// Below returns the first draws below each of ns, in this order, from the
// stream of blocks of a stratum.
func Below(seed Seed, trial, stratum string, ns []uint64) []uint64 {
	s := newStream(seed, trial, stratum, Blocks{}.purpose())
	draws := make([]uint64, len(ns))
	for i, n := range ns {
		draws[i] = s.below(n)
	}
	return draws
}

// StreamKey returns the key of the stream of blocks of a stratum.
func StreamKey(seed Seed, trial, stratum string) []byte {
	return seed.derive(streamInfo(trial, stratum, Blocks{}.purpose()))
}

// SequenceOf returns the sequence that a design draws from a stream with a key,
// which takes longer to make than the sequence. The design must be usable.
func SequenceOf(d Design, key []byte) *Sequence {
	return drawSequence(d.(listDesign), streamOf(key))
}

// MinimizerOf returns the minimizer that draws from a stream with a key.
func MinimizerOf(m Minimization, key []byte) *Minimizer {
	s := newMinimized(m, streamOf(key))
	return &Minimizer{state: func() *minimized { return s }}
}

func streamOf(key []byte) *stream { return &stream{mac: hmac.New(sha256.New, key), stride: 1} }

// StreamInfo is streamInfo.
var StreamInfo = streamInfo

// Reduce is reduce.
var Reduce = reduce

// Blocks returns the first n blocks of a sequence that hasn't been used.
func (s *Sequence) Blocks(n int) [][]Arm {
	blocks := make([][]Arm, n)
	for i := range blocks {
		start := len(s.list().arms)
		s.list().extend(start + 1)
		for _, arm := range s.list().arms[start:] {
			blocks[i] = append(blocks[i], Arm(arm))
		}
	}
	return blocks
}

// Hashes returns how many HMACs have been computed for the sequence.
func (s *Sequence) Hashes() uint64 { return s.list().random.counter }

// BelowBig returns the first k draws below n from a stream.
func BelowBig(seed Seed, n *big.Int, k int) []*big.Int {
	s := newStream(seed, "ips", "uniform", "maximal")
	draws := make([]*big.Int, k)
	for i := range draws {
		draws[i] = s.belowBig(n)
	}
	return draws
}

// ModelChance returns the chance that the model of a design gives to a list.
func ModelChance(d Design, list []int) float64 {
	model := d.(listDesign).model()
	var from func(s state, list []int) float64
	from = func(s state, list []int) float64 {
		if len(list) == 0 {
			return 1
		}
		chance := 0.0
		for _, m := range model(s) {
			if int(m.arm) == list[0] {
				chance += m.chance * from(m.next, list[1:])
			}
		}
		return chance
	}
	return from(state{}, list)
}

// FirstWord returns the first word from which a design draws the arms of the
// stratum oslo of the trial ips.
func FirstWord(seed Seed, d Design) uint64 {
	return newStream(seed, "ips", "oslo", d.purpose()).word()
}

// Enumerate returns the expected numbers of correct and certain guesses of an
// observer, also for a design that can't be used.
func Enumerate(d Design, n int) (correct, certain float64) {
	guesses, _ := newKernel(d.(listDesign)).enumerate(n)
	for _, g := range guesses {
		correct += g.correct
		certain += g.certain
	}
	return correct, certain
}

// Simulate is a forecast that enumerates nothing.
func Simulate(d Design, participants, strata int) (Guesses, map[float64]float64, float64) {
	s := newSimulation(d.(listDesign))
	guesses, _ := s.simulatedGuesses(reached(participants, strata), 1)
	chances, err := s.simulatedImbalance(participants, strata)
	return guesses, chances, err
}

// Scores returns what minimization would minimize, for each arm.
func (m *Minimizer) Scores(levels []int) []int {
	var scores []int
	for arm := range m.state().unit {
		scores = append(scores, m.state().score(levels, arm))
	}
	return scores
}

// Best returns the ratio of the arms that are best, and 0 for others.
func (m *Minimizer) Best(levels []int) []int { return m.state().best(levels) }

// Chances returns the chances of all arms if one is preferred.
func (m Minimization) Chances(preferred int) []int { return m.chances(preferred) }

// SlotWords returns the first n words of a slot.
func (m *Minimizer) SlotWords(slot, n int) []uint64 {
	s := m.state().slot(slot)
	words := make([]uint64, n)
	for i := range words {
		words[i] = s.word()
	}
	return words
}
