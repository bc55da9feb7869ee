// Package blinding measures from people's guesses how well a trial was blinded.
//
// It is arithmetic on counts, and a join of the two signed files that hold
// them. It says how far guesses agree with arms, and not why: who guesses right
// may have seen the arm, or have seen that the treatment works.
package blinding

import (
	"errors"
	"fmt"
	"math"
)

// ErrUndefined is returned for an index that the counts give no value: nobody
// was asked, for example. It is no fault of the data.
var ErrUndefined = errors.New("blinding: the index is undefined")

// DontKnow is the guess of whoever names no arm.
const DontKnow = -1

// Counts are guesses by arm and guess: Counts[i][j] people of arm i were guessed
// to be in arm j, and of the last number of each row nobody knew.
type Counts [][]int

// NewCounts returns the counts of nobody, in a trial of so many arms.
func NewCounts(arms int) Counts {
	c := make(Counts, arms)
	for i := range c {
		c[i] = make([]int, arms+1)
	}
	return c
}

// Add counts one guess of somebody in an arm, which may be [DontKnow].
func (c Counts) Add(arm, guess int) {
	if guess == DontKnow {
		guess = len(c)
	}
	c[arm][guess]++
}

// A Tally is what happened in some arms: of People, so many were guessed right,
// wrong or not at all.
type Tally struct{ People, Correct, Wrong, DontKnow int }

// Of returns the tally of an arm.
func (c Counts) Of(arm int) Tally {
	var t Tally
	for guess, n := range c[arm] {
		t.People += n
		switch guess {
		case arm:
			t.Correct += n
		case len(c):
			t.DontKnow += n
		default:
			t.Wrong += n
		}
	}
	return t
}

// All returns the tally of all arms together.
func (c Counts) All() Tally {
	var t Tally
	for arm := range c {
		of := c.Of(arm)
		t.People += of.People
		t.Correct += of.Correct
		t.Wrong += of.Wrong
		t.DontKnow += of.DontKnow
	}
	return t
}

// check returns an error if these are no counts.
func (c Counts) check() error {
	if len(c) < 2 {
		return fmt.Errorf("blinding: %d arms, want two or more", len(c))
	}
	for i, row := range c {
		if len(row) != len(c)+1 {
			return fmt.Errorf("blinding: arm %d has %d counts, want one for each arm and one for don't know", i, len(row))
		}
		for _, n := range row {
			if n < 0 {
				return fmt.Errorf("blinding: arm %d has a count of %d", i, n)
			}
		}
	}
	return nil
}

// An Index is an estimate and its standard error.
type Index struct{ Value, SE float64 }

// Interval returns the two-sided confidence interval of a level such as 0.95,
// from the normal distribution. It may reach beyond the values that the index
// can take, and it is too short where few people guessed.
func (i Index) Interval(level float64) (lower, upper float64) {
	return i.OneSided((1 + level) / 2)
}

// OneSided returns the two limits of the one-sided confidence intervals of a
// level such as 0.95: with that confidence the index is above lower; with the
// same it is below upper.
func (i Index) OneSided(level float64) (lower, upper float64) {
	z := math.Sqrt2 * math.Erfinv(2*level-1)
	return i.Value - z*i.SE, i.Value + z*i.SE
}
