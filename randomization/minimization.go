package randomization

import "slices"

// Minimization allocates each participant, with a chance that is short of
// certainty, to the arm that leaves the arms most alike within the levels of
// the participant's factors: the marginal counts of each factor, not those of
// their combinations. It is defined for two or more arms and any integer ratio
// whose numbers have a least common multiple of at most 360.
//
// With arms in unequal numbers, counts are divided by the ratio before they are
// compared, and the other arms share what the preferred one leaves in
// proportion to the ratio, so that the arms come in their ratio over the trial.
// The chance of an arm still varies a little from one participant to the next;
// see Kuznetsova & Tymofyeyev (2012), Statistics in Medicine 31, 701-723.
//
// Source: Pocock & Simon (1975), Sequential treatment assignment with balancing
// for prognostic factors in the controlled clinical trial, Biometrics 31,
// 103-115. For unequal ratios the biased-coin minimization of Han, Enas &
// McEntegart (2009), Randomization by minimization for unbalanced treatment
// allocation, Statistics in Medicine 28, 3329-3346.
type Minimization struct {
	// Ratio is the number of participants of each arm in the smallest balanced
	// group, in lowest terms: {2, 1} for 2:1. 2 to 16 arms.
	Ratio []int

	// Factors are the 1 to 16 factors, in the order in which a participant's
	// levels are given.
	Factors []Factor

	// Measure says how unlike the arms are within one level.
	Measure Measure

	// Favored and Of make the chance Favored/Of of the preferred arm, if that is
	// the smallest one of the ratio; a larger one has a larger chance. It is more
	// than the arm's share of the ratio and less than 1, in lowest terms; Of is
	// at most 1000. Always taking the preferred arm is refused: whoever knows the
	// past would know the next arm.
	Favored, Of int
}

// A Factor is a trait of participants that minimization balances.
type Factor struct {
	// Levels is how many levels the factor has: 1 to 1000. A factor with one
	// level balances the whole trial.
	Levels int

	// Weight is how much the factor counts beside the others: 1 to 100. The
	// weights of all factors are in lowest terms.
	Weight int
}

// A Measure says how unlike the arms of one level of a factor are. The measures
// of all factors are added up, each multiplied by its weight.
type Measure int

// The measures, of the counts of the arms divided by the ratio.
const (
	Range    Measure = 1 // the largest less the smallest
	Variance Measure = 2 // the sum of the squared distances from the mean
)

// Validate implements [Design].
func (m Minimization) Validate() error {
	if err := validateRatio(m.Ratio); err != nil {
		return err
	}
	if multiple(m.Ratio) > maxMultiple {
		return designError("ratio %s has the least common multiple %d: minimization weighs ratios of at most %d", colons(m.Ratio), multiple(m.Ratio), maxMultiple)
	}
	if m.Measure != Range && m.Measure != Variance {
		return designError("measure %d of minimization: use range or variance", m.Measure)
	}
	if err := m.validateFactors(); err != nil {
		return err
	}
	return m.validateChance()
}

func (m Minimization) validateFactors() error {
	if len(m.Factors) < 1 || len(m.Factors) > maxFactors {
		return designError("%d factors: minimization takes 1 to %d", len(m.Factors), maxFactors)
	}
	var weights []int
	for i, f := range m.Factors {
		if f.Levels < 1 || f.Levels > maxLevels {
			return designError("factor %d has %d levels: use 1 to %d", i, f.Levels, maxLevels)
		}
		if f.Weight < 1 || f.Weight > maxImportant {
			return designError("factor %d has weight %d: use 1 to %d", i, f.Weight, maxImportant)
		}
		weights = append(weights, f.Weight)
	}
	if d := divisor(weights); d > 1 {
		return designError("weights %s of the factors are not in lowest terms: divide them by %d", colons(weights), d)
	}
	return nil
}

func (m Minimization) validateChance() error {
	smallest, all := slices.Min(m.Ratio), sum(m.Ratio)
	switch {
	case m.Of >= 1 && m.Favored == m.Of:
		return designError("minimization that always takes the preferred arm can be predicted: use a chance below 1, as 4/5")
	case m.Of < 1 || m.Of > maxChance || m.Favored < 1 || m.Favored > m.Of:
		return designError("chance %d/%d of the preferred arm: use a fraction below 1, as 4/5, with numbers up to %d", m.Favored, m.Of, maxChance)
	case m.Favored*all <= m.Of*smallest:
		return designError("chance %d/%d of the preferred arm: use more than its share %d/%d of the ratio, or the complete design", m.Favored, m.Of, smallest, all)
	}
	if d := divisor([]int{m.Favored, m.Of}); d > 1 {
		return designError("chance %d/%d is not in lowest terms: divide both numbers by %d", m.Favored, m.Of, d)
	}
	return nil
}

// Encode implements [Design].
func (m Minimization) Encode() []byte {
	out := appendNumbers(pack([]byte(tagMinimization)), append([]int{len(m.Ratio)}, m.Ratio...)...)
	out = appendNumbers(out, int(m.Measure), m.Favored, m.Of, len(m.Factors))
	for _, f := range m.Factors {
		out = appendNumbers(out, f.Levels, f.Weight)
	}
	return out
}

func readMinimization(r *reader) Minimization {
	m := Minimization{Ratio: r.numbers(maxArms, maxSize)}
	m.Measure, m.Favored, m.Of = Measure(r.number(int(Variance))), r.number(maxChance), r.number(maxChance)
	for range r.number(maxFactors) {
		m.Factors = append(m.Factors, Factor{Levels: r.number(maxLevels), Weight: r.number(maxImportant)})
	}
	return m
}

// ArmRatio implements [Design].
func (m Minimization) ArmRatio() []int { return slices.Clone(m.Ratio) }

// MaxImbalance implements [Design]: there is no bound.
func (Minimization) MaxImbalance(int) int { return 0 }

func (Minimization) purpose() string { return "minimization" }

// multiple returns the least common multiple of ns, all of which are positive
// and whose sum is at most half the largest block.
func multiple(ns []int) int {
	m := 1
	for _, n := range ns {
		m = m / divisor([]int{m, n}) * n
	}
	return m
}
