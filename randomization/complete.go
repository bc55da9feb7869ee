package randomization

import "slices"

// Complete is complete randomization: each arm is drawn on its own, with a
// chance in proportion to the ratio, whatever was drawn before. Nothing about
// the next arm can be known, and nothing keeps the arms in balance. It is
// defined for two or more arms and any integer ratio.
//
// Source: Rosenberger & Lachin (2016), Randomization in Clinical Trials, 2nd
// edition, section 3.2.
type Complete struct {
	// Ratio is the number of participants of each arm in the smallest balanced
	// group, in lowest terms: {2, 1} for 2:1. 2 to 16 arms.
	Ratio []int
}

// Validate implements [Design].
func (c Complete) Validate() error { return validateRatio(c.Ratio) }

// Encode implements [Design].
func (c Complete) Encode() []byte {
	return appendNumbers(pack([]byte(tagComplete)), append([]int{len(c.Ratio)}, c.Ratio...)...)
}

// ArmRatio implements [Design].
func (c Complete) ArmRatio() []int { return slices.Clone(c.Ratio) }

// MaxImbalance implements [Design]: there is no bound.
func (Complete) MaxImbalance(int) int { return 0 }

func (Complete) purpose() string { return "complete" }

func (c Complete) start(random *stream) source {
	ratio, total := slices.Clone(c.Ratio), uint64(sum(c.Ratio))
	return func(arms []uint8) []uint8 {
		return append(arms, uint8(share(ratio, random.below(total))))
	}
}

func (c Complete) model() model {
	var moves []move
	for arm, r := range c.Ratio {
		moves = append(moves, move{Arm(arm), float64(r) / float64(sum(c.Ratio)), state{}})
	}
	return func(state) []move { return moves }
}
