package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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

// ErrNoReason means that a correction came without a reason.
var ErrNoReason = &trial.Invalid{Field: "reason", Problem: "a correction needs a reason"}

// A Place names one form of one participant at one visit.
type Place struct {
	Participant trial.ParticipantID
	Visit       trial.VisitID
	Form        trial.FormID
}

func (p Place) bind(kind string) []string { return []string{kind, string(p.Visit), string(p.Form)} }

// Submit stores the answers to a form. It fails with a [Faulty] if the form
// doesn't accept them.
func (t *Trial) Submit(ctx context.Context, by Caller, p Place, on trial.Date, values instrument.Values) (Answer, instrument.Report, error) {
	in, form, err := t.Instrument(p.Form)
	if err != nil {
		return Answer{}, instrument.Report{}, err
	}
	report := in.Check(values)
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
		Participant: p.Participant, Visit: p.Visit, Form: p.Form, Version: form.Version, On: on, Sealed: sealed,
	})
	if err == nil && a.Receipt.Repeated {
		e, _ := a.Events[0].(trial.FormSubmitted)
		err = t.samePlain(ctx, p.Participant, plain, e.Sealed, p.bind("form")...)
	}
	return a, report, err
}

// A Correction is one correction of a form.
type Correction struct {
	At      time.Time
	By      string
	Reason  string
	Changes []instrument.Change
}

// Answered are the answers to a form with all corrections applied.
type Answered struct {
	Values      instrument.Values
	On          trial.Date
	Corrections []Correction
}

// A correction as it is sealed: the changed items before and after.
type correction struct {
	Reason string          `json:"reason"`
	Old    json.RawMessage `json:"old"`
	New    json.RawMessage `json:"new"`
}

// ReadForm returns the answers to a form. It fails with
// [trial.ErrNotSubmitted] or [trial.ErrErased].
func (t *Trial) ReadForm(ctx context.Context, p Place) (Answered, error) {
	var r trial.FormRecord
	err := t.View(func(s *trial.State) error {
		var err error
		r, err = s.FormRecord(p.Participant, p.Visit, p.Form)
		return err
	})
	if err != nil {
		return Answered{}, err
	}
	return t.readRecord(ctx, p.Participant, r)
}

func (t *Trial) readRecord(ctx context.Context, id trial.ParticipantID, r trial.FormRecord) (Answered, error) {
	p := Place{id, r.Visit, r.Form}
	plain, _, err := t.openEntry(ctx, p, place{r.In, r.At}, "form")
	if err != nil {
		return Answered{}, err
	}
	values, err := instrument.ParseValues(plain)
	if err != nil {
		return Answered{}, fmt.Errorf("ledger: entry %d of %s: %w", r.At, r.In, err)
	}
	out := Answered{Values: values, On: r.On}
	for _, at := range r.Corrections {
		plain, e, err := t.openEntry(ctx, p, place{r.In, at}, "correction")
		if err != nil {
			return Answered{}, err
		}
		c, err := parseCorrection(plain, out.Values)
		if err != nil {
			return Answered{}, fmt.Errorf("ledger: entry %d of %s: %w", at, r.In, err)
		}
		c.At, c.By = e.At, e.Actor
		out.Corrections = append(out.Corrections, c)
	}
	return out, nil
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

// parseCorrection applies a correction to values and returns it.
func parseCorrection(plain []byte, values instrument.Values) (Correction, error) {
	var c correction
	if err := json.Unmarshal(plain, &c); err != nil {
		return Correction{}, fmt.Errorf("correction: %w", err)
	}
	before, err := instrument.ParseValues(c.Old)
	if err != nil {
		return Correction{}, err
	}
	after, err := instrument.ParseValues(c.New)
	if err != nil {
		return Correction{}, err
	}
	for item := range before {
		delete(values, item)
	}
	for item, v := range after {
		values[item] = v
	}
	return Correction{Reason: c.Reason, Changes: instrument.Diff(before, after)}, nil
}

// A Patch changes answers: items to set, and items to take away.
type Patch struct {
	Set  instrument.Values
	Drop []string
}

// errStale means that another correction came in between.
var errStale = errors.New("ledger: the form was corrected meanwhile")

// Correct changes answers of a submitted form. The old values stay in the log.
// It fails with [trial.ErrNothingChanged] if the answers are the same after it.
func (t *Trial) Correct(ctx context.Context, by Caller, p Place, patch Patch, reason string) (Answer, []instrument.Change, error) {
	for {
		a, changes, err := t.correct(ctx, by, p, patch, reason)
		if !errors.Is(err, errStale) {
			return a, changes, err
		}
	}
}

func (t *Trial) correct(ctx context.Context, by Caller, p Place, patch Patch, reason string) (Answer, []instrument.Change, error) {
	if blank(reason) {
		return Answer{}, nil, ErrNoReason
	}
	now, err := t.ReadForm(ctx, p)
	if err != nil {
		return Answer{}, nil, err
	}
	in, form, err := t.Instrument(p.Form)
	if err != nil {
		return Answer{}, nil, err
	}
	after := patched(now.Values, patch)
	if report := in.Check(after); len(report.Problems) > 0 {
		return Answer{}, nil, &Faulty{report.Problems}
	}
	plain, changes, err := encodeCorrection(now.Values, after, reason)
	if err != nil {
		return Answer{}, nil, err
	}
	sealed, err := t.sealFor(ctx, p.Participant, plain, p.bind("correction")...)
	if err != nil {
		return Answer{}, nil, err
	}
	a, err := t.do(&call{
		ctx: ctx, by: by, done: make(chan struct{}),
		proposal: trial.FormCorrected{Participant: p.Participant, Visit: p.Visit, Form: p.Form, Version: form.Version, Sealed: sealed},
		unless: func(s *trial.State) error {
			r, err := s.FormRecord(p.Participant, p.Visit, p.Form)
			switch {
			case err != nil:
				return err
			case len(r.Corrections) != len(now.Corrections):
				return errStale
			case len(changes) == 0:
				return trial.ErrNothingChanged
			}
			return nil
		},
	})
	if err != nil || !a.Receipt.Repeated {
		return a, changes, err
	}
	return t.repeatedCorrection(ctx, p, a, reason)
}

// repeatedCorrection returns the changes of the first correction with this
// request id.
func (t *Trial) repeatedCorrection(ctx context.Context, p Place, a Answer, reason string) (Answer, []instrument.Change, error) {
	e, _ := a.Events[0].(trial.FormCorrected)
	plain, err := t.openFor(ctx, p.Participant, e.Sealed, p.bind("correction")...)
	if err != nil {
		return Answer{}, nil, err
	}
	c, err := parseCorrection(plain, instrument.Values{})
	if err == nil && c.Reason != reason {
		err = ErrReused
	}
	return a, c.Changes, err
}

func patched(values instrument.Values, patch Patch) instrument.Values {
	after := instrument.Values{}
	for item, v := range values {
		after[item] = v
	}
	for item, v := range patch.Set {
		after[item] = v
	}
	for _, item := range patch.Drop {
		delete(after, item)
	}
	return after
}

func encodeCorrection(before, after instrument.Values, reason string) ([]byte, []instrument.Change, error) {
	changes := instrument.Diff(before, after)
	was, is := instrument.Values{}, instrument.Values{}
	for _, c := range changes {
		if c.Old != nil {
			was[c.Item] = c.Old
		}
		if c.New != nil {
			is[c.Item] = c.New
		}
	}
	old, err := was.Encode()
	if err != nil {
		return nil, nil, err
	}
	now, err := is.Encode()
	if err != nil {
		return nil, nil, err
	}
	plain, err := json.Marshal(correction{reason, old, now})
	return plain, changes, err
}
