package randomization_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// An observer sees all past arms of a 1:1 stratum and knows the block sizes and
// their chances, but not where blocks begin. It computes the chance of the next
// arm by Bayes' rule over all ways in which the past may be cut into blocks,
// and guesses the likelier arm.
type observer struct {
	sizes  []int                 // with equal chances
	memory map[string][2]float64 // past -> chance of the past, chance of arm 0
}

func newObserver(sizes ...int) *observer {
	return &observer{sizes: sizes, memory: map[string][2]float64{}}
}

// look returns the chance of the past, and the chance that arm 0 follows it.
func (o *observer) look(past []byte) (chance, zero float64) {
	if m, ok := o.memory[string(past)]; ok {
		return m[0], m[1]
	}
	begin := make([]float64, len(past)+1) // chance of the past up to here and of a block beginning here
	begin[0] = 1
	for s := range begin {
		for _, size := range o.sizes {
			b := begin[s] / float64(len(o.sizes))
			seen := past[s:min(s+size, len(past))]
			left0, left1 := size/2, size/2
			for _, arm := range seen {
				left0 -= 1 - int(arm)
				left1 -= int(arm)
			}
			if left0 < 0 || left1 < 0 {
				continue
			}
			b *= choose(left0+left1, left0) / choose(size, size/2)
			if len(seen) == size {
				begin[s+size] += b
				continue
			}
			chance += b
			zero += b * float64(left0) / float64(left0+left1)
		}
	}
	if chance > 0 {
		zero /= chance
	}
	o.memory[string(past)] = [2]float64{chance, zero}
	return chance, zero
}

// expect returns the exact expectation, over the first n slots, of the number
// of correct guesses (a tie counts half) and of assignments known for certain.
func (o *observer) expect(n int) (correct, certain float64) {
	var walk func(past []byte)
	walk = func(past []byte) {
		chance, zero := o.look(past)
		if len(past) == n || chance == 0 {
			return
		}
		correct += chance * max(zero, 1-zero)
		if isCertain(zero) {
			certain += chance
		}
		walk(append(past[:len(past):len(past)], 0))
		walk(append(past[:len(past):len(past)], 1))
	}
	walk(nil)
	return correct, certain
}

// play lets the observer guess at a list.
func (o *observer) play(list []randomization.Arm) (correct, certain float64) {
	var past []byte
	for _, arm := range list {
		_, zero := o.look(past)
		switch {
		case math.Abs(zero-0.5) < 1e-9:
			correct += 0.5
		case (zero > 0.5) == (arm == 0):
			correct++
		}
		if isCertain(zero) {
			certain++
		}
		past = append(past, byte(arm))
	}
	return correct, certain
}

func isCertain(zero float64) bool { return zero < 1e-9 || zero > 1-1e-9 }

// choose returns the binomial coefficient.
func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

// The observer itself reproduces what is known about blocks.
//
// Source: Blackwell & Hodges (1957), "Design for the control of selection
// bias": b + 2^(2b−1)/C(2b,b) − 1/2 correct guesses for one block of 2b; the
// other rows were computed independently of this project.
func TestObserverIsAsGoodAsItCanBe(t *testing.T) {
	for _, tt := range []struct {
		sizes            []int
		slots            int
		correct, certain float64 // expected numbers
		within           float64
	}{
		{[]int{2}, 2, 3.0 / 2, 1, 1e-9},
		{[]int{4}, 4, 17.0 / 6, 4.0 / 3, 1e-9},
		{[]int{6}, 6, 41.0 / 10, 3.0 / 2, 1e-9},
		{[]int{8}, 8, 373.0 / 70, 8.0 / 5, 1e-9},
		{[]int{2, 4}, 12, 12 * .7161, 12 * .0990, 12 * .00005},
		{[]int{4, 6}, 12, 12 * .6795, 12 * .0627, 12 * .00005},
		{[]int{2, 4, 6}, 12, 12 * .6928, 12 * .0342, 12 * .00005},
		{[]int{4, 6, 8}, 12, 12 * .6651, 12 * .0238, 12 * .00005},
	} {
		t.Run(fmt.Sprint(tt.sizes), func(t *testing.T) {
			correct, certain := newObserver(tt.sizes...).expect(tt.slots)
			if math.Abs(correct-tt.correct) > tt.within || math.Abs(certain-tt.certain) > tt.within {
				t.Errorf("expects %.6f correct, %.6f certain; want %.6f, %.6f", correct, certain, tt.correct, tt.certain)
			}
			if len(tt.sizes) == 1 {
				b := tt.slots / 2
				formula := float64(b) + math.Exp2(float64(2*b-1))/choose(2*b, b) - 0.5
				if math.Abs(correct-formula) > 1e-9 {
					t.Errorf("expects %.6f correct, formula %.6f", correct, formula)
				}
			}
		})
	}
}

// Whoever sees all past arms of our sequences guesses no better, and no worse,
// than mathematics allows: 10,000 strata, 5 standard errors. Blocks of 4 stand
// here to show that the test would notice a predictable design.
func TestObserverOfOurSequences(t *testing.T) {
	for _, tt := range []struct {
		sizes            []int
		correct, certain float64 // shares of the first 12 slots
	}{
		{[]int{4}, 17.0 / 24, 1.0 / 3},
		{[]int{6}, 41.0 / 60, 1.0 / 4},
		{[]int{4, 6}, .6795, .0627},
		{[]int{4, 6, 8}, .6651, .0238},
	} {
		t.Run(fmt.Sprint(tt.sizes), func(t *testing.T) {
			strata, slots := draws(10000), 12
			var correct, certain sample
			o, design := newObserver(tt.sizes...), equalChances([]int{1, 1}, tt.sizes...)
			for i := range strata {
				c, k := o.play(newSequence(t, design, "ips", fmt.Sprint("stratum ", i)).First(slots))
				correct.add(c / float64(slots))
				certain.add(k / float64(slots))
			}
			correct.check(t, "correct guesses", tt.correct)
			certain.check(t, "certain assignments", tt.certain)
		})
	}
}

// A sample is a running mean and its standard error.
type sample struct{ n, sum, squares float64 }

func (s *sample) add(x float64) {
	s.n++
	s.sum += x
	s.squares += x * x
}

// check compares the mean with want, which is known to four decimals.
func (s *sample) check(t *testing.T, what string, want float64) {
	t.Helper()
	mean := s.sum / s.n
	se := math.Sqrt((s.squares/s.n - mean*mean) / s.n)
	t.Logf("%s: %.4f, expected %.4f, standard error %.5f", what, mean, want, se)
	if math.Abs(mean-want) > 5*se+.00005 {
		t.Errorf("%s: share %.4f, want %.4f, standard error %.5f", what, mean, want, se)
	}
}
