package trial

import (
	"fmt"
	"slices"
	"time"
)

// FormSigned is a signature under a form as it stood after the entry At.
type FormSigned struct {
	Participant ParticipantID
	Visit       VisitID
	Form        FormID
	At          int64    // index of the submission or of the last correction
	Digest      [32]byte // over the leaf hashes of the entries up to At
	Meaning     Code     // one of [Meanings]
	Name        string   // the printed name of the signer
}

// TextJudged releases a held text, or withholds it for ever.
type TextJudged struct {
	Participant ParticipantID
	Visit       VisitID
	Form        FormID
	At          int64 // index of the entry that holds the text
	Item        Code
	Released    bool
}

func (FormSigned) event() {}
func (TextJudged) event() {}

// What a signature can mean.
const (
	Authorship Code = "authorship"
	Review     Code = "review"
	Approval   Code = "approval"
)

// Meanings are what a signature can mean.
//
// Source: 21 CFR part 11 (1997), section 11.50 (a)(3).
func Meanings() []Code { return []Code{Authorship, Review, Approval} }

// A Signature is a signature under one form at one visit.
type Signature struct {
	By, Name string
	Meaning  Code
	At       time.Time
	Of       int64 // index of the last entry that it is under
	Void     bool  // the form was corrected since
}

// A HeldText is a text that nobody but its writer reads until it is released.
type HeldText struct {
	Visit    VisitID
	Form     FormID
	At       int64 // index of the entry that holds it, in the form's compartment
	Item     Code
	Judged   bool
	Released bool
}

type signature struct {
	Signature
	visit, form uint8
}

// Signatures returns the signatures under a form at a visit, in their order.
func (s *State) Signatures(id ParticipantID, v VisitID, f FormID) []Signature {
	p, known := s.participants[id]
	visit := s.visitIndex(v)
	_, form, ok := s.protocol.Form(f)
	if !known || visit < 0 || !ok {
		return nil
	}
	last := p.lastVersion(visit, form)
	var out []Signature
	for _, g := range p.signatures {
		if int(g.visit) == visit && int(g.form) == form {
			g.Void = g.Of != last
			out = append(out, g.Signature)
		}
	}
	return out
}

// HeldTexts returns the texts of a participant that were held, judged or not,
// in their order.
func (s *State) HeldTexts(id ParticipantID) []HeldText {
	if p, ok := s.participants[id]; ok {
		return slices.Clone(p.texts)
	}
	return nil
}

// lastVersion returns the index of the last entry of a form at a visit, or -1.
func (p *Participant) lastVersion(visit, form int) int64 {
	last := int64(-1)
	for _, r := range p.forms {
		if int(r.visit) == visit && int(r.form) == form {
			last = r.at
		}
	}
	return last
}

func (s *State) checkRecord(m Meta, e Event) error {
	switch e := e.(type) {
	case FormSigned:
		return s.checkSigned(m, e)
	case TextJudged:
		return s.checkJudged(e)
	default:
		return fmt.Errorf("trial: unknown event %T", e)
	}
}

// checkSigned demands the form's own role for authorship and review. Approval
// is the investigator's, who reads no outcome.
func (s *State) checkSigned(m Meta, e FormSigned) error {
	if err := oneOf("meaning", e.Meaning, Meanings()); err != nil {
		return err
	}
	role := m.Role
	if e.Meaning == Approval {
		role = Coordinator
	}
	visit, form, err := s.place(e.Visit, e.Form, role)
	if err != nil {
		return err
	}
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	last := p.lastVersion(visit, form)
	return first(
		when(e.Meaning == Approval && m.Role != Investigator, &Invalid{"meaning", "approval is the investigator's"}),
		when(last < 0, ErrNotSubmitted),
		when(last != e.At, ErrChanged),
		when(e.Name == "" || e.Digest == [32]byte{}, &Invalid{"name", "or digest is missing"}),
		when(s.blindBroken(m, e.Participant), ErrBlindBroken),
		when(slices.ContainsFunc(p.signatures, func(g signature) bool {
			return int(g.visit) == visit && int(g.form) == form && g.Of == e.At && g.By == m.Actor && g.Meaning == e.Meaning
		}), ErrExists),
	)
}

// blindBroken reports whether the actor is an assessor whose blind is broken for
// a participant.
func (s *State) blindBroken(m Meta, id ParticipantID) bool {
	return m.Role == Assessor && s.BlindBrokenFor(m.Actor, id)
}

func (s *State) checkJudged(e TextJudged) error {
	p, err := s.participant(e.Participant)
	if err != nil {
		return err
	}
	at := p.held(e)
	if at < 0 {
		return fmt.Errorf("held text %s of %s: %w", e.Item, e.Form, ErrNotFound)
	}
	return when(p.texts[at].Judged, ErrExists)
}

func (p *Participant) held(e TextJudged) int {
	return slices.IndexFunc(p.texts, func(h HeldText) bool {
		return h.Visit == e.Visit && h.Form == e.Form && h.At == e.At && h.Item == e.Item
	})
}

// checkHeld demands names that are there once each.
func checkHeld(items []Code) error {
	for i, item := range items {
		if item == "" || slices.Contains(items[:i], item) {
			return &Invalid{"held", fmt.Sprintf("item %q is empty or named twice", item)}
		}
	}
	return nil
}

// hold notes items of a form that wait for a reviewer.
func (p *Participant) hold(m Meta, v VisitID, f FormID, items []Code) {
	for _, item := range items {
		p.texts = append(p.texts, HeldText{Visit: v, Form: f, At: m.Index, Item: item})
	}
}

func (s *State) applyRecord(m Meta, e Event) {
	switch e := e.(type) {
	case FormSigned:
		p := s.participants[e.Participant]
		form := s.protocol.formIndex(e.Form)
		p.signatures = append(p.signatures, signature{
			Signature{By: m.Actor, Name: e.Name, Meaning: e.Meaning, At: m.At, Of: e.At}, uint8(s.visitIndex(e.Visit)), uint8(form),
		})
	case TextJudged:
		p := s.participants[e.Participant]
		h := &p.texts[p.held(e)]
		h.Judged, h.Released = true, e.Released
	}
}
