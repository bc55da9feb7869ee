package randomization_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

// minimization returns a design with a chance of 4/5, of factors given as their
// levels and weights in turn.
func minimization(ratio []int, measure randomization.Measure, factors ...int) randomization.Minimization {
	m := randomization.Minimization{Ratio: ratio, Measure: measure, Favored: 4, Of: 5}
	for i := 0; i < len(factors); i += 2 {
		m.Factors = append(m.Factors, randomization.Factor{Levels: factors[i], Weight: factors[i+1]})
	}
	return m
}

func newMinimizer(t testing.TB, m randomization.Minimization, trial string) *randomization.Minimizer {
	t.Helper()
	minimizer, err := randomization.NewMinimizer(testSeed(t), m, trial)
	if err != nil {
		t.Fatal(err)
	}
	return minimizer
}

func next(t testing.TB, m *randomization.Minimizer, slot int, levels []int) randomization.Arm {
	t.Helper()
	arm, err := m.Next(slot, levels)
	if err != nil {
		t.Fatal(err)
	}
	return arm
}

func count(t testing.TB, m *randomization.Minimizer, levels []int, arm randomization.Arm) {
	t.Helper()
	if err := m.Count(levels, arm); err != nil {
		t.Fatal(err)
	}
}

// Patient 15 of the published example: the imbalance is 3 if control and 5 if
// treatment, with the variance 1.5 and 5.5, so that control is preferred.
//
// Source: Lim & In (2019), Randomization and allocation in clinical trials,
// Korean Journal of Anesthesiology 72, 221-232, table 4. The variances were
// computed independently of this project.
func TestMinimizationReproducesPublishedExample(t *testing.T) {
	// Control is arm 0, treatment arm 1.
	sites, sexes, ages := [2]string{"1111222", "1122222"}, [2]string{"mmmmfff", "mmmmfff"}, [2]string{"0011222", "0011222"}
	for _, tt := range []struct {
		measure randomization.Measure
		want    [2]*big.Rat
	}{
		{randomization.Range, [2]*big.Rat{big.NewRat(3, 1), big.NewRat(5, 1)}},
		{randomization.Variance, [2]*big.Rat{big.NewRat(3, 2), big.NewRat(11, 2)}},
	} {
		design := minimization([]int{1, 1}, tt.measure, 2, 1, 2, 1, 3, 1)
		m := newMinimizer(t, design, "ips")
		var past []allocated
		for arm := range 2 {
			for i := range 7 {
				levels := []int{int(sites[arm][i] - '1'), strings.IndexByte("mf", sexes[arm][i]), int(ages[arm][i] - '0')}
				count(t, m, levels, randomization.Arm(arm))
				past = append(past, allocated{levels, arm})
			}
		}
		patient := []int{1, 1, 2} // site 2, female, 74 years
		for arm, want := range tt.want {
			if got := naiveScore(design, past, patient, arm); got.Cmp(want) != 0 {
				t.Errorf("measure %d, arm %d: %v, want %v", tt.measure, arm, got, want)
			}
		}
		if tt.measure == randomization.Range {
			if diff := cmp.Diff([]int{3, 5}, m.Scores(patient)); diff != "" {
				t.Errorf("range: (-want +got)\n%s", diff)
			}
		}
		if diff := cmp.Diff([]int{1, 0}, m.Best(patient)); diff != "" {
			t.Errorf("measure %d: best arms: (-want +got)\n%s", tt.measure, diff)
		}
	}
}

// allocated is a participant of the second computation.
type allocated struct {
	levels []int
	arm    int
}

// naiveScore is the imbalance, in exact fractions and from the list of all
// participants: the range of the counts divided by the ratio, or the sum of
// their squared distances from the mean.
func naiveScore(m randomization.Minimization, past []allocated, levels []int, arm int) *big.Rat {
	total := new(big.Rat)
	for i, f := range m.Factors {
		var counts []*big.Rat
		mean := new(big.Rat)
		for a, r := range m.Ratio {
			n := int64(0)
			if a == arm {
				n++
			}
			for _, p := range past {
				if p.arm == a && p.levels[i] == levels[i] {
					n++
				}
			}
			counts = append(counts, big.NewRat(n, int64(r)))
			mean.Add(mean, big.NewRat(n, int64(r*len(m.Ratio))))
		}
		measure := new(big.Rat)
		if m.Measure == randomization.Range {
			measure.Sub(slices.MaxFunc(counts, (*big.Rat).Cmp), slices.MinFunc(counts, (*big.Rat).Cmp))
		} else {
			for _, x := range counts {
				d := new(big.Rat).Sub(x, mean)
				measure.Add(measure, d.Mul(d, d))
			}
		}
		total.Add(total, measure.Mul(measure, big.NewRat(int64(f.Weight), 1)))
	}
	return total
}

// naiveChances are the chances of all arms in the words of the source: one of
// the best arms is preferred, by the ratio; of what the preferred one leaves,
// the others have their shares of the ratio; and the chance that it leaves is
// in proportion to what the others have of the ratio.
func naiveChances(m randomization.Minimization, past []allocated, levels []int) []*big.Rat {
	var scores []*big.Rat
	all, smallest := int64(0), int64(slices.Min(m.Ratio))
	for arm, r := range m.Ratio {
		scores = append(scores, naiveScore(m, past, levels, arm))
		all += int64(r)
	}
	least, tied := slices.MinFunc(scores, (*big.Rat).Cmp), int64(0)
	chances := make([]*big.Rat, len(m.Ratio))
	for arm, r := range m.Ratio {
		chances[arm] = new(big.Rat)
		if scores[arm].Cmp(least) == 0 {
			tied += int64(r)
		}
	}
	one := big.NewRat(1, 1)
	for preferred, score := range scores {
		if score.Cmp(least) != 0 {
			continue
		}
		rest := all - int64(m.Ratio[preferred])
		leaves := new(big.Rat).Sub(one, big.NewRat(int64(m.Favored), int64(m.Of)))
		leaves.Mul(leaves, big.NewRat(rest, all-smallest))
		for arm, r := range m.Ratio {
			chance := new(big.Rat).Mul(leaves, big.NewRat(int64(r), rest))
			if arm == preferred {
				chance.Sub(one, leaves)
			}
			chances[arm].Add(chances[arm], chance.Mul(chance, big.NewRat(int64(m.Ratio[preferred]), tied)))
		}
	}
	return chances
}

// Which arms are best, and with which chances arms follow, is what a second
// computation says, whatever the design and whoever came before.
func TestMinimizationAgreesWithSecondComputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		design := anyMinimizations().Draw(t, "design")
		m, err := randomization.NewMinimizer(drawnSeed(t), design, "ips")
		if err != nil {
			t.Fatal(err)
		}
		levels := rapid.Custom(func(t *rapid.T) (levels []int) {
			for _, f := range design.Factors {
				levels = append(levels, rapid.IntRange(0, f.Levels-1).Draw(t, "level"))
			}
			return levels
		})
		var past []allocated
		for range rapid.IntRange(0, 30).Draw(t, "participants") {
			p := allocated{levels.Draw(t, "levels"), rapid.IntRange(0, len(design.Ratio)-1).Draw(t, "arm")}
			if err := m.Count(p.levels, randomization.Arm(p.arm)); err != nil {
				t.Fatal(err)
			}
			past = append(past, p)
		}
		patient := levels.Draw(t, "patient")
		want, got := naiveChances(design, past, patient), make([]*big.Rat, len(design.Ratio))
		best := m.Best(patient)
		tied := 0
		for arm, r := range best {
			got[arm] = new(big.Rat)
			tied += r
		}
		for preferred, r := range best {
			chances, all := design.Chances(preferred), 0
			for _, c := range chances {
				all += c
			}
			for arm, c := range chances {
				got[arm].Add(got[arm], big.NewRat(int64(c*r), int64(all*tied)))
			}
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("chances %v, want %v", got, want)
		}
	})
}

// Every list of arms comes as often as the exact chances say: 60,000 trials of
// the same five or six participants.
func TestMinimizedListsFollowTheirExactChances(t *testing.T) {
	trial := [][]int{{0, 0}, {1, 0}, {0, 2}, {0, 0}, {1, 2}, {0, 1}}
	for _, tt := range []struct {
		ratio   []int
		measure randomization.Measure
		slots   int
	}{
		{[]int{1, 1}, randomization.Range, 6},
		{[]int{1, 1}, randomization.Variance, 6},
		{[]int{2, 1}, randomization.Range, 6},
		{[]int{3, 2}, randomization.Variance, 6},
		{[]int{1, 1, 1}, randomization.Range, 5},
		{[]int{1, 2, 3}, randomization.Variance, 4},
	} {
		design := minimization(tt.ratio, tt.measure, 2, 2, 3, 1)
		t.Run(fmt.Sprint(tt.ratio, tt.measure), func(t *testing.T) {
			t.Parallel()
			if err := design.Validate(); err != nil {
				t.Fatal(err)
			}
			seen, list := map[int]float64{}, make([]randomization.Arm, tt.slots)
			for _, key := range streamKeys() {
				m := randomization.MinimizerOf(design, key)
				for slot, levels := range trial[:tt.slots] {
					arm, err := m.Next(slot, levels)
					if err := errors.Join(err, m.Count(levels, arm)); err != nil {
						t.Fatal(err)
					}
					list[slot] = arm
				}
				seen[place(len(tt.ratio), list)]++
			}
			var counts, chances []float64
			sum := new(big.Rat)
			lists(len(tt.ratio), tt.slots, func(list []int) {
				exact, past := big.NewRat(1, 1), []allocated{}
				for slot, arm := range list {
					exact.Mul(exact, naiveChances(design, past, trial[slot])[arm])
					past = append(past, allocated{trial[slot], arm})
				}
				sum.Add(sum, exact)
				chance, _ := exact.Float64()
				counts, chances = append(counts, seen[place(len(tt.ratio), list)]), append(chances, chance)
			})
			if sum.Cmp(big.NewRat(1, 1)) != 0 {
				t.Fatalf("the chances add up to %v", sum)
			}
			if x := chiSquare(counts, chances); chiSquareTail(len(counts)-1, x) < 1e-6 {
				t.Errorf("chi-square %.2f of %d lists", x, len(counts))
			}
		})
	}
}
