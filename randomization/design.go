package randomization

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a design. Larger designs exist on paper only; the bounds let a
// design be refused before anything is drawn or allocated.
const (
	maxArms      = 16
	maxSizes     = 16
	maxSize      = 256  // of a block
	maxWeight    = 1000 // of a block size
	maxTolerance = 64
	maxLength    = 1024 // of a list of the maximal procedure
	maxChance    = 1000 // either number of a chance
	maxBalls     = 1000
	maxFactors   = 16
	maxLevels    = 1000 // of a factor
	maxImportant = 100  // weight of a factor
	maxMultiple  = 360  // of the numbers of a ratio that minimization weighs
	maxListed    = 1 << 20
	maxName      = 1024 // bytes of the name of a stratum in a list
)

// ErrDesign is wrapped by every error about a design that can't be used.
var ErrDesign = errors.New("randomization: unusable design")

// An Arm is the index of an arm in the design's ratio, from 0.
type Arm int

// A Design says how arms are allocated. It is one of [Blocks], [Complete],
// [BigStick], [Maximal], [BiasedCoin], [Urn], [Minimization] and [List]; other
// packages can't add to these.
//
// All but the last two draw the [Sequence] of a stratum from its seed alone: an
// arm may depend on earlier arms of its own stratum and on nothing else. A List
// is a sequence for each stratum already. Minimization needs a [Minimizer],
// because its arms depend on who came before.
//
// A design can be written in one way only, because its parts decide what is
// drawn: Validate refuses numbers that aren't in lowest terms.
type Design interface {
	// Validate reports whether the design can be used. Its error wraps
	// [ErrDesign] and says what to change.
	Validate() error

	// Encode returns the canonical bytes of the design, which [DecodeDesign]
	// reads. Two designs have the same bytes only if they are equal.
	Encode() []byte

	// ArmRatio returns the number of participants of each arm in the smallest
	// balanced group: {1, 1} for two arms in equal numbers. The caller owns it.
	ArmRatio() []int

	// MaxImbalance returns by how many participants one arm can be ahead of what
	// the ratio allows beside any other arm, at any moment of a trial with the
	// given number of strata. It is 0 if the design sets no bound, for a design
	// that Validate refuses, and for fewer than 1 strata.
	MaxImbalance(strata int) int

	// purpose names the stream of words from which the design draws.
	purpose() string
}

// A listDesign is a design whose sequences are drawn from the seed alone.
type listDesign interface {
	Design

	// start returns what draws a sequence from its first slot on. It owns what
	// it keeps of the design, which is valid.
	start(random *stream) source

	// model returns the chances of the next arm, for forecasts. The design is
	// valid.
	model() model
}

// A source appends the next slots of a sequence to arms, at least one. It is
// always given what it returned before.
type source func(arms []uint8) []uint8

// oneToOne returns the ratio of the designs that are defined for two arms in
// equal numbers alone.
func oneToOne() []int { return []int{1, 1} }

// validateRatio reports whether there are 2 to 16 arms in a ratio in lowest
// terms whose sum is at most half the largest block.
func validateRatio(ratio []int) error {
	if len(ratio) < 2 || len(ratio) > maxArms {
		return designError("%d arms: give a ratio of 2 to %d arms", len(ratio), maxArms)
	}
	for _, r := range ratio {
		if r < 1 || r > maxSize/2 {
			return designError("ratio %s: use whole numbers from 1 to %d", colons(ratio), maxSize/2)
		}
	}
	if d := divisor(ratio); d > 1 {
		return designError("ratio %s is not in lowest terms: divide it by %d", colons(ratio), d)
	}
	if sum(ratio) > maxSize/2 {
		return designError("ratio %s adds up to %d: the largest sum is %d", colons(ratio), sum(ratio), maxSize/2)
	}
	return nil
}

// validateTolerance reports whether an imbalance can be the largest tolerated
// one. With 1, the second arm of every pair would be certain.
func validateTolerance(tolerance int) error {
	if tolerance == 1 {
		return designError("tolerated imbalance 1 makes every second arm certain: use 2 or more")
	}
	if tolerance < 1 || tolerance > maxTolerance {
		return designError("tolerated imbalance %d: use 2 to %d", tolerance, maxTolerance)
	}
	return nil
}

func sum(ns []int) int {
	total := 0
	for _, n := range ns {
		total += n
	}
	return total
}

// divisor returns the greatest common divisor of ns, none of which is negative.
func divisor(ns []int) int {
	d := 0
	for _, n := range ns {
		for n != 0 {
			d, n = n, d%n
		}
	}
	return d
}

// share returns the index in whose share of the parts x falls, which is below
// their sum.
func share(parts []int, x uint64) int {
	i := 0
	for x >= uint64(parts[i]) {
		x -= uint64(parts[i])
		i++
	}
	return i
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

// ones returns k ones.
func ones(k int) []int { return slices.Repeat([]int{1}, k) }
