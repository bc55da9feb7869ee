package blinding

import (
	"fmt"
	"math"
)

// Bang returns Bang's index of one arm: the share of its people who were guessed
// right, less the share who were guessed wrong. It is 1 if all were guessed
// right, -1 if all were guessed wrong, and 0 if as many were guessed right as
// wrong, which nobody's naming an arm is too.
//
// Only two arms are supported: with more, guesses at random are wrong more often
// than right, and the index has no value that means blindness. It fails with
// [ErrUndefined] then, and if nobody in the arm was asked.
//
// Source: Bang, Ni and Davis, Assessment of blinding in clinical trials (2004),
// Controlled Clinical Trials 25:143-156, the index for answers without degrees
// of certainty, as in table 7. Its standard error is that of a difference of two
// shares of one multinomial sample.
func Bang(c Counts, arm int) (Index, error) {
	if err := c.check(); err != nil {
		return Index{}, err
	}
	if arm < 0 || arm >= len(c) {
		return Index{}, fmt.Errorf("blinding: arm %d of %d", arm, len(c))
	}
	t := c.Of(arm)
	if len(c) > 2 || t.People == 0 {
		return Index{}, ErrUndefined
	}
	n := float64(t.People)
	right, wrong := float64(t.Correct)/n, float64(t.Wrong)/n
	variance := right*(1-right) + wrong*(1-wrong) + 2*right*wrong
	return Index{Value: right - wrong, SE: math.Sqrt(variance / n)}, nil
}
