package randomization_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// This file states what each design promises a second time, as the chance of a
// list in exact fractions, and compares the program with that.

// chanceOf returns the exact chance that a design begins with a list.
func chanceOf(design randomization.Design, list []int) *big.Rat {
	if m, ok := design.(randomization.Maximal); ok {
		return chanceOfMaximal(m, list)
	}
	if b, ok := design.(randomization.Blocks); ok {
		return chanceOfBlocks(b, list)
	}
	chance, counts := big.NewRat(1, 1), make([]int, len(design.ArmRatio()))
	for n, arm := range list {
		chance.Mul(chance, chanceOfNext(design, counts, n, arm))
		counts[arm]++
	}
	return chance
}

// chanceOfNext returns the chance of an arm after n others, counts of each arm.
func chanceOfNext(design randomization.Design, counts []int, n, arm int) *big.Rat {
	half := big.NewRat(1, 2)
	switch d := design.(type) {
	case randomization.Complete:
		total := 0
		for _, r := range d.Ratio {
			total += r
		}
		return big.NewRat(int64(d.Ratio[arm]), int64(total))
	case randomization.BigStick:
		switch counts[arm] - counts[1-arm] {
		case d.Tolerance:
			return new(big.Rat)
		case -d.Tolerance:
			return big.NewRat(1, 1)
		}
		return half
	case randomization.BiasedCoin:
		switch favored := big.NewRat(int64(d.Favored), int64(d.Of)); {
		case counts[arm] < counts[1-arm]:
			return favored
		case counts[arm] > counts[1-arm]:
			return favored.Sub(big.NewRat(1, 1), favored)
		}
		return half
	case randomization.Urn:
		balls, all := d.Alpha+d.Beta*(n-counts[arm]), d.Arms*d.Alpha+(d.Arms-1)*d.Beta*n
		if all == 0 {
			return big.NewRat(1, int64(d.Arms))
		}
		return big.NewRat(int64(balls), int64(all))
	}
	panic(fmt.Sprintf("no chance for %T", design))
}

// chanceOfMaximal counts, one by one, the lists of the planned length that the
// maximal procedure admits, and those of them that begin so.
func chanceOfMaximal(m randomization.Maximal, list []int) *big.Rat {
	admitted, begin := int64(0), int64(0)
	for bits := range 1 << m.Length {
		ahead, ok, same := 0, true, true
		for i := range m.Length {
			arm := bits >> i & 1
			ahead += 1 - 2*arm
			ok = ok && ahead <= m.Tolerance && -ahead <= m.Tolerance
			same = same && (i >= len(list) || list[i] == arm)
		}
		if ok && ahead == 0 {
			admitted++
			if same {
				begin++
			}
		}
	}
	return big.NewRat(begin, admitted)
}

// chanceOfBlocks adds up the ways to cut a list into blocks, the last of which
// may be open.
func chanceOfBlocks(b randomization.Blocks, list []int) *big.Rat {
	if len(list) == 0 {
		return big.NewRat(1, 1)
	}
	all, round := 0, 0
	for _, s := range b.Sizes {
		all += s.Weight
	}
	for _, r := range b.Ratio {
		round += r
	}
	total := new(big.Rat)
	for _, s := range b.Sizes {
		way, left := big.NewRat(int64(s.Weight), int64(all)), make([]int, len(b.Ratio))
		for arm, r := range b.Ratio {
			left[arm] = r * s.Size / round
		}
		here := list[:min(s.Size, len(list))]
		for i, arm := range here {
			way.Mul(way, big.NewRat(int64(left[arm]), int64(s.Size-i)))
			left[arm] = max(left[arm]-1, 0)
		}
		total.Add(total, way.Mul(way, chanceOfBlocks(b, list[len(here):])))
	}
	return total
}

// lists calls f with every list of n slots.
func lists(arms, n int, f func(list []int)) {
	list := make([]int, n)
	var fill func(i int)
	fill = func(i int) {
		if i == n {
			f(list)
			return
		}
		for arm := range arms {
			list[i] = arm
			fill(i + 1)
		}
	}
	fill(0)
}

// Every list comes as often as the design's source says: 60,000 strata each.
func TestListsFollowTheirExactChances(t *testing.T) {
	for _, tt := range []struct {
		design randomization.Design
		slots  int
	}{
		{equalChances([]int{1, 1}, 4, 6), 6},
		{equalChances([]int{2, 1}, 6), 5},
		{randomization.Complete{Ratio: []int{1, 1}}, 5},
		{randomization.Complete{Ratio: []int{1, 2, 3}}, 3},
		{randomization.BigStick{Tolerance: 2}, 4},
		{randomization.BigStick{Tolerance: 3}, 6},
		{randomization.Maximal{Tolerance: 2, Length: 8}, 8},
		{randomization.Maximal{Tolerance: 3, Length: 10}, 10},
		{randomization.Maximal{Tolerance: 3, Length: 16}, 6},
		{randomization.BiasedCoin{Favored: 2, Of: 3}, 4},
		{randomization.BiasedCoin{Favored: 4, Of: 5}, 6},
		{randomization.Urn{Arms: 2, Alpha: 0, Beta: 1}, 5},
		{randomization.Urn{Arms: 2, Alpha: 3, Beta: 2}, 5},
		{randomization.Urn{Arms: 3, Alpha: 0, Beta: 1}, 4},
	} {
		t.Run(fmt.Sprintf("%T%v", tt.design, tt.design), func(t *testing.T) {
			t.Parallel()
			n := len(tt.design.ArmRatio())
			seen := map[int]float64{}
			for _, key := range streamKeys() {
				seen[place(n, randomization.SequenceOf(tt.design, key).First(tt.slots))]++
			}
			var counts, chances []float64
			all := new(big.Rat)
			lists(n, tt.slots, func(list []int) {
				exact := chanceOf(tt.design, list)
				all.Add(all, exact)
				chance, _ := exact.Float64()
				came := seen[place(n, list)]
				if chance > 0 {
					counts, chances = append(counts, came), append(chances, chance)
				} else if came > 0 {
					t.Errorf("%v can't be and came %g times", list, came)
				}
				if modelled := randomization.ModelChance(tt.design, list); math.Abs(modelled-chance) > 1e-12 {
					t.Errorf("%v: the model's chance is %g, want %g", list, modelled, chance)
				}
			})
			if all.Cmp(big.NewRat(1, 1)) != 0 {
				t.Fatalf("the chances add up to %v", all)
			}
			if x, tail := chiSquare(counts, chances), chiSquareTail(len(counts)-1, chiSquare(counts, chances)); tail < 1e-6 {
				t.Errorf("chi-square %.2f of %d lists: chance %g", x, len(counts), tail)
			}
		})
	}
}

// The chances of the lists of four are those of the designs' own tables.
//
// Source: computed independently of this project.
func TestExactChancesOfFour(t *testing.T) {
	bigStick, efron := randomization.BigStick{Tolerance: 2}, randomization.BiasedCoin{Favored: 2, Of: 3}
	for _, tt := range []struct {
		design randomization.Design
		lists  []string // the second half is their mirror image
		chance *big.Rat
	}{
		{bigStick, []string{"AABA", "AABB"}, big.NewRat(1, 8)},
		{bigStick, []string{"ABAA", "ABAB", "ABBA", "ABBB"}, big.NewRat(1, 16)},
		{bigStick, []string{"AAAA", "AAAB"}, new(big.Rat)},
		{efron, []string{"AAAA"}, big.NewRat(1, 54)},
		{efron, []string{"AAAB", "AABA"}, big.NewRat(1, 27)},
		{efron, []string{"AABB"}, big.NewRat(2, 27)},
		{efron, []string{"ABAA", "ABBB"}, big.NewRat(1, 18)},
		{efron, []string{"ABAB", "ABBA"}, big.NewRat(1, 9)},
		{randomization.Maximal{Tolerance: 2, Length: 4}, []string{"AABB", "ABAB", "ABBA"}, big.NewRat(1, 6)},
		{equalChances([]int{1, 1}, 4), []string{"AABB", "ABAB", "ABBA"}, big.NewRat(1, 6)},
	} {
		want, _ := tt.chance.Float64()
		for _, letters := range tt.lists {
			for mirror := range 2 {
				list := make([]int, len(letters))
				for i, letter := range letters {
					list[i] = int(letter-'A') ^ mirror
				}
				if exact := chanceOf(tt.design, list); exact.Cmp(tt.chance) != 0 {
					t.Errorf("%T%v: %v has chance %v, want %v", tt.design, tt.design, list, exact, tt.chance)
				}
				if got := randomization.ModelChance(tt.design, list); math.Abs(got-want) > 1e-15 {
					t.Errorf("%T%v: %v has chance %g in the model, want %g", tt.design, tt.design, list, got, want)
				}
			}
		}
	}
}

// A number below a big one is as likely as every other one, also across the
// border of a word: 2^64 + 2^63 numbers, in three halves of a word.
func TestBelowBigIsUniform(t *testing.T) {
	half := new(big.Int).Lsh(big.NewInt(1), 63)
	counts, chances := make([]float64, 3), []float64{1, 1, 1}
	for _, x := range randomization.BelowBig(testSeed(t), new(big.Int).Mul(half, big.NewInt(3)), 60000) {
		counts[new(big.Int).Div(x, half).Int64()]++
	}
	if x := chiSquare(counts, chances); x > chiSquareLimit[2] {
		t.Errorf("chi-square %.3f, limit %.3f", x, chiSquareLimit[2])
	}
	small := make([]float64, 10)
	for _, x := range randomization.BelowBig(testSeed(t), big.NewInt(10), 60000) {
		small[x.Int64()]++
	}
	if tail := chiSquareTail(9, chiSquare(small, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1})); tail < 1e-6 {
		t.Errorf("below 10: %v", small)
	}
}

// chiSquareTail returns the chance that a chi-square of so many degrees of
// freedom is at least x.
//
// Source: Abramowitz & Stegun (1964), 26.4.4 and 26.4.5.
func chiSquareTail(freedom int, x float64) float64 {
	tail, a := math.Erfc(math.Sqrt(x/2)), 0.5
	if freedom%2 == 0 {
		tail, a = math.Exp(-x/2), 1
	}
	for ; 2*a < float64(freedom); a++ {
		g, _ := math.Lgamma(a + 1)
		tail += math.Exp(a*math.Log(x/2) - x/2 - g)
	}
	return tail
}

// The tail agrees with the limits that are written down.
func TestChiSquareTail(t *testing.T) {
	for freedom, limit := range chiSquareLimit {
		if tail := chiSquareTail(freedom, limit); math.Abs(tail*1e6-1) > .002 {
			t.Errorf("%d degrees of freedom: %g beyond %g, want 1e-6", freedom, tail, limit)
		}
	}
}
