package randomization_test

import (
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// chiSquareLimit is exceeded by one in a million fair draws, by degrees of
// freedom. The draws here are fixed, so that the tests don't flicker.
var chiSquareLimit = map[int]float64{
	1: 23.928, 2: 27.631, 3: 30.665, 5: 35.888, 14: 54.635, 19: 63.677, 69: 139.83, 83: 159.189,
}

// chiSquare returns the distance of counts from what the chances expect.
func chiSquare(counts, chances []float64) float64 {
	n, total, x := 0.0, 0.0, 0.0
	for i := range counts {
		n += counts[i]
		total += chances[i]
	}
	for i := range counts {
		want := n * chances[i] / total
		x += (counts[i] - want) * (counts[i] - want) / want
	}
	return x
}

// Every order of a block is as likely as every other one.
func TestOrdersAreEquallyLikely(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		design randomization.Blocks
		size   int // of the blocks looked at
		orders int // number of different orders: the multinomial coefficient
	}{
		{"1:1 block 4", equalChances([]int{1, 1}, 4), 4, 6},
		{"1:1 block 6", equalChances([]int{1, 1}, 6), 6, 20},
		{"1:1 block 8", equalChances([]int{1, 1}, 8), 8, 70},
		{"2:1 block 6", equalChances([]int{2, 1}, 6), 6, 15},
		{"2:1 block 9", equalChances([]int{2, 1}, 9), 9, 84},
		{"blocks of 4 among 4, 6, 8", equalChances([]int{1, 1}, 4, 6, 8), 4, 6},
		{"blocks of 6 among 4, 6, 8", equalChances([]int{1, 1}, 4, 6, 8), 6, 20},
		{"blocks of 8 among 4, 6, 8", equalChances([]int{1, 1}, 4, 6, 8), 8, 70},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := map[string]float64{}
			for _, block := range newSequence(t, tt.design, "ips", "oslo").Blocks(draws(60000)) {
				if len(block) == tt.size {
					seen[arms(block)]++
				}
			}
			if len(seen) != tt.orders {
				t.Fatalf("%d different orders, want %d", len(seen), tt.orders)
			}
			var counts, chances []float64
			for _, n := range seen {
				counts, chances = append(counts, n), append(chances, 1)
			}
			if x := chiSquare(counts, chances); x > chiSquareLimit[tt.orders-1] {
				t.Errorf("chi-square %.3f, limit %.3f", x, chiSquareLimit[tt.orders-1])
			}
		})
	}
}

// The sizes come up in the share of their weights, and a size tells nothing
// about the next.
func TestSizesFollowTheirWeights(t *testing.T) {
	for _, weights := range [][]int{{1, 1, 1}, {1, 2, 1}, {7, 2, 1}, {1, 10, 100}} {
		design := equalChances([]int{1, 1}, 4, 6, 8)
		var chances, pairs []float64
		for i, w := range weights {
			design.Sizes[i].Weight = w
			chances = append(chances, float64(w))
		}
		counts, next := make([]float64, 3), make([]float64, 9)
		last := -1
		for _, block := range newSequence(t, design, "ips", "oslo").Blocks(draws(60000)) {
			i := len(block)/2 - 2
			counts[i]++
			if last >= 0 {
				next[3*last+i]++
				last = -1 // pairs don't overlap
			} else {
				last = i
			}
		}
		for _, a := range chances {
			for _, b := range chances {
				pairs = append(pairs, a*b)
			}
		}
		if x := chiSquare(counts, chances); x > chiSquareLimit[2] {
			t.Errorf("weights %v: chi-square %.3f, limit %.3f", weights, x, chiSquareLimit[2])
		}
		if x := chiSquare(next, pairs); x > 42.70 { // 8 degrees of freedom
			t.Errorf("weights %v: pairs: chi-square %.3f, limit 42.70", weights, x)
		}
	}
}

// A number below n is as likely as every other one, also where n is no power
// of two.
func TestBelowIsUniform(t *testing.T) {
	for _, n := range []int{2, 3, 4, 6, 15, 20} {
		ns := make([]uint64, draws(60000))
		for i := range ns {
			ns[i] = uint64(n)
		}
		counts, chances := make([]float64, n), make([]float64, n)
		for i := range chances {
			chances[i] = 1
		}
		for _, x := range randomization.Below(testSeed(t), "ips", "uniform", ns) {
			counts[x]++
		}
		if x := chiSquare(counts, chances); x > chiSquareLimit[n-1] {
			t.Errorf("below %d: chi-square %.3f, limit %.3f", n, x, chiSquareLimit[n-1])
		}
	}
}
