package blinding_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization/blinding"
)

// near reports whether two numbers agree to so many decimals, or better.
func near(got, want float64, decimals int) bool {
	return math.Abs(got-want) <= 0.5000001*math.Pow10(-decimals)
}

// Numbers of trials that were published, to the decimals that were printed.
var published = []struct {
	name     string
	counts   blinding.Counts // by arm: guessed treatment, placebo, don't know
	decimals int
	james    []float64    // index, standard error, and the limits of the 95% interval
	bang     [2][]float64 // the same, of each arm
}{
	{
		name: "CRISP: Bang, Ni and Davis (2004), table 7", counts: blinding.Counts{{82, 25, 170}, {27, 29, 83}}, decimals: 4,
		james: []float64{0.7479, 0.0217, 0.7053, 0.7905},
		bang:  [2][]float64{{0.2058, 0.0352, 0.1367, 0.2748}, {0.0144, 0.0538, -0.0911, 0.1199}},
	},
	{
		name: "the same to six decimals", counts: blinding.Counts{{82, 25, 170}, {27, 29, 83}}, decimals: 6,
		james: []float64{0.747928, 0.021737},
		bang:  [2][]float64{{0.205776, 0.035237}, {0.014388, 0.053823}},
	},
	{
		name: "investigators: Houweling et al. (2014), table 2, as printed in the manual of BlindingIndex.jl", counts: blinding.Counts{{48, 4, 330}, {22, 30, 319}}, decimals: 3,
		james: []float64{0.896, 0.011, 0.875, 0.918},
		bang:  [2][]float64{{0.115, 0.018, 0.080, 0.150}, {0.022, 0.019, -0.016, 0.060}},
	},
	{name: "all right", counts: blinding.Counts{{20, 0, 0}, {0, 30, 0}}, decimals: 9, james: []float64{0, 0}, bang: [2][]float64{{1, 0}, {1, 0}}},
	{name: "all wrong", counts: blinding.Counts{{0, 20, 0}, {20, 0, 0}}, decimals: 9, james: []float64{1, 0}, bang: [2][]float64{{-1, 0}, {-1, 0}}},
	{name: "all wrong in arms of two sizes", counts: blinding.Counts{{0, 20, 0}, {30, 0, 0}}, decimals: 9, james: []float64{25. / 26}, bang: [2][]float64{{-1, 0}, {-1, 0}}},
	{name: "half right", counts: blinding.Counts{{20, 20, 0}, {20, 20, 0}}, decimals: 9, james: []float64{0.5}, bang: [2][]float64{{0, math.Sqrt(1 / 40.)}, {0, math.Sqrt(1 / 40.)}}},
	{name: "nobody knows", counts: blinding.Counts{{0, 0, 20}, {0, 0, 20}}, decimals: 9, james: []float64{1, 0, 1, 1}, bang: [2][]float64{{0, 0, 0, 0}, {0, 0, 0, 0}}},
}

func TestPublishedNumbers(t *testing.T) {
	compare := func(t *testing.T, name string, got blinding.Index, want []float64, decimals int) {
		t.Helper()
		lower, upper := got.Interval(0.95)
		for i, g := range []float64{got.Value, got.SE, lower, upper}[:len(want)] {
			if !near(g, want[i], decimals) {
				t.Errorf("%s: %s is %.7f, want %v", name, []string{"index", "standard error", "lower", "upper"}[i], g, want[i])
			}
		}
	}
	for _, tt := range published {
		t.Run(tt.name, func(t *testing.T) {
			j, err := blinding.James(tt.counts, nil)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "James", j, tt.james, tt.decimals)
			for arm, want := range tt.bang {
				b, err := blinding.Bang(tt.counts, arm)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, "Bang", b, want, tt.decimals)
			}
		})
	}
}

// The index is the one of the source, which is written with a kappa of those who
// named an arm: CRISP gives K_D -0.286652 and P_DK 0.608173.
func TestJamesIsTheKappaOfTheSource(t *testing.T) {
	const kappa, dontKnow = -0.286652, 0.608173
	j, err := blinding.James(blinding.Counts{{82, 25, 170}, {27, 29, 83}}, nil)
	if want := (1 + dontKnow + (1-dontKnow)*kappa) / 2; err != nil || !near(j.Value, want, 6) {
		t.Errorf("James = %.7f, %v; want %.7f", j.Value, err, want)
	}
}

// The limits of a one-sided interval of 95% are those of a two-sided one of 90%.
func TestOneSidedIntervals(t *testing.T) {
	i := blinding.Index{Value: 0.2, SE: 0.1}
	lower, upper := i.OneSided(0.95)
	if !near(lower, 0.2-0.1644854, 6) || !near(upper, 0.2+0.1644854, 6) {
		t.Errorf("one-sided limits %.7f and %.7f", lower, upper)
	}
	if l, u := i.Interval(0.90); !near(l, lower, 12) || !near(u, upper, 12) {
		t.Errorf("two-sided limits of 90%% are %v and %v, want %v and %v", l, u, lower, upper)
	}
}

// What the counts give no value is undefined; empty cells alone make nothing so.
func TestUndefined(t *testing.T) {
	for _, tt := range []struct {
		name   string
		counts blinding.Counts
		james  bool // is defined
		bang   []bool
	}{
		{"nobody was asked", blinding.Counts{{0, 0, 0}, {0, 0, 0}}, false, []bool{false, false}},
		{"one arm, all right", blinding.Counts{{5, 0, 2}, {0, 0, 0}}, false, []bool{true, false}},
		{"one arm names an arm, all right", blinding.Counts{{5, 0, 2}, {0, 0, 9}}, false, []bool{true, true}},
		{"one arm, some wrong", blinding.Counts{{5, 1, 2}, {0, 0, 0}}, true, []bool{true, false}},
		{"one arm, nobody knows", blinding.Counts{{0, 0, 3}, {0, 0, 0}}, true, []bool{true, false}},
		{"everybody is guessed to be in one arm", blinding.Counts{{5, 0, 0}, {5, 0, 0}}, true, []bool{true, true}},
		{"one person", blinding.Counts{{0, 0, 0}, {1, 0, 0}}, true, []bool{false, true}},
		{"three arms", blinding.Counts{{5, 1, 1, 0}, {1, 5, 1, 0}, {1, 1, 5, 3}}, true, []bool{false, false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := blinding.James(tt.counts, nil)
			if (err == nil) != tt.james || err != nil && !errors.Is(err, blinding.ErrUndefined) || math.IsNaN(j.Value+j.SE) {
				t.Errorf("James = %v, %v", j, err)
			}
			for arm, defined := range tt.bang {
				b, err := blinding.Bang(tt.counts, arm)
				if (err == nil) != defined || err != nil && !errors.Is(err, blinding.ErrUndefined) || math.IsNaN(b.Value+b.SE) {
					t.Errorf("Bang of arm %d = %v, %v", arm, b, err)
				}
			}
		})
	}
}

// What are no counts or no weights is refused for what it is, and not as undefined.
func TestRefused(t *testing.T) {
	good := blinding.Counts{{3, 1, 0}, {1, 3, 0}}
	for _, tt := range []struct {
		counts  blinding.Counts
		weights blinding.Weights
		arm     int
		want    string
	}{
		{counts: nil, want: "0 arms"},
		{counts: blinding.Counts{{1, 2}}, want: "1 arms"},
		{counts: blinding.Counts{{1, 2, 3}, {1, 2}}, want: "arm 1 has 2 counts"},
		{counts: blinding.Counts{{1, 2, 3}, {1, -2, 3}}, want: "a count of -2"},
		{counts: good, weights: blinding.Weights{{0, 1}}, want: "weights for 1 arms"},
		{counts: good, weights: blinding.Weights{{0, 1}, {1}}, want: "arm 1 has 1 weights"},
		{counts: good, weights: blinding.Weights{{0, 1.5}, {1, 0}}, want: "weight 1.5"},
		{counts: good, weights: blinding.Weights{{0, math.NaN()}, {1, 0}}, want: "weight NaN"},
		{counts: good, weights: blinding.Weights{{0.5, 1}, {1, 0}}, want: "0 for a right guess"},
		{counts: good, arm: 2, want: "arm 2 of 2"},
		{counts: good, arm: -1, want: "arm -1 of 2"},
	} {
		_, err := blinding.James(tt.counts, tt.weights)
		if err == nil {
			_, err = blinding.Bang(tt.counts, tt.arm)
		}
		if err == nil || errors.Is(err, blinding.ErrUndefined) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, %v: %v, want %q", tt.counts, tt.weights, err, tt.want)
		}
	}
}

// A wrong dose that weighs less than a wrong treatment is worse blinding than a
// wrong treatment: the more so, the less it weighs.
func TestWeights(t *testing.T) {
	counts := blinding.Counts{{10, 8, 1, 5}, {7, 9, 2, 5}, {3, 2, 9, 6}}
	last := math.Inf(1)
	for _, dose := range []float64{0.5, 0.25, 0} {
		j, err := blinding.James(counts, blinding.Weights{{0, dose, 0.5}, {dose, 0, 0.5}, {0.5, 0.5, 0}})
		if err != nil || j.Value >= last {
			t.Errorf("weight %v gives %v, %v; want less than %v", dose, j.Value, err, last)
		}
		last = j.Value
	}
}

// drawCounts draws counts of so many arms.
func drawCounts(t *rapid.T, arms, most int) blinding.Counts {
	c := blinding.NewCounts(arms)
	for i := range c {
		for j := range c[i] {
			c[i][j] = rapid.IntRange(0, most).Draw(t, "count")
		}
	}
	return c
}
