package randomization

import (
	"encoding/binary"
	"math"
)

const (
	// feasible bounds the steps of an enumeration, and of a simulation that is
	// precise enough. What needs more is simulated, or given up.
	feasible = 10_000_000

	// manyBeliefs bounds what an enumeration remembers of one slot.
	manyBeliefs = 20_000

	// certainty is the chance from which on an arm counts as known.
	certainty = 1 - 1e-9
)

// A guess is what an observer expects of one slot: the chances to guess its arm
// and to know it for certain.
type guess struct{ correct, certain float64 }

// guessAt returns the guess of an observer who takes the likeliest arm; among
// equally likely ones it doesn't matter which.
func guessAt(chances []float64) guess {
	best := 0.0
	for _, c := range chances {
		best = max(best, c)
	}
	if best >= certainty {
		return guess{best, 1}
	}
	return guess{best, 0}
}

// enumerate returns the exact guess of an observer of all past arms at each of
// the first n slots, over all pasts; pasts after which the observer believes
// the same are walked once. It reports false if that is too much work.
func (k *kernel) enumerate(n int) ([]guess, bool) {
	type past struct {
		belief belief
		chance float64
	}
	pasts, begun := []past{{first(), 1}}, k.work
	guesses := make([]guess, n)
	for slot := range guesses {
		index := map[string]int{}
		var longer []past
		for _, p := range pasts {
			chances := k.next(p.belief)
			g := guessAt(chances)
			guesses[slot].correct += p.chance * g.correct
			guesses[slot].certain += p.chance * g.certain
			for arm, c := range chances {
				if c == 0 {
					continue
				}
				b := k.after(p.belief, arm)
				k.work += 20 // what it costs to remember one
				key := b.key()
				at, ok := index[key]
				if !ok {
					at = len(longer)
					index[key] = at
					longer = append(longer, past{belief: b})
				}
				longer[at].chance += p.chance * c
			}
		}
		if pasts = longer; slot+1 < n && (len(pasts) > manyBeliefs || k.work-begun > feasible) {
			return nil, false
		}
	}
	return guesses, true
}

// key returns bytes that equal beliefs share, whatever their rounding.
func (b belief) key() string {
	var out []byte
	for _, h := range b {
		out = binary.AppendUvarint(out, uint64(h.state))
		out = binary.AppendUvarint(out, uint64(math.Round(h.chance*1e12)))
	}
	return string(out)
}

// watch lets an observer guess at one simulated sequence, whose slots count as
// much as weights says. The observer sees the arm of a slot with chance sees,
// and guesses at those slots alone.
//
// What is added up is the chance of a correct guess and not whether the guess
// was correct: the expectation is the same, and the error smaller. It reports
// false if the observer saw nothing.
func (k *kernel) watch(random *stream, weights []float64, sees float64) (g guess, ok bool) {
	b, at, total := first(), 0, 0.0
	for _, weight := range weights {
		s := k.draw(at, random)
		at = s.next
		arm := anyArm
		if sees == 1 || random.fraction() < sees {
			here := guessAt(k.next(b))
			g.correct += weight * here.correct
			g.certain += weight * here.certain
			total += weight
			arm = s.arm
		}
		b = k.after(b, arm)
	}
	if total == 0 {
		return guess{}, false
	}
	return guess{g.correct / total, g.certain / total}, true
}

// fraction returns a number from 0 to 1, for simulations only.
func (s *stream) fraction() float64 { return float64(s.word()>>11) / (1 << 53) }

// reached returns the chance that a stratum gets more than s participants, for
// each s that isn't next to impossible, if n are spread over so many strata at
// random.
func reached(n, strata int) []float64 {
	if strata == 1 {
		all := make([]float64, n)
		for i := range all {
			all[i] = 1
		}
		return all
	}
	var more []float64
	tail := 1.0
	for s := range n {
		if tail -= binomial(n, s, 1/float64(strata)); tail < 1e-9 {
			break
		}
		more = append(more, tail)
	}
	return more
}

// binomial returns the chance of m among n that come with chance p, which is
// between 0 and 1.
func binomial(n, m int, p float64) float64 {
	return math.Exp(logChoose(n, m) + float64(m)*math.Log(p) + float64(n-m)*math.Log1p(-p))
}

func logChoose(n, m int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(m + 1))
	c, _ := math.Lgamma(float64(n - m + 1))
	return a - b - c
}
