package randomization

// BigStick is the big stick design: a fair coin, until one arm is ahead by the
// tolerated imbalance; then the other arm follows for certain. It is defined
// for two arms in equal numbers.
//
// Source: Soares & Wu (1983), Some restricted randomization rules in sequential
// designs, Communications in Statistics: Theory and Methods 12, 2017-2034.
type BigStick struct {
	// Tolerance is by how many participants an arm may be ahead in a stratum: 2
	// to 64.
	Tolerance int
}

// Validate implements [Design].
func (b BigStick) Validate() error { return validateTolerance(b.Tolerance) }

// Encode implements [Design].
func (b BigStick) Encode() []byte {
	return appendNumbers(pack([]byte(tagBigStick)), b.Tolerance)
}

// ArmRatio implements [Design].
func (BigStick) ArmRatio() []int { return oneToOne() }

// MaxImbalance implements [Design]: every stratum can be at its bound.
func (b BigStick) MaxImbalance(strata int) int { return toleranceOf(b, b.Tolerance, strata) }

func (BigStick) purpose() string { return "big-stick" }

func (b BigStick) start(random *stream) source {
	ahead := 0 // participants in arm 0 more than in arm 1
	return func(arms []uint8) []uint8 {
		var arm uint8
		switch ahead {
		case b.Tolerance:
			arm = 1
		case -b.Tolerance:
			arm = 0
		default:
			arm = uint8(random.below(2))
		}
		ahead += towards(arm)
		return append(arms, arm)
	}
}

func (b BigStick) model() model {
	return func(s state) []move {
		switch ahead := int(s[0]); ahead {
		case b.Tolerance:
			return twoMoves(s, 0)
		case -b.Tolerance:
			return twoMoves(s, 1)
		default:
			return twoMoves(s, 0.5)
		}
	}
}

// towards returns by how many arm 0 is further ahead of arm 1 after arm.
func towards(arm uint8) int { return 1 - 2*int(arm) }

// toleranceOf returns the bound of a design that holds each stratum at a
// tolerated imbalance.
func toleranceOf(d Design, tolerance, strata int) int {
	if d.Validate() != nil || strata < 1 {
		return 0
	}
	return strata * tolerance
}
