package randomization

// BiasedCoin is Efron's biased coin design BCD(p): a fair coin while the arms
// are even, else a coin that falls on the arm that is behind with chance p. It
// is defined for two arms in equal numbers. It sets no bound on the imbalance,
// but a large one is unlikely.
//
// Source: Efron (1971), Forcing a sequential experiment to be balanced,
// Biometrika 58, 403-417.
type BiasedCoin struct {
	// Favored and Of make the chance Favored/Of of the arm that is behind, which
	// is more than 1/2 and less than 1, in lowest terms; Of is at most 1000.
	// Efron's own choice is 2/3.
	Favored, Of int
}

// Validate implements [Design].
func (c BiasedCoin) Validate() error {
	switch {
	case c.Of < 1 || c.Of > maxChance || c.Favored < 1 || c.Favored >= c.Of:
		return designError("chance %d/%d of the arm that is behind: use a fraction more than 1/2 and less than 1, as 2/3, with numbers up to %d", c.Favored, c.Of, maxChance)
	case 2*c.Favored <= c.Of:
		return designError("chance %d/%d of the arm that is behind: use more than 1/2, or the complete design for a fair coin", c.Favored, c.Of)
	}
	if d := divisor([]int{c.Favored, c.Of}); d > 1 {
		return designError("chance %d/%d is not in lowest terms: divide both numbers by %d", c.Favored, c.Of, d)
	}
	return nil
}

// Encode implements [Design].
func (c BiasedCoin) Encode() []byte {
	return appendNumbers(pack([]byte(tagEfron)), c.Favored, c.Of)
}

// ArmRatio implements [Design].
func (BiasedCoin) ArmRatio() []int { return oneToOne() }

// MaxImbalance implements [Design]: there is no bound.
func (BiasedCoin) MaxImbalance(int) int { return 0 }

func (BiasedCoin) purpose() string { return "efron" }

func (c BiasedCoin) start(random *stream) source {
	ahead := 0 // participants in arm 0 more than in arm 1
	return func(arms []uint8) []uint8 {
		var arm uint8
		if ahead == 0 {
			arm = uint8(random.below(2))
		} else {
			favored := random.below(uint64(c.Of)) < uint64(c.Favored)
			if favored == (ahead > 0) {
				arm = 1
			}
		}
		ahead += towards(arm)
		return append(arms, arm)
	}
}

func (c BiasedCoin) model() model {
	p := float64(c.Favored) / float64(c.Of)
	return func(s state) []move {
		switch {
		case s[0] > 0:
			return twoMoves(s, 1-p)
		case s[0] < 0:
			return twoMoves(s, p)
		default:
			return twoMoves(s, 0.5)
		}
	}
}
