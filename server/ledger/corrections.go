package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// A Correction is one correction of a form.
type Correction struct {
	At      time.Time
	By      string
	Reason  string
	Changes []instrument.Change
}

// A correction as it is sealed: the changed items before and after.
type correction struct {
	Reason string          `json:"reason"`
	Old    json.RawMessage `json:"old"`
	New    json.RawMessage `json:"new"`
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
		return Answer{}, nil, &trial.Invalid{Field: "reason", Problem: "a correction needs a reason"}
	}
	if err := t.CheckWording("reason", reason); err != nil {
		return Answer{}, nil, err
	}
	c := &call{ctx: ctx, by: by, done: make(chan struct{})}
	changes, err := t.prepare(ctx, c, p, patch, reason)
	if err != nil {
		return Answer{}, nil, err
	}
	a, err := t.do(c)
	if err != nil || !a.Receipt.Repeated {
		return a, changes, err
	}
	return t.repeatedCorrection(ctx, by, p, a, patch, reason)
}

// prepare fills in the command of a correction. If the request id was used
// before, what matters is the form as it was then, and nothing is prepared.
func (t *Trial) prepare(ctx context.Context, c *call, p Place, patch Patch, reason string) ([]instrument.Change, error) {
	in, form, err := t.Instrument(p.Form)
	if err != nil {
		return nil, err
	}
	e := trial.FormCorrected{Participant: p.Participant, Visit: p.Visit, Form: p.Form, Version: form.Version}
	c.proposal, c.unless = e, stale
	if seen, err := t.seen(c.by.Request); err != nil || seen {
		return nil, err
	}
	now, texts, err := t.readForm(ctx, p)
	if err != nil {
		return nil, err
	}
	after := patched(now.values, patch)
	plain, changes, err := encodeCorrection(now.values, after, reason)
	if err != nil {
		return nil, err
	}
	found, err := t.checkTexts(in, changed(changes))
	if err != nil {
		return nil, err
	}
	if problems := append(in.Check(after).Problems, found.problems...); len(problems) > 0 {
		return nil, &Faulty{problems}
	}
	e.Held = found.held
	if e.Sealed, err = t.sealFor(ctx, p.Participant, plain, p.bind("correction")...); err != nil {
		return nil, err
	}
	c.proposal = e
	c.unless = func(s *trial.State) error {
		r, err := s.FormRecord(p.Participant, p.Visit, p.Form)
		switch {
		case err != nil:
			return err
		case len(r.Corrections) != len(now.corrections):
			return errStale
		case len(changes) == 0:
			return trial.ErrNothingChanged
		}
		return nil
	}
	return now.hide(changes, texts, c.by.Actor), nil
}

// changed returns the new values: of the others somebody has taken care before.
func changed(changes []instrument.Change) instrument.Values {
	values := instrument.Values{}
	for _, c := range changes {
		if c.New != nil {
			values[c.Item] = c.New
		}
	}
	return values
}

// stale is for a command that must only be a repetition: an append that failed
// may have made the trial forget the request meanwhile.
func stale(*trial.State) error { return errStale }

// CarriedOut reports whether a request id was used by an account for something
// that is durable: a repeat of that request changes nothing.
func (t *Trial) CarriedOut(ctx context.Context, by string, id trial.RequestID) (bool, error) {
	var at place
	used := false
	if err := t.View(func(*trial.State) error {
		var p packed
		p, used = t.requests[id]
		at = p.place()
		return nil
	}); err != nil || !used {
		return false, err
	}
	_, e, err := t.receipt(ctx, at)
	return err == nil && e.Actor == by, err
}

// seen reports whether a request id was used before.
func (t *Trial) seen(id trial.RequestID) (bool, error) {
	used := false
	err := t.View(func(*trial.State) error {
		_, used = t.requests[id]
		return nil
	})
	return used && id != (trial.RequestID{}), err
}

// repeatedCorrection returns the changes of the first correction with this
// request id, if it was made of the same patch and reason.
func (t *Trial) repeatedCorrection(ctx context.Context, by Caller, p Place, a Answer, patch Patch, reason string) (Answer, []instrument.Change, error) {
	var r trial.FormRecord
	var texts map[held]bool
	err := t.View(func(s *trial.State) error {
		var err error
		r, err = s.FormRecord(p.Participant, p.Visit, p.Form)
		texts = unreleased(s, p)
		return err
	})
	if err != nil {
		return Answer{}, nil, err
	}
	first := slices.Index(r.Corrections, a.Receipt.Index)
	r.Corrections = r.Corrections[:max(first, 0)]
	before, err := t.readRecord(ctx, p.Participant, r)
	if err != nil {
		return Answer{}, nil, err
	}
	plain, changes, err := encodeCorrection(before.values, patched(before.values, patch), reason)
	if err != nil {
		return Answer{}, nil, err
	}
	e, _ := a.Events[0].(trial.FormCorrected)
	return a, before.hide(changes, texts, by.Actor), t.samePlain(ctx, p.Participant, plain, e.Sealed, p.bind("correction")...)
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
