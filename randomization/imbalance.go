package randomization

import (
	"cmp"
	"math"
	"slices"
)

// An Imbalance is the distribution of how far one arm is ahead of what the
// ratio allows beside any other arm; at 1:1, of the difference of the arms.
type Imbalance struct {
	// Bound is what it can never exceed, at any moment of the trial: that of
	// [Design.MaxImbalance], or the number of participants if there is none.
	Bound int

	// Bounded reports whether the design sets the bound.
	Bounded bool

	// Chances are those after the last participant, in ascending order.
	Chances []ImbalanceChance

	// Error is at least two standard errors of each sum of Chances, and 0 if
	// they are exact.
	Error float64
}

// An ImbalanceChance is the chance that one arm is ahead by so many.
type ImbalanceChance struct{ Ahead, Chance float64 }

// Quantile returns the least imbalance that isn't exceeded with a chance of at
// least p, which is from 0 to 1. Quantile(1) is the largest that can be, or that
// was met in a simulation.
func (i Imbalance) Quantile(p float64) float64 {
	sum := 0.0
	for _, c := range i.Chances {
		if sum += c.Chance; sum >= p-1e-9 && p < 1 {
			return c.Ahead
		}
	}
	if len(i.Chances) == 0 {
		return 0
	}
	return i.Chances[len(i.Chances)-1].Ahead
}

// imbalance returns the distribution after so many participants, who are spread
// over the strata at random.
func (s *simulation) imbalance(participants, strata int) Imbalance {
	out := Imbalance{Bound: participants}
	if bound := s.design.MaxImbalance(strata); bound > 0 {
		out.Bounded, out.Bound = true, min(bound, participants)
	}
	chances, ok := s.exactImbalance(participants, strata)
	if !ok {
		chances, out.Error = s.simulatedImbalance(participants, strata)
	}
	for ahead, chance := range chances {
		out.Chances = append(out.Chances, ImbalanceChance{ahead, chance})
	}
	out.sort()
	return out
}

func (i *Imbalance) sort() {
	slices.SortFunc(i.Chances, func(a, b ImbalanceChance) int { return cmp.Compare(a.Ahead, b.Ahead) })
}

// simulatedImbalance plays whole trials.
func (s *simulation) simulatedImbalance(participants, strata int) (chances map[float64]float64, err float64) {
	trials := max(few, min(enough, feasible/2/participants))
	ratio := s.design.ArmRatio()
	chances = map[float64]float64{}
	at, counts := make([]int, strata), make([]int, len(ratio))
	for range trials {
		clear(at)
		clear(counts)
		for range participants {
			i := s.random.below(uint64(strata))
			step := s.kernel.draw(at[i], s.random)
			at[i] = step.next
			counts[step.arm]++
		}
		chances[aheadOf(counts, ratio)] += 1 / float64(trials)
	}
	return chances, 1 / math.Sqrt(float64(trials)) // 2·√(½·½/n), the largest of all shares
}

// aheadOf returns by how many one arm is ahead of what the ratio allows beside
// any other arm.
func aheadOf(counts, ratio []int) float64 {
	most := 0.0
	for i, n := range counts {
		for j, m := range counts {
			most = max(most, float64(n*ratio[j]-m*ratio[i])/float64(ratio[j]))
		}
	}
	return most
}
