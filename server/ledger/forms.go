package ledger

import (
	"context"
	"fmt"
	"maps"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// A Faulty says what is wrong with the answers to a form. Nothing was stored.
type Faulty struct{ Problems []instrument.Problem }

// Error counts the problems.
func (e *Faulty) Error() string {
	return fmt.Sprintf("%d answers are missing or wrong; nothing was stored", len(e.Problems))
}

// A Place names one form of one participant at one visit.
type Place struct {
	Participant trial.ParticipantID
	Visit       trial.VisitID
	Form        trial.FormID
}

func (p Place) bind(kind string) []string { return []string{kind, string(p.Visit), string(p.Form)} }

// Submit stores the answers to a form. It fails with a [Faulty] if the form
// doesn't accept them, or if a text holds an identifier of a person. A text
// with words that may tell the arm is stored and held: the report warns of it.
func (t *Trial) Submit(ctx context.Context, by Caller, p Place, on trial.Date, values instrument.Values) (Answer, instrument.Report, error) {
	in, form, err := t.Instrument(p.Form)
	if err != nil {
		return Answer{}, instrument.Report{}, err
	}
	report := in.Check(values)
	texts, err := t.checkTexts(in, values)
	if err != nil {
		return Answer{}, report, err
	}
	report.Problems = append(report.Problems, texts.problems...)
	report.Warnings = append(report.Warnings, texts.warnings...)
	if len(report.Problems) > 0 {
		return Answer{}, report, &Faulty{report.Problems}
	}
	if err := t.known(p.Participant); err != nil {
		return Answer{}, report, err
	}
	plain, err := values.Encode()
	if err != nil {
		return Answer{}, report, &trial.Invalid{Field: "values", Problem: err.Error()}
	}
	sealed, err := t.sealFor(ctx, p.Participant, plain, p.bind("form")...)
	if err != nil {
		return Answer{}, report, err
	}
	a, err := t.Do(ctx, by, trial.FormSubmitted{
		Participant: p.Participant, Visit: p.Visit, Form: p.Form, Version: form.Version, On: on, Sealed: sealed, Held: texts.held,
	})
	if err == nil && a.Receipt.Repeated {
		e, _ := a.Events[0].(trial.FormSubmitted)
		err = t.samePlain(ctx, p.Participant, plain, e.Sealed, p.bind("form")...)
	}
	return a, report, err
}

// Answered are the answers to a form with all corrections applied.
type Answered struct {
	Values      instrument.Values
	On          trial.Date
	Corrections []Correction
	// Held are the items of Values that nobody but the reader, who wrote them,
	// may read yet.
	Held []string
	// Version names the answers as they stand: the index of the last entry of
	// the form.
	Version int64
	// Signatures are those under the form, in their order.
	Signatures []trial.Signature
}

// ReadForm returns the answers to a form as a reader may know them: texts that
// are held are missing, save the reader's own. It fails with
// [trial.ErrNotSubmitted] or [trial.ErrErased].
func (t *Trial) ReadForm(ctx context.Context, p Place, reader string) (Answered, error) {
	r, texts, err := t.readForm(ctx, p)
	if err != nil {
		return Answered{}, err
	}
	return r.without(texts, reader), nil
}

// readForm returns what stands in the log about a form, and which of its texts
// are held.
func (t *Trial) readForm(ctx context.Context, p Place) (reading, map[held]bool, error) {
	var r trial.FormRecord
	var texts map[held]bool
	var signatures []trial.Signature
	err := t.View(func(s *trial.State) error {
		var err error
		r, err = s.FormRecord(p.Participant, p.Visit, p.Form)
		texts, signatures = unreleased(s, p), s.Signatures(p.Participant, p.Visit, p.Form)
		return err
	})
	if err != nil {
		return reading{}, nil, err
	}
	out, err := t.readRecord(ctx, p.Participant, r)
	out.version, out.signatures = r.At, signatures
	if n := len(r.Corrections); n > 0 {
		out.version = r.Corrections[n-1]
	}
	return out, texts, err
}

// A reading is what stands in the log about a form, the texts that are held
// included.
type reading struct {
	submitted, values instrument.Values // at first, and with all corrections
	on                trial.Date
	corrections       []pastCorrection
	from              map[string]written // where each value stands
	version           int64              // the last entry
	signatures        []trial.Signature
}

// A pastCorrection is a correction, where it stands, and where the values stand
// that it replaced.
type pastCorrection struct {
	Correction
	entry  int64
	before map[string]written
}

func (t *Trial) readRecord(ctx context.Context, id trial.ParticipantID, r trial.FormRecord) (reading, error) {
	p := Place{id, r.Visit, r.Form}
	plain, e, err := t.openEntry(ctx, p, place{r.In, r.At}, "form")
	if err != nil {
		return reading{}, err
	}
	values, err := instrument.ParseValues(plain)
	if err != nil {
		return reading{}, fmt.Errorf("ledger: entry %d of %s: %w", r.At, r.In, err)
	}
	out := reading{submitted: maps.Clone(values), values: values, on: r.On, from: map[string]written{}}
	for item := range values {
		out.from[item] = written{r.At, e.Actor}
	}
	for _, at := range r.Corrections {
		plain, e, err := t.openEntry(ctx, p, place{r.In, at}, "correction")
		if err != nil {
			return reading{}, err
		}
		c, err := parseCorrection(plain, out.values)
		if err != nil {
			return reading{}, fmt.Errorf("ledger: entry %d of %s: %w", at, r.In, err)
		}
		c.At, c.By = e.At, e.Actor
		out.add(pastCorrection{Correction: c, entry: at})
	}
	return out, nil
}

// add notes a correction whose values are applied.
func (r *reading) add(c pastCorrection) {
	c.before = map[string]written{}
	for _, change := range c.Changes {
		c.before[change.Item] = r.from[change.Item]
		r.from[change.Item] = written{c.entry, c.By}
	}
	r.corrections = append(r.corrections, c)
}

// openEntry returns what is sealed in an entry about a form.
func (t *Trial) openEntry(ctx context.Context, p Place, at place, kind string) ([]byte, entry.Entry, error) {
	_, e, err := t.receipt(ctx, at)
	if err != nil {
		return nil, e, err
	}
	var sealed []byte
	switch event := e.Event.(type) {
	case trial.FormSubmitted:
		sealed = event.Sealed
	case trial.FormCorrected:
		sealed = event.Sealed
	}
	plain, err := t.openFor(ctx, p.Participant, sealed, p.bind(kind)...)
	return plain, e, err
}
