package randomization

import (
	"slices"
	"unicode/utf8"
)

// List is a statistician's own list: the arms of each stratum, written down
// before the trial, however they were drawn. It is sealed and committed to like
// every other design. The seed draws nothing of it, but the backup envelopes of
// [NewContingency].
//
// A stratum that has used up its list can't be randomized in. The encoding has
// one byte for each arm.
type List struct {
	// Ratio is the number of participants of each arm in the smallest balanced
	// group, in lowest terms: {2, 1} for 2:1. 2 to 16 arms.
	Ratio []int

	// Tolerance is by how many participants an arm of a stratum's whole list may
	// be ahead of what the ratio allows beside any other arm: 0 if every list
	// ends in ratio.
	Tolerance int

	// Strata are the lists of the strata, in the order of the bytes of their
	// names: 1 to 10,000, with at most 1,048,576 arms in all.
	Strata []ListStratum
}

// A ListStratum is the list of one stratum.
type ListStratum struct {
	// Name is the stratum's name: at most 1024 bytes of UTF-8.
	Name string

	// Arms are the arms of the slots from 0 on, at least one.
	Arms []Arm
}

// Validate implements [Design].
func (l List) Validate() error {
	if err := validateRatio(l.Ratio); err != nil {
		return err
	}
	if l.Tolerance < 0 || l.Tolerance > maxListed {
		return designError("tolerated imbalance %d of a list: use 0 to %d", l.Tolerance, maxListed)
	}
	if len(l.Strata) < 1 || len(l.Strata) > maxStrata {
		return designError("%d strata in a list: give 1 to %d", len(l.Strata), maxStrata)
	}
	total := 0
	for i, s := range l.Strata {
		if i > 0 && s.Name <= l.Strata[i-1].Name {
			return designError("stratum %q after %q in a list: give each stratum once, in the order of their names", s.Name, l.Strata[i-1].Name)
		}
		if total += len(s.Arms); total > maxListed {
			return designError("a list of more than %d arms: the largest is %d", maxListed, maxListed)
		}
		if err := l.validateStratum(s); err != nil {
			return err
		}
	}
	return nil
}

func (l List) validateStratum(s ListStratum) error {
	if len(s.Name) > maxName || !utf8.ValidString(s.Name) {
		return designError("stratum %q in a list: use a name of at most %d bytes of UTF-8", s.Name, maxName)
	}
	if len(s.Arms) == 0 {
		return designError("stratum %q has no arms in the list: give at least one", s.Name)
	}
	counts := make([]int, len(l.Ratio))
	for slot, arm := range s.Arms {
		if arm < 0 || int(arm) >= len(counts) {
			return designError("arm %d at slot %d of stratum %q: use 0 to %d", arm, slot, s.Name, len(counts)-1)
		}
		counts[arm]++
	}
	if ahead := l.ahead(counts); ahead > l.Tolerance {
		return designError("stratum %q has arms %s in the list, which is ahead of the ratio %s by %d: the tolerated imbalance is %d", s.Name, colons(counts), colons(l.Ratio), ahead, l.Tolerance)
	}
	return nil
}

// ahead returns by how many participants, rounded up, an arm is ahead of what
// the ratio allows beside any other arm.
func (l List) ahead(counts []int) int {
	most := 0
	for arm := range counts {
		most = max(most, l.aheadOf(counts, arm))
	}
	return most
}

// aheadOf is ahead for one arm.
func (l List) aheadOf(counts []int, arm int) int {
	most := 0
	for other, n := range counts {
		d := counts[arm]*l.Ratio[other] - n*l.Ratio[arm]
		most = max(most, (d+l.Ratio[other]-1)/l.Ratio[other])
	}
	return most
}

// Encode implements [Design].
func (l List) Encode() []byte {
	out := appendNumbers(pack([]byte(tagList)), append([]int{len(l.Ratio)}, l.Ratio...)...)
	out = appendNumbers(out, l.Tolerance, len(l.Strata))
	for _, s := range l.Strata {
		out = append(out, pack([]byte(s.Name), armBytes(s.Arms))...)
	}
	return out
}

func readList(r *reader) List {
	l := List{Ratio: r.numbers(maxArms, maxSize), Tolerance: r.number(maxListed)}
	for range r.number(maxStrata) {
		if r.bad {
			break
		}
		s := ListStratum{Name: string(r.field(maxName))}
		for _, arm := range r.field(maxListed) {
			s.Arms = append(s.Arms, Arm(arm))
		}
		l.Strata = append(l.Strata, s)
	}
	return l
}

// armBytes writes one byte an arm. An arm that no design has, of a list that
// can't be used, is 255.
func armBytes(arms []Arm) []byte {
	out := make([]byte, len(arms))
	for i, arm := range arms {
		out[i] = 255
		if arm >= 0 && arm < maxArms {
			out[i] = byte(arm)
		}
	}
	return out
}

// ArmRatio implements [Design].
func (l List) ArmRatio() []int { return slices.Clone(l.Ratio) }

// MaxImbalance implements [Design]. What the list's own strata reach, each at
// its worst slot, bounds every trial that uses it.
func (l List) MaxImbalance(strata int) int {
	if l.Validate() != nil || strata < 1 {
		return 0
	}
	bound := 0
	for _, s := range l.Strata {
		counts, most := make([]int, len(l.Ratio)), 0
		for _, arm := range s.Arms {
			counts[arm]++
			most = max(most, l.aheadOf(counts, int(arm)))
		}
		bound += most
	}
	return bound
}

func (List) purpose() string { return "list" }

// arms returns the list of a stratum, one byte an arm.
func (l List) arms(stratum string) ([]uint8, bool) {
	for _, s := range l.Strata {
		if s.Name == stratum {
			return armBytes(s.Arms), true
		}
	}
	return nil, false
}
