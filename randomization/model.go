package randomization

// A state is what decides the chances of the next arm, in the way of a design.
// The zero state is that of the first slot.
type state [maxArms]int32

// A model returns the ways on from a state. Their chances are positive and add
// up to 1. An arm may have several.
type model func(state) []move

// A move is the next arm, with its chance and the state that it leads to.
type move struct {
	arm    Arm
	chance float64
	next   state
}

// twoMoves returns the ways on if arm 0 follows with chance p, else arm 1. The
// state's first number is by how many arm 0 is ahead.
func twoMoves(s state, p float64) []move {
	var moves []move
	for arm, chance := range [2]float64{p, 1 - p} {
		if chance > 0 {
			next := s
			next[0] += int32(towards(uint8(arm)))
			moves = append(moves, move{Arm(arm), chance, next})
		}
	}
	return moves
}
