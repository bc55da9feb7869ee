package trial

import "fmt"

// A FormRecord says where the answers of one form at one visit stand in the
// log.
type FormRecord struct {
	Visit       VisitID
	Form        FormID
	On          Date
	In          Compartment
	At          int64   // index of the submission
	Corrections []int64 // indexes of the corrections, in their order
}

// FormRecord returns where the answers of a form at a visit stand. It fails
// with [ErrNotSubmitted], [ErrErased] or [ErrNotFound].
func (s *State) FormRecord(id ParticipantID, v VisitID, f FormID) (FormRecord, error) {
	p, err := s.participant(id)
	if err != nil {
		return FormRecord{}, err
	}
	visit := s.visitIndex(v)
	_, form, ok := s.protocol.Form(f)
	if visit < 0 || !ok {
		return FormRecord{}, fmt.Errorf("form %s at visit %s: %w", f, v, ErrNotFound)
	}
	r, done := p.record(visit, form)
	if !done {
		return FormRecord{}, ErrNotSubmitted
	}
	out := FormRecord{Visit: v, Form: f, On: fromUnixDay(r.on), In: s.formCompartment(f), At: r.at}
	for _, c := range p.forms {
		if c.correction && int(c.visit) == visit && int(c.form) == form {
			out.Corrections = append(out.Corrections, c.at)
		}
	}
	return out, nil
}

// LocksHolding returns the numbers of the locks that were taken after p was
// randomized and so may hold rows of p.
func (s *State) LocksHolding(id ParticipantID) []int {
	p, ok := s.participants[id]
	if !ok || !p.Randomized() {
		return nil
	}
	var locks []int
	for _, l := range s.locks {
		if p.Receipt < l.Conduct {
			locks = append(locks, l.Number)
		}
	}
	return locks
}
