package randomization_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

func TestBlocksValidate(t *testing.T) {
	weighted := func(sizesAndWeights ...int) randomization.Blocks {
		b := randomization.Blocks{Ratio: []int{1, 1}}
		for i := 0; i < len(sizesAndWeights); i += 2 {
			b.Sizes = append(b.Sizes, randomization.BlockSize{Size: sizesAndWeights[i], Weight: sizesAndWeights[i+1]})
		}
		return b
	}
	manyArms := func(n int) []int {
		ratio := make([]int, n)
		for i := range ratio {
			ratio[i] = 1
		}
		return ratio
	}
	const max = int(^uint(0) >> 1)
	for _, tt := range []struct {
		name   string
		design randomization.Blocks
		say    string // part of the message; empty for a design that can be used
	}{
		{"1:1 with the default sizes", equalChances([]int{1, 1}, 4, 6, 8), ""},
		{"2:1", equalChances([]int{2, 1}, 6, 9), ""},
		{"16 arms", equalChances(manyArms(16), 32), ""},
		{"largest size", equalChances([]int{1, 1}, 256), ""},
		{"largest ratio", equalChances([]int{127, 1}, 256), ""},
		{"weights", weighted(4, 1, 6, 2, 8, 1000), ""},
		{"no arm", equalChances(nil, 4), "0 arms: give a ratio of 2 to 16 arms"},
		{"one arm", equalChances([]int{1}, 2), "1 arms: give"},
		{"17 arms", equalChances(manyArms(17), 34), "17 arms: give"},
		{"zero in ratio", equalChances([]int{1, 0}, 4), "ratio 1:0: use whole numbers from 1"},
		{"negative ratio", equalChances([]int{3, -1}, 4), "ratio 3:-1: use whole numbers from 1"},
		{"huge ratio", equalChances([]int{max, max, 4}, 4), "use whole numbers from 1 to 128"},
		{"ratio adds up to more than half the largest block", equalChances([]int{127, 2}, 258), "adds up to 129: the largest sum is 128"},
		{"ratio not in lowest terms", equalChances([]int{4, 2}, 12), "ratio 4:2 is not in lowest terms: divide it by 2"},
		{"no size", equalChances([]int{1, 1}), "0 block sizes: give 1 to 16"},
		{"17 sizes", equalChances([]int{1, 1}, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36), "17 block sizes: give"},
		{"size of one round at 1:1", equalChances([]int{1, 1}, 2, 4), "a block of 2 is a single round of ratio 1:1, so its end is easily predicted: use 4 or more"},
		{"size of one round at 2:1", equalChances([]int{2, 1}, 3), "use 6 or more"},
		{"size no multiple", equalChances([]int{2, 1}, 6, 8), "block size 8: use multiples of 3 from 6 to 255"},
		{"size zero", equalChances([]int{1, 1}, 0), "block size 0: use multiples of 2 from 4 to 256"},
		{"size negative", equalChances([]int{1, 1}, -4), "block size -4: use"},
		{"size too large", equalChances([]int{1, 1}, 258), "block size 258: use"},
		{"size twice", equalChances([]int{1, 1}, 4, 4), "block size 4 after 4: give each size once"},
		{"sizes descend", equalChances([]int{1, 1}, 6, 4), "block size 4 after 6: give each size once, smallest first"},
		{"weight zero", weighted(4, 1, 6, 0), "weight 0 of block size 6: use 1 to 1000"},
		{"weight negative", weighted(4, -1), "weight -1 of block size 4"},
		{"weight too large", weighted(4, 1, 6, 1001), "weight 1001 of block size 6"},
		{"weights not in lowest terms", weighted(4, 50, 6, 25, 8, 25), "weights 50:25:25 are not in lowest terms: divide them by 25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.design.Validate()
			if tt.say == "" && err != nil {
				t.Fatalf("Validate() = %v, want nil", err)
			}
			if tt.say != "" && (!errors.Is(err, randomization.ErrDesign) || !strings.Contains(err.Error(), tt.say)) {
				t.Fatalf("Validate() = %v, want an ErrDesign that says %q", err, tt.say)
			}
		})
	}
}

func TestMaxImbalance(t *testing.T) {
	for _, tt := range []struct {
		name   string
		design randomization.Blocks
		strata int
		want   int
	}{
		{"1:1, one stratum", equalChances([]int{1, 1}, 4, 6, 8), 1, 4},
		{"1:1, seven strata", equalChances([]int{1, 1}, 4, 6, 8), 7, 28},
		{"2:1", equalChances([]int{2, 1}, 6, 9), 1, 6},
		{"1:1:1", equalChances([]int{1, 1, 1}, 6), 2, 4},
		{"1:2:3", equalChances([]int{1, 2, 3}, 12), 1, 6},
		{"no strata", equalChances([]int{1, 1}, 4), 0, 0},
		{"negative strata", equalChances([]int{1, 1}, 4), -1, 0},
		{"unusable", equalChances(nil, 4), 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.design.MaxImbalance(tt.strata); got != tt.want {
				t.Errorf("MaxImbalance(%d) = %d, want %d", tt.strata, got, tt.want)
			}
		})
	}
}

// The bound of MaxImbalance holds at every slot, and some sequence reaches it.
func TestMaxImbalanceIsTight(t *testing.T) {
	for _, design := range []randomization.Blocks{
		equalChances([]int{1, 1}, 4), equalChances([]int{1, 1}, 4, 6), equalChances([]int{2, 1}, 6), equalChances([]int{1, 1, 2}, 8),
	} {
		bound, reached := design.MaxImbalance(1), false
		count := make([]int, len(design.Ratio))
		for _, arm := range newSequence(t, design, "ips", "oslo").First(50000) {
			count[arm]++
			for i, ri := range design.Ratio {
				for j, rj := range design.Ratio {
					ahead := count[i]*rj - count[j]*ri // times rj
					if ahead > bound*rj {
						t.Fatalf("%v: arm %d is ahead of arm %d by %d/%d, bound %d", design, i, j, ahead, rj, bound)
					}
					reached = reached || ahead == bound*rj
				}
			}
		}
		if !reached {
			t.Errorf("%v: bound %d was not reached", design, bound)
		}
	}
}

// designs draws usable designs with small numbers.
func designs() *rapid.Generator[randomization.Blocks] {
	return rapid.Custom(func(t *rapid.T) randomization.Blocks {
		b := randomization.Blocks{Ratio: rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4).Draw(t, "ratio")}
		b.Ratio = append(b.Ratio, 1) // keeps it in lowest terms
		sum := 0
		for _, r := range b.Ratio {
			sum += r
		}
		for k := 2; k <= 5; k++ {
			if w := rapid.IntRange(0, 3).Draw(t, "weight"); w > 0 {
				b.Sizes = append(b.Sizes, randomization.BlockSize{Size: k * sum, Weight: w})
			}
		}
		b.Sizes = append(b.Sizes, randomization.BlockSize{Size: 6 * sum, Weight: 1})
		return b
	})
}
