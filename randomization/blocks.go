package randomization

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a permuted-block design. Larger designs exist on paper only; the
// bounds let a design be refused before anything is drawn or allocated.
const (
	maxArms   = 16
	maxSizes  = 16
	maxSize   = 256
	maxWeight = 1000
)

// ErrDesign is wrapped by every error about a design that can't be used.
var ErrDesign = errors.New("randomization: unusable design")

// An Arm is the index of an arm in the design's ratio, from 0.
type Arm int

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
// A design can be written in one way only, because the order of its parts
// decides what is drawn: Validate refuses a ratio or weights that aren't in
// lowest terms and sizes that don't ascend.
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
	if err := b.validateRatio(); err != nil {
		return err
	}
	return b.validateSizes()
}

func (b Blocks) validateRatio() error {
	if len(b.Ratio) < 2 || len(b.Ratio) > maxArms {
		return designError("%d arms: give a ratio of 2 to %d arms", len(b.Ratio), maxArms)
	}
	for _, r := range b.Ratio {
		if r < 1 || r > maxSize/2 {
			return designError("ratio %s: use whole numbers from 1 to %d", colons(b.Ratio), maxSize/2)
		}
	}
	if d := divisor(b.Ratio); d > 1 {
		return designError("ratio %s is not in lowest terms: divide it by %d", colons(b.Ratio), d)
	}
	if b.sum() > maxSize/2 {
		return designError("ratio %s adds up to %d: the largest sum is %d", colons(b.Ratio), b.sum(), maxSize/2)
	}
	return nil
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
	sum := b.sum()
	switch {
	case s.Size == sum:
		return designError("a block of %d is a single round of ratio %s, so its end is easily predicted: use %d or more", s.Size, colons(b.Ratio), 2*sum)
	case s.Size < sum || s.Size > maxSize || s.Size%sum != 0:
		return designError("block size %d: use multiples of %d from %d to %d", s.Size, sum, 2*sum, maxSize-maxSize%sum)
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
	return strata * (largest / b.sum()) * slices.Max(b.Ratio)
}

// sum returns the size of the smallest balanced group.
func (b Blocks) sum() int {
	n := 0
	for _, r := range b.Ratio {
		n += r
	}
	return n
}

// totalWeight returns the sum of the weights of all sizes.
func (b Blocks) totalWeight() int {
	n := 0
	for _, s := range b.Sizes {
		n += s.Weight
	}
	return n
}

// divisor returns the greatest common divisor of ns, which are positive.
func divisor(ns []int) int {
	d := 0
	for _, n := range ns {
		for n != 0 {
			d, n = n, d%n
		}
	}
	return d
}

func designError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDesign}, args...)...)
}

// colons writes a ratio the way people do: 2:1.
func colons(ns []int) string {
	words := make([]string, len(ns))
	for i, n := range ns {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ":")
}
