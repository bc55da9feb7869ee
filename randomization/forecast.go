package randomization

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
)

// Bounds of a plan.
const (
	maxParticipants = 100_000
	maxStrata       = 10_000
)

// A Plan is the trial for which a design is judged.
type Plan struct {
	// Participants is how many are randomized: 2 to 100,000.
	Participants int

	// Sites is how many sites recruit: 1 or more. Participants come to all of
	// them, and to all strata of a site, with equal chances.
	Sites int

	// Strata is how many strata each site has: 1 without factors, else the
	// combinations of their levels. There are at most 10,000 in all.
	Strata int
}

func (p Plan) validate() error {
	switch {
	case p.Participants < 2 || p.Participants > maxParticipants:
		return fmt.Errorf("randomization: plan for %d participants: use 2 to %d", p.Participants, maxParticipants)
	case p.Sites < 1 || p.Strata < 1 || p.Sites > maxStrata || p.Strata > maxStrata || p.Sites*p.Strata > maxStrata:
		return fmt.Errorf("randomization: plan for %d sites with %d strata each: use at least one of each, and at most %d strata in all", p.Sites, p.Strata, maxStrata)
	}
	return nil
}

// An Estimate is a number with its error.
type Estimate struct {
	Value float64

	// Error is two standard errors of a simulation, and 0 for an exact value.
	Error float64
}

// Guesses say how well an observer does who knows the design, but not the seed,
// and always guesses the likeliest arm, as shares of all guesses from 0 to 1.
type Guesses struct {
	// Correct is the share of correct guesses. A tie counts as guessed at random.
	Correct Estimate

	// Certain is the share of guesses that can't be wrong.
	Certain Estimate
}

// A Forecast says what a trial may expect of a design.
type Forecast struct {
	// Blind is the share of correct guesses of somebody who sees no arm: that of
	// the largest arm.
	Blind float64

	// Observer sees the past arms of the stratum. Each stratum has its own
	// sequence, so that whoever sees all arms of the trial knows no more of the
	// next one than somebody who sees the own site only.
	Observer Guesses

	// SharedAll and SharedOwn are how an observer of all past arms, and one who
	// sees those of the own site only, would do if the sites shared sequences.
	// The second one knows how many others were randomized in between. They are
	// nil for one site, and SharedOwn also if it is too much to compute.
	SharedAll, SharedOwn *Guesses

	// OwnSite is how an observer does of [Minimization] who sees arms and levels of
	// the own site only, and knows how many others were randomized in between. It
	// is nil for other designs, for one site, and if it is too much to compute.
	OwnSite *Guesses

	// Imbalance is how far the arms are from their ratio after the last
	// participant.
	Imbalance Imbalance
}

// NewForecast computes what a design does for a plan: exactly where the pasts
// can be enumerated in about a second, else by simulation, which is the same at
// each call.
//
// [Minimization] is always simulated, with participants who come with each level
// of a factor with equal chances, whatever their other levels are: the plan's
// sites and strata aren't used, for the design has its own, the first factor
// being the site, and the observer sees arms and levels of the whole trial. That
// of one site can't weigh all pasts that may be; it guesses by some of them, so
// that a perfect one might do a little better. A [List] is refused: what is likely
// in it depends on how it was drawn.
//
// The error wraps [ErrDesign] if the design can't be used; another one says
// what is wrong with the plan, or that there is too much to compute.
//
// Source: Blackwell & Hodges (1957), Design for the control of selection bias,
// Annals of Mathematical Statistics 28, 449-460, for the guessing strategy.
func NewForecast(d Design, p Plan) (Forecast, error) {
	if d == nil {
		return Forecast{}, designError("there is none")
	}
	if err := d.Validate(); err != nil {
		return Forecast{}, err
	}
	if err := p.validate(); err != nil {
		return Forecast{}, err
	}
	switch d := d.(type) {
	case listDesign:
		return newSimulation(d).forecast(p)
	case Minimization:
		return newTrials(d).forecast(p), nil
	default:
		return Forecast{}, errors.New("randomization: forecast: what is likely in a statistician's own list depends on how it was drawn: forecast the design that it was drawn by")
	}
}

// forecast computes what a design does whose strata are independent.
func (s *simulation) forecast(p Plan) (Forecast, error) {
	f := Forecast{Blind: largestShare(s.design.ArmRatio())}
	var err error
	if f.Observer, err = s.guesses(p.Participants, p.Sites*p.Strata, 1); err != nil {
		return Forecast{}, err
	}
	if p.Sites > 1 {
		if all, err := s.guesses(p.Participants, p.Strata, 1); err == nil {
			f.SharedAll = &all
		}
		if own, err := s.guesses(p.Participants, p.Strata, 1/float64(p.Sites)); err == nil {
			f.SharedOwn = &own
		}
	}
	f.Imbalance = s.imbalance(p.Participants, p.Sites*p.Strata)
	return f, nil
}

func largestShare(ratio []int) float64 {
	largest := 0
	for _, r := range ratio {
		largest = max(largest, r)
	}
	return float64(largest) / float64(sum(ratio))
}

// A simulation has what a forecast of one design needs.
type simulation struct {
	design listDesign
	kernel *kernel
	random *stream
}

// newSimulation starts the words of a simulation, which are no secret: the same
// design must have the same forecast.
func newSimulation(d listDesign) *simulation {
	key := pack([]byte("lodd/randomization/v1/forecast"), d.Encode())
	return &simulation{d, newKernel(d), &stream{mac: hmac.New(sha256.New, key), stride: 1}}
}

// errTooMuch is returned for what can't be computed in reasonable time.
var errTooMuch = errors.New("randomization: forecast: too much to compute: plan for fewer participants")

// guesses returns how an observer does, who sees the arm of a slot with chance
// sees, and all arms with chance 1.
func (s *simulation) guesses(participants, strata int, sees float64) (Guesses, error) {
	weights := reached(participants, strata)
	if sees == 1 {
		if slots, ok := s.kernel.enumerate(len(weights)); ok {
			return exactly(slots, weights), nil
		}
	}
	return s.simulatedGuesses(weights, sees)
}

func (s *simulation) simulatedGuesses(weights []float64, sees float64) (Guesses, error) {
	var correct, certain mean
	for begun := s.kernel.work; correct.n < enough; {
		if work := s.kernel.work - begun; work > feasible && correct.n >= few || work > 3*feasible {
			break
		}
		if g, ok := s.kernel.watch(s.random, weights, sees); ok {
			correct.add(g.correct)
			certain.add(g.certain)
		}
	}
	if correct.n < few {
		return Guesses{}, errTooMuch
	}
	return Guesses{Correct: correct.estimate(), Certain: certain.estimate()}, nil
}

// A simulation ends with enough runs, or with few of them if they are long.
const enough, few = 10_000, 100

func exactly(slots []guess, weights []float64) (g Guesses) {
	total := 0.0
	for i, weight := range weights {
		total += weight
		g.Correct.Value += weight * slots[i].correct
		g.Certain.Value += weight * slots[i].certain
	}
	g.Correct.Value /= total
	g.Certain.Value /= total
	return g
}

// A mean is a running mean.
type mean struct{ n, sum, squares float64 }

func (m *mean) add(x float64) {
	m.n++
	m.sum += x
	m.squares += x * x
}

func (m *mean) estimate() Estimate {
	value := m.sum / m.n
	variance := max(m.squares/m.n-value*value, 0)
	return Estimate{Value: value, Error: 2 * math.Sqrt(variance/(m.n-1))}
}
