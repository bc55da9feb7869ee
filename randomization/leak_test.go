package randomization_test

import (
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// Leak channel 1, the last slots of a block: whoever sees all past arms of a
// stratum knows at most 3 % of the first 12 for certain, and guesses at most
// 67.5 % of them, with the default sizes. Blocks of 4, as a check of the test
// itself, give away 33.3 % and 70.8 %. More than 10⁵ draws.
//
// Source: exact shares 2.38 % and 66.51 %, computed independently of this
// project.
func TestLeakL1LastSlotsOfABlock(t *testing.T) {
	const slots = 12
	strata := draws(10000)
	for _, tt := range []struct {
		sizes                      []int
		correct, certain           float64 // exact shares
		correctLimit, certainLimit float64 // what is let pass; 1 for a design that isn't
	}{
		{[]int{4, 6, 8}, .6651, .0238, .675, .03},
		{[]int{4}, 17.0 / 24, 1.0 / 3, 1, 1},
	} {
		t.Run(fmt.Sprint(tt.sizes), func(t *testing.T) {
			var correct, certain sample
			o, design := newObserver(tt.sizes...), equalChances([]int{1, 1}, tt.sizes...)
			for i := range strata {
				c, k := o.play(newSequence(t, design, "leak", fmt.Sprint("stratum ", i)).First(slots))
				correct.add(c / slots)
				certain.add(k / slots)
			}
			correct.check(t, "correct guesses", tt.correct)
			certain.check(t, "certain assignments", tt.certain)
			if correct.sum/correct.n > tt.correctLimit || certain.sum/certain.n > tt.certainLimit {
				t.Errorf("an observer guesses %.4f and knows %.4f; the limits are %.3f and %.3f", correct.sum/correct.n, certain.sum/certain.n, tt.correctLimit, tt.certainLimit)
			}
		})
	}
}

// Leak channel 27, a weak generator: the six orders of a block of 4 are equally
// likely, also over strata instead of along one. That nothing here can import
// another generator is for TestImports.
//
// Source: chi-square limit of 5 degrees of freedom, p = .001.
func TestLeakL27OrdersOfABlockAreEquallyLikely(t *testing.T) {
	const limit = 20.515
	design, seen := equalChances([]int{1, 1}, 4), map[string]float64{}
	for i := range draws(60000) {
		seen[arms(newSequence(t, design, "leak", fmt.Sprint(i)).First(4))]++
	}
	var counts, chances []float64
	for _, n := range seen {
		counts, chances = append(counts, n), append(chances, 1)
	}
	if x := chiSquare(counts, chances); len(seen) != 6 || x > limit {
		t.Errorf("%d orders, chi-square %.3f, limit %g", len(seen), x, limit)
	}
}

// A minimizer prints as little as a seed does: its counts tell arms.
func TestMinimizerPrintsSealed(t *testing.T) {
	m := newMinimizer(t, minimization([]int{1, 1}, randomization.Range, 2, 1), "ips")
	count(t, m, []int{1}, 1)
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%s", "%q", "%x"} {
		for _, value := range []any{m, *m, []any{m}} {
			if got := fmt.Sprintf(verb, value); got != "sealed" && got != "[sealed]" && got != "[]interface {}{sealed}" {
				t.Errorf("%s of %T prints %s", verb, value, got)
			}
		}
	}
}
