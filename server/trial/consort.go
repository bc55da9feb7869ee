package trial

// A Flow is the CONSORT flow, pooled over the arms. Screened is the sum of the
// exclusions, Pending and Randomized.
//
// Source: CONSORT 2025, flow diagram and item 22a.
type Flow struct {
	Screened, NotEligible, Declined, Other, Pending, Randomized int
	Visits                                                      []VisitFlow
}

// A VisitFlow puts each randomized participant into exactly one class at one
// visit; the classes add up to Flow.Randomized.
type VisitFlow struct {
	Visit                                                    VisitID
	Observed, Lost, Withdrew, Erased, InError, Died, Awaited int
}

// Flow returns the flow so far.
func (s *State) Flow() Flow {
	var f Flow
	for p := range s.Participants() {
		f.Screened++
		switch {
		case p.Randomized():
			f.Randomized++
		case p.Excluded == "not-eligible":
			f.NotEligible++
		case p.Excluded == "declined", p.Excluded == "" && !p.WithdrewData.IsZero():
			f.Declined++
		case p.Excluded != "":
			f.Other++
		default:
			f.Pending++
		}
	}
	for visit := 1; visit < len(s.protocol.Visits); visit++ {
		f.Visits = append(f.Visits, s.visitFlow(visit))
	}
	return f
}

func (s *State) visitFlow(visit int) VisitFlow {
	f := VisitFlow{Visit: s.protocol.Visits[visit].ID}
	for p := range s.Participants() {
		if p.Randomized() {
			*s.class(&f, p, visit)++
		}
	}
	return f
}

// class returns the counter that p belongs to at a visit. A withdrawal
// from the data comes before an inclusion in error, that before a death before the target,
// that before an end of follow-up before the target. What was observed or
// missed before such an end stays so: a later death doesn't rewrite an earlier
// visit.
func (s *State) class(f *VisitFlow, p *Participant, visit int) *int {
	observed := s.complete(p, visit)
	target := s.window(p, visit).Target
	died, withdrew := !p.Died.IsZero(), !p.Withdrew.IsZero()
	switch {
	case !p.WithdrewData.IsZero():
		return &f.Erased
	case p.Error != "":
		return &f.InError
	case died && p.Died.Before(target):
		return &f.Died
	case observed:
		return &f.Observed
	case withdrew && p.Withdrew.Before(target):
		return &f.Withdrew
	case p.missedVisit(visit):
		return &f.Lost
	case died:
		return &f.Died
	case withdrew:
		return &f.Withdrew
	default:
		return &f.Awaited
	}
}
