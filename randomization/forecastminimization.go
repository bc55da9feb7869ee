package randomization

import (
	"crypto/hmac"
	"crypto/sha256"
	"math"
	"slices"
)

// trials simulates whole trials with minimization, whose participants come with
// each level of a factor with equal chances, whatever their other levels are.
type trials struct {
	design Minimization
	random *stream
}

// newTrials starts the words of a simulation, which are no secret: the same
// design must have the same forecast.
func newTrials(d Minimization) *trials {
	key := pack([]byte("lodd/randomization/v1/forecast"), d.Encode())
	return &trials{d, &stream{mac: hmac.New(sha256.New, key), stride: 1}}
}

// forecast simulates. The observer sees arms and levels of all participants of
// the trial; there is no sequence that sites could share.
func (t *trials) forecast(p Plan) Forecast {
	var correct mean
	ends := map[float64]int{}
	work := p.Participants * len(t.design.Ratio) * (1 + len(t.design.Factors))
	n := max(few, min(enough, feasible/work))
	for range n {
		share, ahead := t.run(p.Participants)
		correct.add(share)
		ends[ahead]++
	}
	f := Forecast{
		Blind:     largestShare(t.design.Ratio),
		Observer:  Guesses{Correct: correct.estimate()},
		Imbalance: Imbalance{Bound: p.Participants, Error: 1 / math.Sqrt(float64(n))},
	}
	for ahead, count := range ends {
		f.Imbalance.Chances = append(f.Imbalance.Chances, ImbalanceChance{ahead, float64(count) / float64(n)})
	}
	f.Imbalance.sort()
	f.OwnSite = t.ownSite(p.Participants)
	return f
}

// run simulates one trial. It returns the share of correct guesses of an
// observer, as expected before each arm, and how far an arm is ahead at the
// end.
func (t *trials) run(participants int) (correct, ahead float64) {
	s := newMinimized(t.design, t.random)
	levels, counts := make([]int, len(t.design.Factors)), make([]int, len(t.design.Ratio))
	for range participants {
		t.participant(levels)
		correct += slices.Max(t.next(s, levels))
		arm := int(s.draw(t.random, levels))
		s.count(levels, arm)
		counts[arm]++
	}
	return correct / float64(participants), aheadOf(counts, t.design.Ratio)
}

// participant draws the levels of the next participant.
func (t *trials) participant(levels []int) {
	for i, f := range t.design.Factors {
		levels[i] = int(t.random.below(uint64(f.Levels)))
	}
}

// next returns the chances of the arms of a participant with the given levels:
// of the best ones, one is preferred in proportion to the ratio.
func (t *trials) next(s *minimized, levels []int) []float64 {
	best := s.best(levels)
	chances := make([]float64, len(best))
	for preferred, r := range best {
		if r == 0 {
			continue
		}
		parts := t.design.chances(preferred)
		for arm, part := range parts {
			chances[arm] += float64(r) / float64(sum(best)) * float64(part) / float64(sum(parts))
		}
	}
	return chances
}
