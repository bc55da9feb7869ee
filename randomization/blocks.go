package randomization

import "slices"

// A BlockSize is one of the sizes that a block may have.
type BlockSize struct {
	// Size is the number of participants of the block: a multiple of the sum of
	// the ratio, at least twice that sum, at most 256.
	Size int

	// Weight sets the chance of this size, which is Weight divided by the sum of
	// all weights: 1 to 1000.
	Weight int
}

// Blocks is the permuted-block design: the sequence of a stratum is a run of
// blocks, each a random order of the same multiset of arms, so that the arms
// are back in ratio after each block.
//
// Source: ICH E9 (1998), section 2.3.2.
type Blocks struct {
	// Ratio is the number of participants of each arm in the smallest balanced
	// group, in lowest terms: {2, 1} for 2:1. 2 to 16 arms.
	Ratio []int

	// Sizes are the 1 to 16 block sizes, ascending. The size of each block is
	// drawn from them anew.
	Sizes []BlockSize
}

// Validate reports whether the design can be used. Its error wraps [ErrDesign]
// and says what to change.
//
// A size equal to the sum of the ratio is refused: whoever knows the past would
// know half of such assignments for certain at 1:1.
func (b Blocks) Validate() error {
	if err := validateRatio(b.Ratio); err != nil {
		return err
	}
	return b.validateSizes()
}

func (b Blocks) validateSizes() error {
	if len(b.Sizes) < 1 || len(b.Sizes) > maxSizes {
		return designError("%d block sizes: give 1 to %d", len(b.Sizes), maxSizes)
	}
	var weights []int
	for i, s := range b.Sizes {
		if err := b.validateSize(s); err != nil {
			return err
		}
		if i > 0 && s.Size <= b.Sizes[i-1].Size {
			return designError("block size %d after %d: give each size once, smallest first", s.Size, b.Sizes[i-1].Size)
		}
		weights = append(weights, s.Weight)
	}
	if d := divisor(weights); d > 1 {
		return designError("weights %s are not in lowest terms: divide them by %d", colons(weights), d)
	}
	return nil
}

func (b Blocks) validateSize(s BlockSize) error {
	round := sum(b.Ratio)
	switch {
	case s.Size == round:
		return designError("a block of %d is a single round of ratio %s, so its end is easily predicted: use %d or more", s.Size, colons(b.Ratio), 2*round)
	case s.Size < round || s.Size > maxSize || s.Size%round != 0:
		return designError("block size %d: use multiples of %d from %d to %d", s.Size, round, 2*round, maxSize-maxSize%round)
	case s.Weight < 1 || s.Weight > maxWeight:
		return designError("weight %d of block size %d: use 1 to %d", s.Weight, s.Size, maxWeight)
	}
	return nil
}

// MaxImbalance returns by how many participants one arm can be ahead of what
// the ratio allows beside any other arm, at any moment of a trial with the
// given number of strata. It is 0 for a design that Validate refuses and for
// fewer than 1 strata.
//
// With n participants in arm i of ratio r, arm i is ahead of arm j by
// n(i) − n(j)·r(i)/r(j). Complete blocks add nothing to it. In an open block of
// size m = k·(sum of the ratio), arm i has at most its k·r(i) places before arm
// j has any. So the bound is strata × k × largest r, with k of the largest
// size, and it is reached when all strata stand there at once. At 1:1 it is the
// familiar strata × largest block / 2.
func (b Blocks) MaxImbalance(strata int) int {
	if b.Validate() != nil || strata < 1 {
		return 0
	}
	largest := b.Sizes[len(b.Sizes)-1].Size
	return strata * (largest / sum(b.Ratio)) * slices.Max(b.Ratio)
}

// ArmRatio implements [Design].
func (b Blocks) ArmRatio() []int { return slices.Clone(b.Ratio) }

func (Blocks) purpose() string { return "blocks" }

// start draws block after block: the size of each, and then its order.
func (b Blocks) start(random *stream) source {
	ratio, sizes, weights := slices.Clone(b.Ratio), slices.Clone(b.Sizes), b.weights()
	total := uint64(sum(weights))
	return func(arms []uint8) []uint8 {
		start, size := len(arms), sizes[share(weights, random.below(total))].Size
		for len(arms) < start+size {
			for arm, r := range ratio {
				for range r {
					arms = append(arms, uint8(arm))
				}
			}
		}
		block := arms[start:]
		for i := len(block) - 1; i > 0; i-- {
			j := random.below(uint64(i + 1))
			block[i], block[j] = block[j], block[i]
		}
		return arms
	}
}

// model counts what an open block still holds of each arm; in between blocks
// there is nothing left.
func (b Blocks) model() model {
	ratio, sizes, weights := b.ArmRatio(), slices.Clone(b.Sizes), b.weights()
	rounds, total := sum(ratio), float64(sum(weights))
	return func(open state) []move {
		if open != (state{}) {
			return fromBlock(open, 1)
		}
		var moves []move
		for i, s := range sizes {
			var full state
			for arm, r := range ratio {
				full[arm] = int32(r * s.Size / rounds)
			}
			moves = append(moves, fromBlock(full, float64(weights[i])/total)...)
		}
		return moves
	}
}

// fromBlock returns the ways on from an open block, which together have the
// given chance.
func fromBlock(open state, chance float64) []move {
	left := 0.0
	for _, n := range open {
		left += float64(n)
	}
	var moves []move
	for arm, n := range open {
		if n > 0 {
			next := open
			next[arm]--
			moves = append(moves, move{Arm(arm), chance * float64(n) / left, next})
		}
	}
	return moves
}

// weights returns the weights of all sizes.
func (b Blocks) weights() []int {
	weights := make([]int, len(b.Sizes))
	for i, s := range b.Sizes {
		weights[i] = s.Weight
	}
	return weights
}
