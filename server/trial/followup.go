package trial

// A FollowUp is how one visit of a randomized participant stands.
type FollowUp struct {
	Visit  VisitID
	Window Window
	// Status is the class in which [Flow] counts the participant: observed,
	// lost, withdrew, erased, in-error, died or awaited.
	Status Code
}

// FollowUpStatuses are the classes of a randomized participant at a visit.
func FollowUpStatuses() []Code {
	return []Code{"observed", "lost", "withdrew", "erased", "in-error", "died", "awaited"}
}

// FollowUps returns the visits after the baseline of a randomized participant
// of this trial, in the protocol's order.
func (s *State) FollowUps(p *Participant) []FollowUp {
	var out []FollowUp
	for visit := 1; visit < len(s.protocol.Visits); visit++ {
		var f VisitFlow
		*s.class(&f, p, visit)++
		for i, n := range f.Counts() {
			if n > 0 {
				out = append(out, FollowUp{s.protocol.Visits[visit].ID, s.window(p, visit), FollowUpStatuses()[i]})
			}
		}
	}
	return out
}

// Counts returns the numbers of participants in the order of
// [FollowUpStatuses].
func (f VisitFlow) Counts() []int {
	return []int{f.Observed, f.Lost, f.Withdrew, f.Erased, f.InError, f.Died, f.Awaited}
}
