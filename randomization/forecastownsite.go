package randomization

import "slices"

// manyWorlds is how many trials an observer of one site holds possible at a
// time. Four times as many guessed 0.1 to 0.5 percentage points better in trials of
// 202 participants.
const manyWorlds = 32

// A siteObserver sees the arms and levels of its own site, which is level 0 of
// the first factor. Of the participants of other sites it knows when they come,
// and nothing else. It keeps trials that may be the true one, with its own
// participants as they were and others as they may have been, and believes in
// each of them as much as in any other.
//
// Source: Gordon, Salmond & Smith (1993), Novel approach to
// nonlinear/non-Gaussian Bayesian state estimation, IEE Proceedings F 140,
// 107-113.
type siteObserver struct {
	*trials
	worlds, spare []*minimized
	levels        []int
}

func (t *trials) observer() *siteObserver {
	o := &siteObserver{trials: t, levels: make([]int, len(t.design.Factors))}
	for range manyWorlds {
		o.worlds = append(o.worlds, newMinimized(t.design, t.random))
		o.spare = append(o.spare, newMinimized(t.design, t.random))
	}
	return o
}

// ownSite returns how an observer of one site does, or nil if there is no other
// site or too much to compute. What is added up is the chance of a correct guess
// and not whether it was correct, as in [kernel.watch].
func (t *trials) ownSite(participants int) *Guesses {
	work := participants * len(t.design.Ratio) * (1 + len(t.design.Factors)) * manyWorlds
	if t.design.Factors[0].Levels == 1 || work > 3*feasible/few {
		return nil
	}
	var correct mean
	for range max(few, min(enough, feasible/2/work)) {
		if share, ok := t.watch(participants); ok {
			correct.add(share)
		}
	}
	if correct.n < 2 { // one site among very many
		return nil
	}
	return &Guesses{Correct: correct.estimate()}
}

// watch lets an observer of one site guess at one simulated trial. It reports
// false if nobody came to the site.
func (t *trials) watch(participants int) (share float64, ok bool) {
	truth, o := newMinimized(t.design, t.random), t.observer()
	levels, correct, own := make([]int, len(t.design.Factors)), 0.0, 0
	for range participants {
		t.participant(levels)
		chances := t.next(truth, levels)
		arm := t.random.among(chances)
		if levels[0] > 0 {
			o.missed()
		} else {
			correct += chances[o.guess(levels)]
			own++
			o.saw(levels, arm)
		}
		truth.count(levels, arm)
	}
	return correct / float64(max(own, 1)), own > 0
}

// guess returns the arm that is the likeliest one in all worlds together.
func (o *siteObserver) guess(levels []int) (arm int) {
	chances := make([]float64, len(o.design.Ratio))
	for _, w := range o.worlds {
		for arm, chance := range o.next(w, levels) {
			chances[arm] += chance
		}
	}
	return slices.Index(chances, slices.Max(chances))
}

// saw makes the worlds in which an arm was likely more, and the others fewer.
func (o *siteObserver) saw(levels []int, arm int) {
	chances, total := make([]float64, len(o.worlds)), 0.0
	for i, w := range o.worlds {
		chances[i] = o.next(w, levels)[arm]
		total += chances[i]
	}
	step, from, upTo := total/float64(len(o.worlds)), 0, chances[0]
	at := step * o.random.fraction()
	for _, w := range o.spare {
		for at > upTo && from+1 < len(chances) {
			from++
			upTo += chances[from]
		}
		for i, counts := range o.worlds[from].counts {
			copy(w.counts[i], counts)
		}
		w.count(levels, arm)
		at += step
	}
	o.worlds, o.spare = o.spare, o.worlds
}

// missed adds somebody of another site to each world, as it may be there.
func (o *siteObserver) missed() {
	for _, w := range o.worlds {
		o.participant(o.levels)
		o.levels[0] = 1 + int(o.random.below(uint64(o.design.Factors[0].Levels-1)))
		w.count(o.levels, o.random.among(o.next(w, o.levels)))
	}
}

// among returns the index of one of the chances, which add up to 1. It is for
// simulations only.
func (s *stream) among(chances []float64) int {
	at := s.fraction()
	for i, chance := range chances {
		if at -= chance; at < 0 {
			return i
		}
	}
	return len(chances) - 1
}
