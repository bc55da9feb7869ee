package randomization

// Urn is Wei's urn design UD(α, β): an urn begins with α balls of each arm. A
// ball is drawn and put back, its arm is the next one, and β balls of every
// other arm are added. An empty urn, which α = 0 begins with, draws all arms
// with equal chances. Early on it balances like a biased coin, later it comes
// ever closer to complete randomization; it sets no bound on the imbalance. It
// is defined for two or more arms in equal numbers.
//
// Source: Wei (1977), A class of designs for sequential clinical trials, Journal
// of the American Statistical Association 72, 382-386, for two arms; Wei
// (1978), An application of an urn model to the design of sequential controlled
// clinical trials, the same journal 73, 559-563, for more.
type Urn struct {
	// Arms is the number of arms: 2 to 16.
	Arms int

	// Alpha is the number of balls of each arm at the beginning: 0 to 1000.
	Alpha int

	// Beta is the number of balls of each other arm that a draw adds: 1 to 1000,
	// without a common divisor with Alpha.
	Beta int
}

// Validate implements [Design].
func (u Urn) Validate() error {
	switch {
	case u.Arms < 2 || u.Arms > maxArms:
		return designError("%d arms: use 2 to %d", u.Arms, maxArms)
	case u.Alpha < 0 || u.Alpha > maxBalls:
		return designError("alpha %d: use 0 to %d", u.Alpha, maxBalls)
	case u.Beta == 0:
		return designError("beta 0 adds no balls: use 1 or more, or the complete design")
	case u.Beta < 0 || u.Beta > maxBalls:
		return designError("beta %d: use 1 to %d", u.Beta, maxBalls)
	}
	if d := divisor([]int{u.Alpha, u.Beta}); d > 1 {
		return designError("alpha %d and beta %d have a common divisor: divide both by %d", u.Alpha, u.Beta, d)
	}
	return nil
}

// Encode implements [Design].
func (u Urn) Encode() []byte {
	return appendNumbers(pack([]byte(tagUrn)), u.Arms, u.Alpha, u.Beta)
}

// ArmRatio implements [Design].
func (u Urn) ArmRatio() []int { return ones(max(u.Arms, 0)) }

// MaxImbalance implements [Design]: there is no bound.
func (Urn) MaxImbalance(int) int { return 0 }

func (Urn) purpose() string { return "urn" }

func (u Urn) start(random *stream) source {
	balls := make([]int, u.Arms)
	for arm := range balls {
		balls[arm] = u.Alpha
	}
	return func(arms []uint8) []uint8 {
		in := balls
		if sum(balls) == 0 {
			in = ones(u.Arms)
		}
		drawn := share(in, random.below(uint64(sum(in))))
		for arm := range balls {
			if arm != drawn {
				balls[arm] += u.Beta
			}
		}
		return append(arms, uint8(drawn))
	}
}

// model counts the participants of each arm.
func (u Urn) model() model {
	return func(s state) []move {
		all := 0
		for _, n := range s {
			all += int(n)
		}
		total := float64(u.Arms*u.Alpha + (u.Arms-1)*u.Beta*all)
		moves := make([]move, u.Arms)
		for arm := range moves {
			chance := 1 / float64(u.Arms)
			if total > 0 {
				chance = float64(u.Alpha+u.Beta*(all-int(s[arm]))) / total
			}
			next := s
			next[arm]++
			moves[arm] = move{Arm(arm), chance, next}
		}
		return moves
	}
}
