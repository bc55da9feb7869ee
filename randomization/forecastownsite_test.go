package randomization_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// A bestGuesser has, for all that an observer of site 0 may have seen, the
// chance of each arm to come with it.
type bestGuesser map[string][2]float64

// walkTrials goes through all trials of n participants with two factors, of which
// the first is the site, one of two. Of each it tells its chance, and of each
// participant of site 0 what was seen before and the arm.
func walkTrials(design randomization.Minimization, n int, f func(seen []string, arms []int, chance float64)) {
	var walk func(past []allocated, all string, seen []string, arms []int, chance float64)
	walk = func(past []allocated, all string, seen []string, arms []int, chance float64) {
		if len(past) == n {
			f(seen, arms, chance)
			return
		}
		second := design.Factors[1].Levels
		for level := range 2 * second {
			levels := []int{level / second, level % second}
			for arm, exact := range naiveChances(design, past, levels) {
				p, _ := exact.Float64()
				longer := append(past[:len(past):len(past)], allocated{levels, arm})
				if levels[0] > 0 {
					walk(longer, all+"-", seen, arms, chance*p/float64(2*second))
					continue
				}
				asked := all + fmt.Sprint(level)
				walk(longer, asked+fmt.Sprint(arm), append(seen[:len(seen):len(seen)], asked), append(arms[:len(arms):len(arms)], arm), chance*p/float64(2*second))
			}
		}
	}
	walk(nil, "", nil, nil, 1)
}

// An observer of one site does nearly as well as can be, and no better: as whoever
// goes through all trials that may be.
func TestForecastOfOneSiteIsThatOfAllTrials(t *testing.T) {
	t.Parallel()
	longForecast(t)
	for _, tt := range []struct {
		n, favored int // of 20
		design     randomization.Minimization
	}{
		{6, 19, minimization([]int{1, 1}, randomization.Range, 2, 1, 1, 2)},
		{4, 17, minimization([]int{1, 1}, randomization.Variance, 2, 1, 2, 1)},
		{4, 13, minimization([]int{2, 1}, randomization.Range, 2, 1, 2, 2)},
	} {
		n, design := tt.n, tt.design
		design.Favored, design.Of = tt.favored, 20
		best := bestGuesser{}
		walkTrials(design, n, func(seen []string, arms []int, chance float64) {
			for i, asked := range seen {
				b := best[asked]
				b[arms[i]] += chance
				best[asked] = b
			}
		})
		correct, anybody := 0.0, 0.0
		walkTrials(design, n, func(seen []string, arms []int, chance float64) {
			for i, asked := range seen {
				if b := best[asked]; (b[1] > b[0]) == (arms[i] == 1) {
					correct += chance / float64(len(seen))
				}
			}
			if len(seen) > 0 {
				anybody += chance
			}
		})
		correct /= anybody
		got := forecast(t, design, alone(n))
		own := got.OwnSite.Correct
		if math.Abs(own.Value-correct) > own.Error+.001 || own.Error > .006 {
			t.Errorf("%v: correct guesses %+v, want %g; who sees all has %g", tt, own, correct, got.Observer.Correct.Value)
		}
	}
}

// Who sees one of many sites guesses worse than who sees all, and better than
// blindly. With one site there is no other.
func TestOneSiteSeesLessOfMinimization(t *testing.T) {
	t.Parallel()
	longForecast(t)
	last := 1.0
	for _, sites := range []int{2, 12} {
		design := minimization([]int{1, 1}, randomization.Range, sites, 1, 2, 1)
		f := forecast(t, design, alone(40))
		own := f.OwnSite.Correct
		if own.Value+own.Error >= min(last, f.Observer.Correct.Value) || own.Value-own.Error <= f.Blind {
			t.Errorf("%d sites: own site %+v, all sites %+v, fewer sites %g", sites, own, f.Observer.Correct, last)
		}
		last = own.Value
	}
	if f := forecast(t, minimization([]int{1, 1}, randomization.Range, 1, 1, 2, 1), alone(2)); f.OwnSite != nil {
		t.Errorf("one site: %+v", f.OwnSite)
	}
	if f := forecast(t, randomization.BigStick{Tolerance: 3}, randomization.Plan{Participants: 40, Sites: 2, Strata: 1}); f.OwnSite != nil {
		t.Errorf("another design: %+v", f.OwnSite)
	}
}
