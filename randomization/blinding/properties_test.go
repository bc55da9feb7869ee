package blinding_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization/blinding"
)

func james(t *rapid.T, c blinding.Counts, w blinding.Weights) (blinding.Index, bool) {
	j, err := blinding.James(c, w)
	if err != nil && !errors.Is(err, blinding.ErrUndefined) {
		t.Fatal(err)
	}
	return j, err == nil
}

// James' index lies between 0 and 1, whatever the number of arms, and Bang's
// between -1 and 1; no standard error is negative or no number.
func TestIndicesStayWithinTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t, rapid.IntRange(2, 5).Draw(t, "arms"), 6)
		if j, ok := james(t, c, nil); ok && !(j.Value >= -1e-12 && j.Value <= 1+1e-12 && j.SE >= 0 && j.SE <= 1) {
			t.Fatalf("James = %v", j)
		}
		for arm := range c[:2] {
			b, err := blinding.Bang(c, arm)
			if err == nil && !(b.Value >= -1 && b.Value <= 1 && b.SE >= 0 && b.SE <= 1) {
				t.Fatalf("Bang = %v", b)
			}
		}
	})
}

// Other names of the arms change nothing: James' index stays, and Bang's moves
// with its arm.
func TestSwappedArmsMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t, 2, 50)
		swapped := blinding.Counts{{c[1][1], c[1][0], c[1][2]}, {c[0][1], c[0][0], c[0][2]}}
		j, ok := james(t, c, nil)
		if k, also := james(t, swapped, nil); ok != also || !near(j.Value, k.Value, 12) || !near(j.SE, k.SE, 12) {
			t.Fatalf("James = %v, and %v swapped", j, k)
		}
		for arm := range c {
			b, err := blinding.Bang(c, arm)
			o, other := blinding.Bang(swapped, 1-arm)
			if b != o || (err == nil) != (other == nil) {
				t.Fatalf("Bang of arm %d = %v, and %v swapped", arm, b, o)
			}
		}
	})
}

// Who guessed the opposite of everybody has Bang's index with the opposite sign.
func TestOppositeGuessesChangeTheSignOfBang(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t, 2, 50)
		opposite := blinding.Counts{{c[0][1], c[0][0], c[0][2]}, {c[1][1], c[1][0], c[1][2]}}
		for arm := range c {
			b, err := blinding.Bang(c, arm)
			o, _ := blinding.Bang(opposite, arm)
			if err == nil && (b.Value != -o.Value || !near(b.SE, o.SE, 12)) {
				t.Fatalf("Bang of arm %d = %v, and %v opposite", arm, b, o)
			}
		}
	})
}

// If nobody names an arm, James' index is 1 and Bang's are 0, all without error.
func TestNobodyKnows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := blinding.NewCounts(rapid.IntRange(2, 4).Draw(t, "arms"))
		for i := range c {
			c[i][len(c)] = rapid.IntRange(1, 50).Draw(t, "people")
		}
		if j, ok := james(t, c, nil); !ok || j != (blinding.Index{Value: 1}) {
			t.Fatalf("James = %v", j)
		}
		for arm := range c {
			if b, err := blinding.Bang(c, arm); len(c) == 2 && (err != nil || b != blinding.Index{}) {
				t.Fatalf("Bang = %v, %v", b, err)
			}
		}
	})
}

// The order in which people come changes nothing.
func TestOrderOfPeopleChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const arms = 3
		type person struct{ arm, guess int }
		draw := rapid.Custom(func(t *rapid.T) person {
			return person{rapid.IntRange(0, arms-1).Draw(t, "arm"), rapid.IntRange(blinding.DontKnow, arms-1).Draw(t, "guess")}
		})
		people := rapid.SliceOf(draw).Draw(t, "people")
		count := func(people []person) blinding.Counts {
			c := blinding.NewCounts(arms)
			for _, p := range people {
				c.Add(p.arm, p.guess)
			}
			return c
		}
		a, b := count(people), count(rapid.Permutation(people).Draw(t, "permuted"))
		if !slices.EqualFunc(a, b, slices.Equal) || a.All().People != len(people) {
			t.Fatalf("%v and %v of %d people", a, b, len(people))
		}
	})
}

// As many people again, of each kind, leave an index as it is and make its
// standard error smaller by the square root.
func TestMorePeopleOfTheSameKinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, times := drawCounts(t, rapid.IntRange(2, 4).Draw(t, "arms"), 20), rapid.IntRange(2, 9).Draw(t, "times")
		more := blinding.NewCounts(len(c))
		for i := range c {
			for j := range c[i] {
				more[i][j] = times * c[i][j]
			}
		}
		j, ok := james(t, c, nil)
		// Near 0 the root magnifies rounding.
		if m, also := james(t, more, nil); ok != also || !near(m.Value, j.Value, 9) || !near(m.SE*math.Sqrt(float64(times)), j.SE, 6) {
			t.Fatalf("James = %v, and %v with %d times the people", j, m, times)
		}
	})
}

// Weights count beside one another only: all twice as large change nothing. An arm
// that nobody is in and nobody names changes nothing either.
func TestWeightsAreRelative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t, 3, 20)
		weights := drawWeights(t, 3, 0.5)
		doubled := make(blinding.Weights, 3)
		for i := range weights {
			for _, w := range weights[i] {
				doubled[i] = append(doubled[i], 2*w)
			}
		}
		j, ok := james(t, c, weights)
		if d, also := james(t, c, doubled); ok != also || !near(j.Value, d.Value, 9) || !near(j.SE, d.SE, 6) {
			t.Fatalf("James = %v, and %v with weights twice as large", j, d)
		}
		two := blinding.Counts{{c[0][0], c[0][1], c[0][3]}, {c[1][0], c[1][1], c[1][3]}}
		three := blinding.Counts{{c[0][0], c[0][1], 0, c[0][3]}, {c[1][0], c[1][1], 0, c[1][3]}, {0, 0, 0, 0}}
		j, ok = james(t, two, nil)
		if k, also := james(t, three, nil); ok != also || !near(j.Value, k.Value, 9) || !near(j.SE, k.SE, 6) {
			t.Fatalf("James = %v, and %v with an empty arm", j, k)
		}
	})
}

// Guesses that don't depend on the arm give no kappa: with a share d of people who
// name an arm the index is 1 - d/2.
func TestGuessesThatDontDependOnTheArm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.IntRange(2, 4).Draw(t, "arms")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9), arms, arms).Draw(t, "sizes")
		rates := rapid.SliceOfN(rapid.IntRange(1, 9), arms+1, arms+1).Draw(t, "rates")
		c := blinding.NewCounts(arms)
		for i := range c {
			for j := range c[i] {
				c[i][j] = sizes[i] * rates[j]
			}
		}
		all := c.All()
		named := float64(all.Correct+all.Wrong) / float64(all.People)
		if j, ok := james(t, c, nil); !ok || !near(j.Value, 1-named/2, 9) {
			t.Fatalf("James = %v, want %v", j, 1-named/2)
		}
	})
}

// drawWeights draws weights that differ in both directions.
func drawWeights(t *rapid.T, arms int, most float64) blinding.Weights {
	w := make(blinding.Weights, arms)
	for i := range w {
		w[i] = make([]float64, arms)
		for j := range w[i] {
			if i != j {
				w[i][j] = rapid.Float64Range(0.1, most).Draw(t, "weight")
			}
		}
	}
	return w
}

// The standard error is that of the delta method: the index is moved by numbers
// instead of by a derivative, one share after the other, and the slopes are put
// together for multinomial shares.
func TestStandardErrorAgainstNumericSlopes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.IntRange(2, 4).Draw(t, "arms")
		c, w := drawCounts(t, arms, 30), drawWeights(t, arms, 1)
		for i := range c { // a cell without anybody has no slope to two sides
			for j := range c[i] {
				c[i][j]++
			}
		}
		n := float64(c.All().People)
		p := make([][]float64, arms)
		for i := range c {
			for _, count := range c[i] {
				p[i] = append(p[i], float64(count)/n)
			}
		}
		var mean, square float64
		const step = 1e-6
		for i := range p {
			for j, at := range p[i] {
				p[i][j] = at + step
				above := kappaIndex(p, w)
				p[i][j] = at - step
				slope := (above - kappaIndex(p, w)) / (2 * step)
				p[i][j] = at
				mean += at * slope
				square += at * slope * slope
			}
		}
		if j, ok := james(t, c, w); !ok || !near(j.SE, math.Sqrt((square-mean*mean)/n), 6) || !near(j.Value, kappaIndex(p, w), 9) {
			t.Fatalf("James = %v, want %v ± %v", j, kappaIndex(p, w), math.Sqrt((square-mean*mean)/n))
		}
	})
}

// kappaIndex is James' index as the source writes it, of shares by arm and guess.
// The shares needn't add up to 1 exactly.
func kappaIndex(p [][]float64, w blinding.Weights) float64 {
	arms := len(p)
	dontKnow, observed, expected := 0.0, 0.0, 0.0
	for i := range p {
		dontKnow += p[i][arms]
	}
	for i := range p {
		for j := range arms {
			inArm, guessed := 0.0, 0.0
			for k := range arms {
				inArm += p[i][k]
				guessed += p[k][j]
			}
			observed += w[i][j] * p[i][j] / (1 - dontKnow)
			expected += w[i][j] * inArm * guessed / ((1 - dontKnow) * (1 - dontKnow))
		}
	}
	kappa := (observed - expected) / expected
	return (1 + dontKnow + (1-dontKnow)*kappa) / 2
}
