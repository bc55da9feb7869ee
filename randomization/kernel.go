package randomization

import "slices"

// A kernel is a model whose states are numbered as they are met; 0 is that of
// the first slot. Forecasts walk it: they need no exact fractions, and what is
// drawn for a trial never comes from here.
type kernel struct {
	model  model
	arms   int
	ids    map[state]int
	states []state
	steps  [][]step  // of each state, nil before they are asked for
	sums   []float64 // room for after, all zero in between
	work   int       // steps weighed so far
}

// A step is a move to a numbered state.
type step struct {
	arm, next int
	chance    float64
}

func newKernel(d listDesign) *kernel {
	k := &kernel{model: d.model(), arms: len(d.ArmRatio()), ids: map[state]int{}}
	k.id(state{})
	return k
}

func (k *kernel) id(s state) int {
	id, ok := k.ids[s]
	if !ok {
		id = len(k.states)
		k.ids[s] = id
		k.states, k.steps, k.sums = append(k.states, s), append(k.steps, nil), append(k.sums, 0)
	}
	return id
}

// from returns the ways on from a state.
func (k *kernel) from(id int) []step {
	if k.steps[id] == nil {
		var steps []step
		for _, m := range k.model(k.states[id]) {
			steps = append(steps, step{int(m.arm), k.id(m.next), m.chance})
		}
		k.steps[id] = steps
	}
	return k.steps[id]
}

// draw takes one step at random.
func (k *kernel) draw(id int, random *stream) step {
	steps, x := k.from(id), random.fraction()
	for _, s := range steps[:len(steps)-1] {
		if x -= s.chance; x < 0 {
			return s
		}
	}
	return steps[len(steps)-1]
}

// A belief is what an observer holds of the state: those that it can be, in
// ascending order, with chances that add up to 1.
type belief []held

type held struct {
	state  int
	chance float64
}

// first is the belief of everybody before the first slot.
func first() belief { return belief{{0, 1}} }

// next returns the chance of each arm.
func (k *kernel) next(b belief) []float64 {
	chances := make([]float64, k.arms)
	for _, h := range b {
		for _, s := range k.from(h.state) {
			chances[s.arm] += h.chance * s.chance
		}
	}
	return chances
}

// anyArm is what an observer saw who missed an allocation.
const anyArm = -1

// after returns the belief after arm was seen at the next slot, which must have
// a chance. States that are next to impossible are left out after an arm that
// wasn't seen, or beliefs would widen for ever.
func (k *kernel) after(b belief, arm int) belief {
	var touched []int
	total := 0.0
	for _, h := range b {
		steps := k.from(h.state)
		k.work += len(steps)
		for _, s := range steps {
			if arm != anyArm && s.arm != arm {
				continue
			}
			if k.sums[s.next] == 0 {
				touched = append(touched, s.next)
			}
			k.sums[s.next] += h.chance * s.chance
			total += h.chance * s.chance
		}
	}
	slices.Sort(touched)
	out := make(belief, 0, len(touched))
	for _, id := range touched {
		if chance := k.sums[id] / total; arm != anyArm || chance > 1e-12 {
			out = append(out, held{id, chance})
		}
		k.sums[id] = 0
	}
	return out
}
