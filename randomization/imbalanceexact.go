package randomization

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// A spread is the distribution of n(0)·r(1) − n(1)·r(0) for two arms, which
// adds up over strata: chances[i] is that of low + i.
type spread struct {
	low     int
	chances []float64
}

// exactImbalance returns the distribution for two arms, and reports false for
// more of them or if it is too much work.
//
// With the participants spread at random, m of n in all but one of the first
// j+1 strata come with a binomial chance; given that, strata are independent.
// So the distributions of one stratum after each number of participants give
// those of two, of three, and so on.
func (s *simulation) exactImbalance(participants, strata int) (map[float64]float64, bool) {
	ratio := s.design.ArmRatio()
	if len(ratio) != 2 {
		return nil, false
	}
	one, ok := s.spreads(participants)
	if !ok || strata > 1 && !affordable(one, strata) {
		return nil, false
	}
	all := one
	for j := 2; j <= strata; j++ {
		joined := make([]spread, participants+1)
		for n := range joined {
			if j < strata || n == participants { // of all strata, only the end counts
				joined[n] = join(all, one, n, 1/float64(j))
			}
		}
		all = joined
	}
	chances := map[float64]float64{}
	for i, chance := range all[participants].chances {
		if d := all[participants].low + i; chance > 0 {
			chances[max(float64(d)/float64(ratio[1]), -float64(d)/float64(ratio[0]))] += chance
		}
	}
	return chances, true
}

// spreads returns the distribution in one stratum after 0, 1, … n participants.
func (s *simulation) spreads(n int) ([]spread, bool) {
	ratio := s.design.ArmRatio()
	ahead := [2]int{ratio[1], -ratio[0]}        // by how much an arm moves the spread
	places, work := map[place]float64{{}: 1}, 0 // each of which costs as much as many steps
	out := make([]spread, n+1)
	for slot := range out {
		// In one order, so that sums are rounded alike at each call.
		sorted := slices.SortedFunc(maps.Keys(places), place.compare)
		longer := map[place]float64{}
		for _, p := range sorted {
			out[slot].add(p.ahead, places[p])
			for _, m := range s.kernel.from(p.state) {
				longer[place{m.next, p.ahead + ahead[m.arm]}] += places[p] * m.chance
				work += 20
			}
		}
		if places = longer; work > feasible {
			return nil, false
		}
	}
	return out, true
}

// A place is where a sequence can stand after some slots.
type place struct{ state, ahead int }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.ahead, q.ahead), cmp.Compare(p.state, q.state))
}

// add adds the chance of a value, which is none below those before.
func (s *spread) add(d int, chance float64) {
	if s.chances == nil {
		s.low = d
	}
	for len(s.chances) <= d-s.low {
		s.chances = append(s.chances, 0)
	}
	s.chances[d-s.low] += chance
}

// join returns the distribution after n participants of whom each comes to the
// one stratum with chance p and else to the others.
func join(others, one []spread, n int, p float64) spread {
	low, high := 0, 0
	for m := range n + 1 {
		a, b := one[m], others[n-m]
		low = min(low, a.low+b.low)
		high = max(high, a.low+len(a.chances)+b.low+len(b.chances))
	}
	out := spread{low, make([]float64, high-low)}
	for m := range n + 1 {
		weight := binomial(n, m, p)
		if weight < negligible {
			continue
		}
		a, b := one[m], others[n-m]
		for i, x := range a.chances {
			if x < negligible {
				continue
			}
			for j, y := range b.chances {
				out.chances[a.low+i+b.low+j-low] += weight * x * y
			}
		}
	}
	return out
}

// negligible is a chance whose sum over all numbers of participants is beyond
// what is printed.
const negligible = 1e-15

// affordable reports whether the spreads of so many strata can be joined.
func affordable(one []spread, strata int) bool {
	wide := 0.0
	for _, s := range one {
		wide = max(wide, float64(len(s.chances)))
	}
	// For each n some 16 standard deviations of the binomial, each the product
	// of a narrow and an ever wider distribution.
	n := float64(len(one))
	return 16*math.Sqrt(n)*n*wide*wide*float64(strata)*float64(strata)/2 < 30*feasible
}
