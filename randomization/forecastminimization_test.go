package randomization_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
)

// The forecast of minimization is that of all trials of four participants, one
// by one: all their levels, all their arms.
func TestForecastOfMinimizationIsThatOfAllTrials(t *testing.T) {
	t.Parallel()
	longForecast(t)
	const n = 4
	for _, ratio := range [][]int{{1, 1}, {2, 1}} {
		design := minimization(ratio, randomization.Range, 2, 1, 2, 1)
		correct, ends := 0.0, map[float64]float64{}
		var walk func(past []allocated, chance float64)
		walk = func(past []allocated, chance float64) {
			if len(past) == n {
				counts := [2]int{}
				for _, p := range past {
					counts[p.arm]++
				}
				d := float64(counts[0]*ratio[1] - counts[1]*ratio[0])
				ends[max(d/float64(ratio[1]), -d/float64(ratio[0]))] += chance
				return
			}
			for level := range 4 {
				levels := []int{level / 2, level % 2}
				best := 0.0
				for arm, exact := range naiveChances(design, past, levels) {
					p, _ := exact.Float64()
					best = max(best, p)
					walk(append(past[:len(past):len(past)], allocated{levels, arm}), chance*p/4)
				}
				correct += chance * best / 4 / n
			}
		}
		walk(nil, 1)
		got := forecast(t, design, alone(n))
		if d := got.Observer.Correct; math.Abs(d.Value-correct) > 2*d.Error || d.Error > .005 {
			t.Errorf("%v: correct guesses %+v, want %g", ratio, d, correct)
		}
		for ahead, chance := range ends {
			if simulated := chancesOf(got.Imbalance)[ahead]; math.Abs(simulated-chance) > 2*got.Imbalance.Error {
				t.Errorf("%v: imbalance %g has chance %g, want %g", ratio, ahead, simulated, chance)
			}
		}
		if got.Observer.Certain.Value != 0 || got.SharedAll != nil || got.Imbalance.Bounded || got.Imbalance.Bound != n {
			t.Errorf("%v: %+v", ratio, got)
		}
		if diff := cmp.Diff(got, forecast(t, design, alone(n))); diff != "" {
			t.Errorf("another call gives another forecast:\n%s", diff)
		}
	}
}

// What a statistician's own list gives away is known to nobody but who made it.
func TestForecastOfAListSaysWhatToForecast(t *testing.T) {
	_, err := randomization.NewForecast(listOf(listed("oslo", "01")), alone(10))
	if err == nil || !strings.Contains(err.Error(), "forecast the design that it was drawn by") {
		t.Errorf("error %v", err)
	}
}
