package randomization

import "math/big"

// Maximal is the maximal procedure: of all lists of the planned length in which
// no arm is ever ahead by more than the tolerated imbalance, and which end
// even, each is as likely as every other one. A stratum that outgrows its
// planned length goes on with another such list. It is defined for two arms in
// equal numbers.
//
// Source: Berger, Ivanova & Knoll (2003), Minimizing predictability while
// retaining balance through the use of less restrictive randomization
// procedures, Statistics in Medicine 22, 3017-3028. The counts of lists follow
// Salama, Ivanova & Qaqish (2008), Efficient generation of constrained block
// allocation sequences, the same journal 27, 1421-1428.
type Maximal struct {
	// Tolerance is by how many participants an arm may be ahead in a stratum: 2
	// to 64, and at most half of Length.
	Tolerance int

	// Length is the planned number of participants of a stratum: even, 4 to 1024.
	Length int
}

// Validate implements [Design].
func (m Maximal) Validate() error {
	if err := validateTolerance(m.Tolerance); err != nil {
		return err
	}
	switch {
	case m.Length < 4 || m.Length > maxLength || m.Length%2 != 0:
		return designError("planned length %d of a stratum: use an even number from 4 to %d", m.Length, maxLength)
	case m.Tolerance > m.Length/2:
		return designError("tolerated imbalance %d can't be reached in a list of %d that ends even: use %d or less", m.Tolerance, m.Length, m.Length/2)
	}
	return nil
}

// Encode implements [Design].
func (m Maximal) Encode() []byte {
	return appendNumbers(pack([]byte(tagMaximal)), m.Tolerance, m.Length)
}

// ArmRatio implements [Design].
func (Maximal) ArmRatio() []int { return oneToOne() }

// MaxImbalance implements [Design]: every stratum can be at its bound.
func (m Maximal) MaxImbalance(strata int) int { return toleranceOf(m, m.Tolerance, strata) }

func (Maximal) purpose() string { return "maximal" }

// start draws the rank of a whole list among all admissible ones, in the order
// in which arm 0 comes first, and writes that list.
func (m Maximal) start(random *stream) source {
	return func(arms []uint8) []uint8 {
		// The table is as large as a list is long, so it isn't kept for later.
		paths := m.paths()
		rank, ahead := random.belowBig(paths.from(m.Length, 0)), 0
		for left := m.Length - 1; left >= 0; left-- {
			var arm uint8
			if zero := paths.from(left, ahead+1); rank.Cmp(zero) >= 0 {
				rank.Sub(rank, zero)
				arm = 1
			}
			ahead += towards(arm)
			arms = append(arms, arm)
		}
		return arms
	}
}

// model counts the slots of the list that are left, and by how many arm 0 is
// ahead of arm 1.
func (m Maximal) model() model {
	paths := m.paths()
	return func(s state) []move {
		left := int(s[1])
		if left == 0 {
			left = m.Length
		}
		zero, all := paths.from(left-1, int(s[0])+1), paths.from(left, int(s[0]))
		p, _ := new(big.Rat).SetFrac(zero, all).Float64()
		s[1] = int32(left - 1)
		return twoMoves(s, p)
	}
}

// paths are numbers of lists: [left][ahead] is that of the ways in which a list
// with left slots to come can end even if an arm is ahead by so many.
type paths [][]*big.Int

// from returns the number of lists for an arm that is ahead, or behind.
func (p paths) from(left, ahead int) *big.Int {
	ahead = max(ahead, -ahead)
	if ahead >= len(p[left]) {
		return new(big.Int)
	}
	return p[left][ahead]
}

func (m Maximal) paths() paths {
	p := make(paths, m.Length+1)
	for left := range p {
		p[left] = make([]*big.Int, m.Tolerance+1)
		for ahead := range p[left] {
			n := new(big.Int)
			switch {
			case left > 0:
				n.Add(p.from(left-1, ahead+1), p.from(left-1, ahead-1))
			case ahead == 0:
				n.SetInt64(1)
			}
			p[left][ahead] = n
		}
	}
	return p
}
