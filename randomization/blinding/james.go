package blinding

import (
	"fmt"
	"math"
)

// Weights are how much a guess disagrees with an arm: Weights[i][j] is that of
// people in arm i who were guessed to be in arm j, between 0 and 1; that of a
// right guess is 0. In a trial of two doses and a placebo, a wrong dose may weigh
// less than a wrong treatment.
type Weights [][]float64

// James returns James' index, which is 1 if nobody names an arm, 0 if all guess
// right, and 0.5 if all guess at random; if all guess wrong in two arms of one
// size, it is 1 too. Two or more arms are supported. A nil w weighs all wrong
// guesses alike; only then the index is sure not to exceed 1.
//
// With p the shares of all people, d the share of those who named an arm, A =
// Σ w·p the observed disagreement among them and B = Σ w·p(guess)·p(arm) the one
// to be expected by chance, the index is
//
//	1 − d + d²·A/(2B)
//
// which is {1 + P_DK + (1 − P_DK)·K_D}/2 of the source. The standard error is
// that of the delta method for multinomial shares, which is the source's.
//
// It fails with [ErrUndefined] if nobody was asked, and if no disagreement is to
// be expected: all who named an arm are in one and named that one.
//
// Source: James, Bloch, Lee, Kraemer and Fuller, An index for assessing
// blindness in a multi-centre clinical trial (1996), Statistics in Medicine
// 15:1421-1434; page 1425 for nobody's naming an arm. Restated by Bang, Ni and
// Davis (2004), page 146.
func James(c Counts, w Weights) (Index, error) {
	if err := c.check(); err != nil {
		return Index{}, err
	}
	if w == nil {
		w = alike(len(c))
	}
	if err := w.check(len(c)); err != nil {
		return Index{}, err
	}
	t := c.All()
	if t.People == 0 {
		return Index{}, ErrUndefined
	}
	if t.DontKnow == t.People {
		return Index{Value: 1}, nil
	}
	g := newGuessed(c, float64(t.People))
	observed, expected := g.disagreement(w)
	if expected == 0 {
		return Index{}, ErrUndefined
	}
	ratio := observed / expected
	value := 1 - g.share + g.share*g.share*ratio/2
	return Index{Value: value, SE: g.standardError(w, ratio, expected)}, nil
}

// alike returns the weights of the source: a wrong guess is half as far from
// blindness as to know nothing.
func alike(arms int) Weights {
	w := make(Weights, arms)
	for i := range w {
		w[i] = make([]float64, arms)
		for j := range w[i] {
			if i != j {
				w[i][j] = 0.5
			}
		}
	}
	return w
}

func (w Weights) check(arms int) error {
	if len(w) != arms {
		return fmt.Errorf("blinding: weights for %d arms, want %d", len(w), arms)
	}
	for i, row := range w {
		if len(row) != arms {
			return fmt.Errorf("blinding: arm %d has %d weights, want %d", i, len(row), arms)
		}
		for j, x := range row {
			if !(x >= 0 && x <= 1) || i == j && x != 0 {
				return fmt.Errorf("blinding: weight %v of arm %d guessed as %d: want 0 to 1, and 0 for a right guess", x, i, j)
			}
		}
	}
	return nil
}

// guessed are the shares, of all people, of those who named an arm.
type guessed struct {
	people float64
	share  float64     // of all of them
	cell   [][]float64 // by arm and guess
	arm    []float64   // sums of cell
	guess  []float64
}

func newGuessed(c Counts, people float64) guessed {
	g := guessed{people: people, arm: make([]float64, len(c)), guess: make([]float64, len(c))}
	for i, row := range c {
		g.cell = append(g.cell, make([]float64, len(c)))
		for j, n := range row[:len(c)] {
			p := float64(n) / people
			g.cell[i][j] = p
			g.arm[i] += p
			g.guess[j] += p
			g.share += p
		}
	}
	return g
}

// disagreement returns the observed one and the one to be expected by chance.
func (g guessed) disagreement(w Weights) (observed, expected float64) {
	for i := range w {
		for j := range w {
			observed += w[i][j] * g.cell[i][j]
			expected += w[i][j] * g.arm[i] * g.guess[j]
		}
	}
	return observed, expected
}

// standardError is that of the index. Whoever knew nothing moves no part of the
// index, so that its derivative by their share is 0.
func (g guessed) standardError(w Weights, ratio, expected float64) float64 {
	var mean, square float64
	for i := range w {
		for j := range w {
			chance := 0.0 // the derivative of the expected disagreement
			for k := range w {
				chance += w[i][k]*g.guess[k] + w[k][j]*g.arm[k]
			}
			slope := -1 + g.share*ratio + g.share*g.share*(w[i][j]-ratio*chance)/(2*expected)
			mean += g.cell[i][j] * slope
			square += g.cell[i][j] * slope * slope
		}
	}
	return math.Sqrt(max(0, square-mean*mean) / g.people) // rounding may pass 0
}
