package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// Create begins a trial. The same protocol under the same id again gives the
// same answer; another one fails with [trial.ErrExists].
func (l *Ledger) Create(ctx context.Context, by Caller, p trial.Protocol) (Receipt, error) {
	l.creating.Lock() // and not mu, which every other call needs
	defer l.creating.Unlock()
	t, closed := l.find(p.ID)
	switch {
	case closed:
		return Receipt{}, fmt.Errorf("%w: the server is stopping", ErrBusy)
	case t != nil:
		return t.created(ctx, p)
	}
	t = newTrial(l.config, l.journal, p.ID)
	at, _ := l.journal.clock.stamp() // a step back is noted by the trial's next entry
	b := &appending{at: at, parts: map[trial.Compartment]*audit.Part{}}
	forms := p.Forms
	p.Forms = nil
	events := []trial.Event{trial.Created{Protocol: p, Forms: len(forms)}}
	for _, f := range forms {
		events = append(events, trial.FormDefined{Form: f})
	}
	for _, e := range events {
		if err := l.journal.fits(by, e); err != nil {
			return Receipt{}, err
		}
		if err := t.add(ctx, b, by, e); err != nil {
			return Receipt{}, err
		}
	}
	if b.bytes > audit.MaxBytes {
		return Receipt{}, &trial.Invalid{Field: "protocol", Problem: fmt.Sprintf("has %d bytes with its forms, at most %d are stored", b.bytes, audit.MaxBytes)}
	}
	if err := t.append(ctx, b); err != nil {
		return Receipt{}, outcome(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start(t)
	r := b.receipts[trial.Conduct][0]
	return Receipt{List: r.List, Index: r.Index, Leaf: r.Leaf, At: b.at}, nil
}

// find returns a trial, or nil, and whether the ledger is closed.
func (l *Ledger) find(id trial.ID) (t *Trial, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trials[id], l.closed
}

// created returns the receipt of the trial's first entry if the trial was made
// of p.
func (t *Trial) created(ctx context.Context, p trial.Protocol) (Receipt, error) {
	same := false
	if err := t.View(func(s *trial.State) error {
		was, errA := canonical(*s.Protocol())
		is, errB := canonical(p)
		same = errA == nil && errB == nil && bytes.Equal(was, is)
		return nil
	}); err != nil {
		return Receipt{}, err
	}
	if !same {
		return Receipt{}, fmt.Errorf("trial %s: %w", p.ID, trial.ErrExists)
	}
	r, _, err := t.receipt(ctx, place{trial.Conduct, 0})
	r.Repeated = true
	return r, err
}

// canonical returns bytes that two protocols have in common only if their
// entries are the same.
func canonical(p trial.Protocol) ([]byte, error) {
	forms := p.Forms
	p.Forms = nil
	out, err := entry.Marshal(entry.Entry{Event: trial.Created{Protocol: p, Forms: len(forms)}})
	for _, f := range forms {
		b, errF := entry.Marshal(entry.Entry{Event: trial.FormDefined{Form: f}})
		out, err = append(out, b...), errors.Join(err, errF)
	}
	return out, err
}
