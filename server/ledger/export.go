package ledger

import (
	"context"
	"fmt"

	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/trial"
)

// AtLock returns what a blinded reader may get of the trial as it was at lock
// n, without the participants who have withdrawn from the data by now. It holds
// no arm: sealed allocations are counted, not opened.
//
// It fails with [trial.ErrNotFound] if there is no such lock.
func (t *Trial) AtLock(ctx context.Context, n int) (export.Source, error) {
	var lock trial.Lock
	err := t.View(func(s *trial.State) error {
		var err error
		lock, err = s.Lock(n)
		return err
	})
	if err != nil {
		return export.Source{}, err
	}
	at, err := t.foldTo(ctx, lock)
	if err != nil {
		return export.Source{}, err
	}
	src := export.Source{
		Trial: t.id, Lock: lock, Visits: at.Protocol().Visits,
		Key:         t.config.Vault.Subkey("export/" + string(t.id) + "/" + string(export.Pooled)),
		Participant: at.participant, Record: at.record,
		Answers: func(ctx context.Context, id trial.ParticipantID, r trial.FormRecord) (export.Answers, error) {
			return t.answersAt(ctx, at, id, r)
		},
	}
	if src.Erased, err = t.forget(at); err != nil {
		return export.Source{}, err
	}
	for p := range at.Participants() {
		if p.Randomized() && p.WithdrewData.IsZero() {
			src.Participants = append(src.Participants, p.ID)
		}
	}
	src.Flow, src.Mistakes, src.Signatures = at.Flow(), at.mistakes, at.signatures
	for _, f := range at.Protocol().Forms {
		in, _, err := t.Instrument(f.ID)
		if err != nil {
			return export.Source{}, err
		}
		src.Forms = append(src.Forms, export.Form{ID: f.ID, Version: f.Version, Instrument: in})
	}
	src.Heads, err = t.headsAt(ctx, lock)
	return src, err
}

// A past is the state of a trial at a lock, folded for one export.
type past struct {
	*trial.State
	missed   map[trial.ParticipantID]map[trial.VisitID]trial.Code // why a visit was missed
	mistakes map[trial.ParticipantID][]export.Mistake
}

// foldTo folds the trial up to a lock. Allocations, and who reported an adverse
// event for a treatment team, are in compartments that a lock doesn't name; those
// that belong to it are the ones that were decided before it. They are applied as
// they stand, sealed: without them the state could not check that every
// randomization and every such event has one.
func (t *Trial) foldTo(ctx context.Context, lock trial.Lock) (past, error) {
	at := past{&trial.State{}, map[trial.ParticipantID]map[trial.VisitID]trial.Code{}, map[trial.ParticipantID][]export.Mistake{}}
	to := Position{
		trial.Conduct: lock.Conduct, trial.Outcome: lock.Outcome,
		trial.Allocation: t.config.Log.Len(t.List(trial.Allocation)),
		trial.Delivery:   t.config.Log.Len(t.List(trial.Delivery)),
	}
	for l, err := range t.Replay(ctx, to) {
		if err != nil {
			return past{}, err
		}
		if (l.In == trial.Allocation || l.In == trial.Delivery) && l.ConductSize > lock.Conduct {
			break // everything before the lock has been yielded
		}
		e, ok := l.Event.(trial.Event)
		if !ok {
			return past{}, fmt.Errorf("ledger: trial %s: entry %d of %s is a %T", t.id, l.Index, l.In, l.Event)
		}
		at.noteMistake(l.At, e)
		if err := at.Apply(l.Meta(), e); err != nil {
			return past{}, fmt.Errorf("ledger: trial %s: %w", t.id, err)
		}
		if e, ok := e.(trial.VisitMissed); ok {
			if at.missed[e.Participant] == nil {
				at.missed[e.Participant] = map[trial.VisitID]trial.Code{}
			}
			at.missed[e.Participant][e.Visit] = e.Reason
		}
	}
	return at, nil
}

// forget marks those who withdrew from the data after the lock as gone before it,
// so that no table and no sum counts them, and returns them. The past is
// ours alone, so changing it changes nothing else.
func (t *Trial) forget(at past) ([]trial.ParticipantID, error) {
	var erased []trial.ParticipantID
	err := t.View(func(s *trial.State) error {
		for p := range at.Participants() {
			now, ok := s.Participant(p.ID)
			if !ok {
				return fmt.Errorf("ledger: trial %s: participant of a lock: %w", t.id, trial.ErrNotFound)
			}
			if p.Randomized() && p.WithdrewData.IsZero() && !now.WithdrewData.IsZero() {
				p.WithdrewData = now.WithdrewData
				erased = append(erased, p.ID)
			}
		}
		return nil
	})
	return erased, err
}

func (at past) participant(id trial.ParticipantID) export.Participant {
	p, ok := at.Participant(id)
	if !ok {
		return export.Participant{}
	}
	out := export.Participant{
		Site: p.Site, Screened: p.ScreenedOn, Randomized: at.RandomizedOn(p),
		Stopped: p.Stopped, Withdrew: p.Withdrew, Died: p.Died, Error: p.Error,
	}
	for _, f := range at.FollowUps(p) {
		out.FollowUps = append(out.FollowUps, export.FollowUp{FollowUp: f, Missed: at.missed[id][f.Visit]})
	}
	return out
}

func (at past) signatures(id trial.ParticipantID, v trial.VisitID, f trial.FormID) (out []export.Signature) {
	for _, s := range at.Signatures(id, v, f) {
		out = append(out, export.Signature{Meaning: s.Meaning, On: at.Today(s.At), Void: s.Void})
	}
	return out
}

func (at past) record(id trial.ParticipantID, v trial.VisitID, f trial.FormID) (trial.FormRecord, bool) {
	r, err := at.FormRecord(id, v, f)
	return r, err == nil
}

// answersAt opens the answers that a record of the past names. Corrections
// that came later are no part of the record, and texts that were held at the
// lock none of the answers: a release is of use to the next lock.
func (t *Trial) answersAt(ctx context.Context, at past, id trial.ParticipantID, r trial.FormRecord) (export.Answers, error) {
	all, err := t.readRecord(ctx, id, r)
	if err != nil {
		return export.Answers{}, err
	}
	p, ok := at.Participant(id)
	if !ok {
		return export.Answers{}, fmt.Errorf("participant %s: %w", id, trial.ErrNotFound)
	}
	got := all.without(unreleased(at.State, Place{id, r.Visit, r.Form}), "")
	out := export.Answers{Values: got.Values, Timing: trial.Code(at.Timing(p, r.Visit, r.On))}
	for _, c := range got.Corrections {
		for _, change := range c.Changes {
			out.Changes = append(out.Changes, export.Change{On: at.Today(c.At), Change: change})
		}
	}
	return out, nil
}

// headsAt returns what the exported compartments held at the lock.
func (t *Trial) headsAt(ctx context.Context, lock trial.Lock) ([]export.Head, error) {
	var heads []export.Head
	for _, c := range []struct {
		in   trial.Compartment
		size int64
	}{{trial.Conduct, lock.Conduct}, {trial.Outcome, lock.Outcome}} {
		h, err := t.head(ctx, c.in, c.size)
		if err != nil {
			return nil, fmt.Errorf("ledger: lock %d of %s: %w", lock.Number, t.id, err)
		}
		heads = append(heads, h)
	}
	return heads, nil
}
