package randomization_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

// What can't be used is refused with what to do instead.
func TestDesignValidate(t *testing.T) {
	bigStick := func(tolerance int) randomization.Design { return randomization.BigStick{Tolerance: tolerance} }
	maximal := func(tolerance, length int) randomization.Design {
		return randomization.Maximal{Tolerance: tolerance, Length: length}
	}
	coin := func(favored, of int) randomization.Design {
		return randomization.BiasedCoin{Favored: favored, Of: of}
	}
	urn := func(arms, alpha, beta int) randomization.Design {
		return randomization.Urn{Arms: arms, Alpha: alpha, Beta: beta}
	}
	for _, tt := range []struct {
		design randomization.Design
		say    string // part of the message; empty for a design that can be used
	}{
		{randomization.Complete{Ratio: []int{1, 1}}, ""},
		{randomization.Complete{Ratio: []int{5, 3, 1}}, ""},
		{randomization.Complete{}, "0 arms: give a ratio of 2 to 16 arms"},
		{randomization.Complete{Ratio: []int{2, 2}}, "ratio 2:2 is not in lowest terms: divide it by 2"},
		{randomization.Complete{Ratio: []int{0, 1}}, "ratio 0:1: use whole numbers from 1"},
		{bigStick(2), ""},
		{bigStick(64), ""},
		{bigStick(1), "tolerated imbalance 1 makes every second arm certain: use 2 or more"},
		{bigStick(0), "tolerated imbalance 0: use 2 to 64"},
		{bigStick(-3), "tolerated imbalance -3: use 2 to 64"},
		{bigStick(65), "tolerated imbalance 65: use 2 to 64"},
		{maximal(2, 4), ""},
		{maximal(64, 1024), ""},
		{maximal(1, 12), "tolerated imbalance 1 makes every second arm certain"},
		{maximal(2, 0), "planned length 0 of a stratum: use an even number from 4 to 1024"},
		{maximal(2, 13), "planned length 13 of a stratum: use an even number"},
		{maximal(2, 1026), "planned length 1026 of a stratum"},
		{maximal(4, 6), "tolerated imbalance 4 can't be reached in a list of 6 that ends even: use 3 or less"},
		{coin(2, 3), ""},
		{coin(999, 1000), ""},
		{coin(1, 2), "chance 1/2 of the arm that is behind: use more than 1/2, or the complete design"},
		{coin(1, 3), "use more than 1/2"},
		{coin(1, 1), "use a fraction more than 1/2 and less than 1, as 2/3"},
		{coin(3, 2), "use a fraction more than 1/2 and less than 1"},
		{coin(0, 0), "use a fraction more than 1/2 and less than 1"},
		{coin(-2, -3), "use a fraction more than 1/2 and less than 1"},
		{coin(1000, 1001), "with numbers up to 1000"},
		{coin(4, 6), "chance 4/6 is not in lowest terms: divide both numbers by 2"},
		{urn(2, 0, 1), ""},
		{urn(16, 1000, 999), ""},
		{urn(1, 0, 1), "1 arms: use 2 to 16"},
		{urn(17, 0, 1), "17 arms: use 2 to 16"},
		{urn(2, -1, 1), "alpha -1: use 0 to 1000"},
		{urn(2, 1001, 1), "alpha 1001: use 0 to 1000"},
		{urn(2, 1, 0), "beta 0 adds no balls: use 1 or more, or the complete design"},
		{urn(2, 1, -1), "beta -1: use 1 to 1000"},
		{urn(2, 1, 1001), "beta 1001: use 1 to 1000"},
		{urn(2, 0, 2), "alpha 0 and beta 2 have a common divisor: divide both by 2"},
		{urn(2, 6, 4), "divide both by 2"},
	} {
		t.Run(fmt.Sprintf("%T%v", tt.design, tt.design), func(t *testing.T) {
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

func TestNewSequenceRefusesNoDesign(t *testing.T) {
	if _, err := randomization.NewSequence(testSeed(t), nil, "ips", "oslo"); !errors.Is(err, randomization.ErrDesign) {
		t.Errorf("NewSequence: error %v, want ErrDesign", err)
	}
}

// A design says how many of each arm make a balanced group, and by how many an
// arm can be ahead; the caller can't change the design through that.
func TestArmRatioAndMaxImbalance(t *testing.T) {
	for _, tt := range []struct {
		design randomization.Design
		ratio  []int
		bound  int // of three strata
	}{
		{equalChances([]int{2, 1}, 6, 9), []int{2, 1}, 18},
		{randomization.Complete{Ratio: []int{1, 2, 3}}, []int{1, 2, 3}, 0},
		{randomization.BigStick{Tolerance: 3}, []int{1, 1}, 9},
		{randomization.Maximal{Tolerance: 4, Length: 20}, []int{1, 1}, 12},
		{randomization.BiasedCoin{Favored: 2, Of: 3}, []int{1, 1}, 0},
		{randomization.Urn{Arms: 3, Alpha: 0, Beta: 1}, []int{1, 1, 1}, 0},
		{randomization.BigStick{Tolerance: 1}, []int{1, 1}, 0},
		{randomization.Urn{Arms: -1}, []int{}, 0},
	} {
		ratio := tt.design.ArmRatio()
		if diff := cmp.Diff(tt.ratio, ratio); diff != "" {
			t.Errorf("%T%v: ArmRatio: (-want +got)\n%s", tt.design, tt.design, diff)
		}
		clear(ratio)
		if diff := cmp.Diff(tt.ratio, tt.design.ArmRatio()); diff != "" {
			t.Errorf("%T%v: ArmRatio follows its caller:\n%s", tt.design, tt.design, diff)
		}
		if got := tt.design.MaxImbalance(3); got != tt.bound {
			t.Errorf("%T%v: MaxImbalance(3) = %d, want %d", tt.design, tt.design, got, tt.bound)
		}
		if got := tt.design.MaxImbalance(0); got != 0 {
			t.Errorf("%T%v: MaxImbalance(0) = %d, want 0", tt.design, tt.design, got)
		}
	}
}

// No arm is ever ahead by more than the design tolerates, and it does get that
// far; a list of the maximal procedure ends even.
func TestToleranceIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tolerance := rapid.IntRange(2, 5).Draw(t, "tolerance")
		length := 2 * rapid.IntRange(tolerance, 40).Draw(t, "half the length")
		for _, design := range []randomization.Design{
			randomization.BigStick{Tolerance: tolerance},
			randomization.Maximal{Tolerance: tolerance, Length: length},
		} {
			ahead, reached := 0, false
			for slot, arm := range sequence(t, design)().First(40 * length) {
				ahead += 1 - 2*int(arm)
				if ahead > tolerance || -ahead > tolerance {
					t.Fatalf("%T%v: ahead by %d after slot %d", design, design, ahead, slot)
				}
				reached = reached || ahead == tolerance || -ahead == tolerance
				if _, ok := design.(randomization.Maximal); ok && (slot+1)%length == 0 && ahead != 0 {
					t.Fatalf("%v: ahead by %d at the end of a list", design, ahead)
				}
			}
			if !reached && tolerance < 4 {
				t.Fatalf("%T%v: the bound was never reached", design, design)
			}
		}
	})
}

// Arms come in the design's ratio, in whichever order it names them: 5 standard
// deviations of complete randomization, which varies most.
func TestOrderOfArmsDoesNotMatterToBalance(t *testing.T) {
	n := draws(60000)
	for _, design := range []randomization.Design{
		randomization.Complete{Ratio: []int{3, 2, 1}},
		randomization.Complete{Ratio: []int{1, 2, 3}},
		equalChances([]int{3, 2, 1}, 12), equalChances([]int{1, 2, 3}, 12),
		randomization.BigStick{Tolerance: 3},
		randomization.Maximal{Tolerance: 3, Length: 24},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 4, Alpha: 1, Beta: 1},
	} {
		ratio, sum := design.ArmRatio(), 0
		counts := make([]int, len(ratio))
		for _, arm := range newSequence(t, design, "ips", "oslo").First(n) {
			counts[arm]++
		}
		for _, r := range ratio {
			sum += r
		}
		for arm, r := range ratio {
			p := float64(r) / float64(sum)
			if d := float64(counts[arm]) - float64(n)*p; d*d > 25*float64(n)*p*(1-p) {
				t.Errorf("%T%v: %d of %d in arm %d, want about %.0f", design, design, counts[arm], n, arm, float64(n)*p)
			}
		}
	}
}

// What one stratum draws tells nothing of another: pairs of arms at the same
// slot of two strata come as often as chance has it.
func TestStrataAreIndependent(t *testing.T) {
	t.Parallel()
	keys := streamKeys()
	for _, design := range []randomization.Design{
		equalChances([]int{1, 1}, 4, 6),
		randomization.Complete{Ratio: []int{1, 1}},
		randomization.BigStick{Tolerance: 2},
		randomization.Maximal{Tolerance: 2, Length: 10},
		randomization.BiasedCoin{Favored: 3, Of: 4},
		randomization.Urn{Arms: 2, Alpha: 0, Beta: 1},
	} {
		counts, chances := make([]float64, 4), []float64{1, 1, 1, 1}
		for i := 0; i < len(keys); i += 2 {
			a := randomization.SequenceOf(design, keys[i]).At(2)
			b := randomization.SequenceOf(design, keys[i+1]).At(2)
			counts[2*a+b]++
		}
		if x := chiSquare(counts, chances); x > chiSquareLimit[3] {
			t.Errorf("%T%v: chi-square %.3f, limit %.3f", design, design, x, chiSquareLimit[3])
		}
	}
}

// A design that its owner changes later doesn't change a sequence.
func TestCompleteOwnsItsRatio(t *testing.T) {
	ratio := []int{2, 1}
	s := newSequence(t, randomization.Complete{Ratio: ratio}, "ips", "oslo")
	want := arms(newSequence(t, randomization.Complete{Ratio: []int{2, 1}}, "ips", "oslo").First(300))
	ratio[0] = 9
	if got := arms(s.First(300)); got != want {
		t.Error("the sequence follows the caller's slice")
	}
}

// anyDesigns draws usable designs of every kind.
func anyDesigns() *rapid.Generator[randomization.Design] {
	return rapid.OneOf(
		rapid.Map(designs(), func(b randomization.Blocks) randomization.Design { return b }),
		rapid.Map(designs(), func(b randomization.Blocks) randomization.Design { return randomization.Complete{Ratio: b.Ratio} }),
		rapid.Map(rapid.IntRange(2, 9), func(n int) randomization.Design { return randomization.BigStick{Tolerance: n} }),
		rapid.Custom(func(t *rapid.T) randomization.Design {
			tolerance := rapid.IntRange(2, 9).Draw(t, "tolerance")
			return randomization.Maximal{Tolerance: tolerance, Length: 2 * rapid.IntRange(tolerance, 30).Draw(t, "half")}
		}),
		rapid.Custom(func(t *rapid.T) randomization.Design {
			favored := rapid.IntRange(2, 999).Draw(t, "favored")
			return randomization.BiasedCoin{Favored: favored, Of: favored + 1}
		}),
		rapid.Custom(func(t *rapid.T) randomization.Design {
			beta := rapid.IntRange(1, 50).Draw(t, "beta")
			return randomization.Urn{Arms: rapid.IntRange(2, 6).Draw(t, "arms"), Alpha: rapid.IntRange(0, 3).Draw(t, "times")*beta + 1, Beta: beta}
		}),
	)
}
