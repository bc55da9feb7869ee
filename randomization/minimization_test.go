package randomization_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

// goldenMinimized is how many participants testdata/minimized.golden has.
const goldenMinimized = 200

var minimizationCases = []randomization.Minimization{
	minimization([]int{1, 1}, randomization.Range, 7, 1, 2, 1, 3, 1),
	minimization([]int{1, 1}, randomization.Variance, 7, 3, 2, 1, 1, 2),
	minimization([]int{2, 1}, randomization.Range, 4, 2, 3, 1),
	minimization([]int{5, 4, 3, 2}, randomization.Variance, 4, 2, 3, 1, 2, 100),
	{Ratio: []int{1, 1, 1}, Measure: randomization.Range, Favored: 501, Of: 1000, Factors: []randomization.Factor{{Levels: 1000, Weight: 1}}},
}

func TestMinimizedGolden(t *testing.T) {
	var out strings.Builder
	for _, m := range minimizationCases {
		ratio, word := onCommandLine(t, m)
		list := replayHistory(t, testSeed(t), m, "ips", history(m, goldenMinimized))
		fmt.Fprintf(&out, "%s %s: %s\n", ratio, word, arms(list))
	}
	golden(t, "testdata/minimized.golden", out.String())
}

// What can't be used is refused with what to do instead.
func TestMinimizationValidate(t *testing.T) {
	chance := func(favored, of int, ratio ...int) randomization.Minimization {
		m := minimization(ratio, randomization.Range, 2, 1)
		m.Favored, m.Of = favored, of
		return m
	}
	for _, tt := range []struct {
		design randomization.Minimization
		say    string
	}{
		{minimization([]int{1, 1}, randomization.Range, 2, 1), ""},
		{minimization([]int{8, 9, 5}, randomization.Variance, 1000, 100, 1, 99), ""},
		{chance(51, 100, 1, 1), ""},
		{chance(334, 1000, 1, 1, 1), "chance 334/1000 is not in lowest terms: divide both numbers by 2"},
		{chance(3, 10, 3, 1), ""},
		{minimization([]int{1}, randomization.Range, 2, 1), "1 arms: give a ratio of 2 to 16 arms"},
		{minimization([]int{2, 2}, randomization.Range, 2, 1), "ratio 2:2 is not in lowest terms"},
		{minimization([]int{19, 20}, randomization.Range, 2, 1), "ratio 19:20 has the least common multiple 380: minimization weighs ratios of at most 360"},
		{minimization([]int{1, 1}, 0, 2, 1), "measure 0 of minimization: use range or variance"},
		{minimization([]int{1, 1}, 3, 2, 1), "measure 3"},
		{minimization([]int{1, 1}, randomization.Range), "0 factors: minimization takes 1 to 16"},
		{minimization([]int{1, 1}, randomization.Range, slices.Repeat([]int{2, 1}, 17)...), "17 factors"},
		{minimization([]int{1, 1}, randomization.Range, 2, 1, 0, 1), "factor 1 has 0 levels: use 1 to 1000"},
		{minimization([]int{1, 1}, randomization.Range, 1001, 1), "factor 0 has 1001 levels"},
		{minimization([]int{1, 1}, randomization.Range, 2, 0), "factor 0 has weight 0: use 1 to 100"},
		{minimization([]int{1, 1}, randomization.Range, 2, 101), "factor 0 has weight 101"},
		{minimization([]int{1, 1}, randomization.Range, 2, 2), "weights 2 of the factors are not in lowest terms: divide them by 2"},
		{minimization([]int{1, 1}, randomization.Range, 2, 4, 3, 2), "weights 4:2 of the factors are not in lowest terms"},
		{chance(1, 1, 1, 1), "always takes the preferred arm can be predicted: use a chance below 1, as 4/5"},
		{chance(5, 5, 1, 1), "always takes the preferred arm"},
		{chance(1, 2, 1, 1), "chance 1/2 of the preferred arm: use more than its share 1/2 of the ratio, or the complete design"},
		{chance(1, 4, 3, 1), "more than its share 1/4"},
		{chance(6, 5, 1, 1), "chance 6/5 of the preferred arm: use a fraction below 1"},
		{chance(0, 0, 1, 1), "chance 0/0"},
		{chance(1000, 1001, 1, 1), "numbers up to 1000"},
	} {
		err := tt.design.Validate()
		if tt.say == "" && err != nil {
			t.Errorf("%v: Validate() = %v, want nil", tt.design, err)
		}
		if tt.say != "" && (!errors.Is(err, randomization.ErrDesign) || !strings.Contains(err.Error(), tt.say)) {
			t.Errorf("%v: Validate() = %v, want an ErrDesign that says %q", tt.design, err, tt.say)
		}
		if _, err := randomization.NewMinimizer(testSeed(t), tt.design, "ips"); (err == nil) != (tt.say == "") {
			t.Errorf("%v: NewMinimizer: error %v", tt.design, err)
		}
	}
}

// Minimization has no sequence: its arms depend on who came before.
func TestMinimizationHasNoSequence(t *testing.T) {
	_, err := randomization.NewSequence(testSeed(t), minimizationCases[0], "ips", "oslo")
	if !errors.Is(err, randomization.ErrDesign) || !strings.Contains(err.Error(), "start a minimizer, not a sequence") {
		t.Errorf("NewSequence: error %v", err)
	}
	if _, err := randomization.NewMinimizer(randomization.Seed{}, minimizationCases[0], "ips"); err == nil || !strings.Contains(err.Error(), "there is no seed") {
		t.Errorf("NewMinimizer without a seed: error %v", err)
	}
}

// What can't be is refused and changes nothing.
func TestMinimizerRefusesWhatCannotBe(t *testing.T) {
	m := newMinimizer(t, minimization([]int{1, 1}, randomization.Range, 2, 1, 3, 1), "ips")
	for _, tt := range []struct {
		slot   int
		levels []int
		arm    randomization.Arm
		say    string
	}{
		{-1, []int{0, 0}, 0, "slot -1: want 0 to 1048575"},
		{randomization.MaxMinimized, []int{0, 0}, 0, "slot 1048576"},
		{0, []int{0}, 0, "1 levels: want one for each of 2 factors"},
		{0, []int{0, 3}, 0, "level 3 of factor 1: want 0 to 2"},
		{0, []int{-1, 0}, 0, "level -1 of factor 0: want 0 to 1"},
		{0, []int{0, 0}, 2, "arm 2: want 0 to 1"},
		{0, []int{0, 0}, randomization.NoArm, "arm -1: want 0 to 1"},
	} {
		before := m.Scores([]int{0, 0})
		arm, errNext := m.Next(tt.slot, tt.levels)
		errCount := m.Count(tt.levels, tt.arm)
		if errNext != nil && arm != randomization.NoArm {
			t.Errorf("Next(%d, %v) = %d with an error", tt.slot, tt.levels, arm)
		}
		if said := fmt.Sprint(errNext, errCount); !strings.Contains(said, tt.say) {
			t.Errorf("slot %d, levels %v, arm %d: %s, want %q", tt.slot, tt.levels, tt.arm, said, tt.say)
		}
		if errCount != nil {
			if diff := cmp.Diff(before, m.Scores([]int{0, 0})); diff != "" {
				t.Errorf("a refused count counts:\n%s", diff)
			}
		}
	}
}

// An arm is a function of the slot and of who was counted: asking changes
// nothing, in whichever order, and a slot that was left out moves no other.
func TestNextIsAFunctionOfSlotAndCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		design := anyMinimizations().Draw(t, "design")
		seed := drawnSeed(t)
		start := func() *randomization.Minimizer {
			m, err := randomization.NewMinimizer(seed, design, "ips")
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		levels := make([]int, len(design.Factors))
		a, b := start(), start()
		for slot := range 30 {
			for _, other := range rapid.SliceOfN(rapid.IntRange(0, 99), 0, 3).Draw(t, "others") {
				if _, err := b.Next(other, levels); err != nil {
					t.Fatal(err)
				}
			}
			wantArm, _ := a.Next(3*slot, levels)
			if got, _ := b.Next(3*slot, levels); got != wantArm {
				t.Fatalf("slot %d: arm %d, want %d", 3*slot, got, wantArm)
			}
			for _, m := range []*randomization.Minimizer{a, b} {
				if err := m.Count(levels, wantArm); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// The words of a slot depend on the seed, the trial and the slot, and share
// nothing with those of another slot, however many are taken.
func TestSlotsHaveWordsOfTheirOwn(t *testing.T) {
	seen := map[uint64]string{}
	for _, trial := range []string{"ips", "ips2"} {
		m := newMinimizer(t, minimizationCases[0], trial)
		for _, slot := range []int{0, 1, 2, randomization.MaxMinimized - 1} {
			for _, word := range m.SlotWords(slot, 12) {
				name := fmt.Sprint(trial, slot)
				if other, ok := seen[word]; ok {
					t.Errorf("%s and %s share a word", name, other)
				}
				seen[word] = name
			}
		}
	}
}

// Arms come in the design's ratio, also an unequal one, and the margins of each
// factor stay in it far more closely than by complete randomization.
func TestMinimizationKeepsTheRatio(t *testing.T) {
	t.Parallel()
	n := draws(60000)
	for _, ratio := range [][]int{{1, 1}, {2, 1}, {1, 2}, {1, 2, 3}, {5, 1}} {
		for _, measure := range []randomization.Measure{randomization.Range, randomization.Variance} {
			design := minimization(ratio, measure, 3, 1, 2, 1)
			m, total := newMinimizer(t, design, "ips"), 0
			counts := [3][]int{}
			for level := range counts {
				counts[level] = make([]int, len(ratio))
			}
			for _, r := range ratio {
				total += r
			}
			for slot := range n {
				levels := []int{slot * slot % 7 % 3, slot / 3 % 2}
				arm := next(t, m, slot, levels)
				count(t, m, levels, arm)
				counts[levels[0]][arm]++
			}
			for level, c := range counts {
				all := 0
				for _, k := range c {
					all += k
				}
				for arm, r := range ratio {
					if d := float64(c[arm]) - float64(all*r)/float64(total); d > 30 || d < -30 {
						t.Errorf("%v, measure %d: level %d has arms %v", ratio, measure, level, c)
					}
				}
			}
		}
	}
}

// anyMinimizations draws usable designs with minimization.
func anyMinimizations() *rapid.Generator[randomization.Minimization] {
	return rapid.Custom(func(t *rapid.T) randomization.Minimization {
		m := randomization.Minimization{
			Ratio:   rapid.SampledFrom([][]int{{1, 1}, {2, 1}, {1, 3}, {3, 2}, {1, 1, 1}, {1, 2, 3}, {5, 4, 3, 2}, {8, 9, 5}}).Draw(t, "ratio"),
			Measure: rapid.SampledFrom([]randomization.Measure{randomization.Range, randomization.Variance}).Draw(t, "measure"),
			Of:      1000, Favored: rapid.SampledFrom([]int{501, 667, 701, 799, 901, 999}).Draw(t, "favored"),
			Factors: []randomization.Factor{{Levels: rapid.IntRange(1, 9).Draw(t, "levels"), Weight: 1}},
		}
		for range rapid.IntRange(0, 4).Draw(t, "factors") {
			m.Factors = append(m.Factors, randomization.Factor{
				Levels: rapid.IntRange(1, 4).Draw(t, "levels"), Weight: rapid.IntRange(1, 100).Draw(t, "weight"),
			})
		}
		return m
	})
}

func drawnSeed(t *rapid.T) randomization.Seed {
	b := rapid.SliceOfN(rapid.Byte(), randomization.SecretSize-1, randomization.SecretSize-1).Draw(t, "seed")
	seed, err := randomization.SeedFromBytes(append(b, 1))
	if err != nil {
		t.Fatal(err)
	}
	return seed
}
