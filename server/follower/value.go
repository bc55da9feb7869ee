package follower

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// value takes one value of the map.
func (s *session) value(ctx context.Context, p *loddv1.ValueChange) error {
	key := p.GetKey()
	if s.sent != nil && p.Value != nil {
		s.sent[key] = true
	}
	have, err := s.store.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound) && p.Value == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return s.store.Put(ctx, key, p.GetValue())
	case err != nil:
		return err
	case p.Value != nil && bytes.Equal(have, p.GetValue()):
		return nil
	}
	if err := s.mayLose(ctx, key, have); err != nil {
		return err
	}
	if p.Value == nil {
		return s.store.Delete(ctx, key)
	}
	return s.store.Put(ctx, key, p.GetValue())
}

// valuesEnd looks for the first piece that isn't a value. All values that the
// server has came before it; what didn't come is gone there. Keys stay: one that
// was destroyed comes as such, after the entry that says so.
func (s *session) valuesEnd(ctx context.Context, piece *loddv1.FollowResponse) error {
	if s.sent == nil || piece.GetValue() != nil {
		return nil
	}
	keys, err := s.store.Keys(ctx, "")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if s.sent[key] || strings.HasPrefix(key, "key/") {
			continue
		}
		if err := s.store.Delete(ctx, key); err != nil {
			return err
		}
	}
	s.sent = nil
	return nil
}

// A WipeError tells that a server wanted to destroy a key in the copy, and has no
// entry that says so. The key stays.
type WipeError struct {
	// List is the list whose entries the key opens, "" if it is no participant's.
	List string

	// Problem says what was found. It names no participant.
	Problem string

	kept []byte // the value that stays
}

// Error implements error. It names no key: ids hold a participant's pseudonym.
func (w *WipeError) Error() string { return "the server wants a key destroyed here: " + w.Problem }

// mayLose returns a [*WipeError] unless a value may be replaced or taken away. A
// wrapped key never changes but once: it is destroyed, after the entry that
// erases the participant. Whatever else is in the map changes as the server
// likes. The key of whom no entry names opens nothing: a refused screening
// leaves such a one, and a restore doesn't bring it back.
func (s *session) mayLose(ctx context.Context, key string, have []byte) error {
	id, ok := strings.CutPrefix(key, "key/")
	if !ok {
		return nil
	}
	name, participant, ok := strings.Cut(id, "/participant/")
	if !ok || s.replica == nil {
		return &WipeError{Problem: "it is none of a participant, and these are never destroyed", kept: have}
	}
	c, err := s.conduct(ctx, name+"/"+string(trial.Conduct))
	if err != nil {
		return err
	}
	at, named := c.named[trial.ParticipantID(participant)]
	if !named || c.erased[trial.ParticipantID(participant)] {
		return nil
	}
	return &WipeError{
		List:    c.list,
		Problem: fmt.Sprintf("that of the participant in entry %d of %s, and none of the %d entries here erases them", at, c.list, c.size),
		kept:    have,
	}
}

// entriesAtOnce is how many entries are read at a time.
const entriesAtOnce = 512

// A conduct is what the copy's entries say about the participants of a trial.
type conduct struct {
	list   string
	size   int64                         // entries that were read
	named  map[trial.ParticipantID]int64 // by the entry with this index, the first
	erased map[trial.ParticipantID]bool
}

// conduct returns what the copy holds of a trial's conduct.
func (f *follower) conduct(ctx context.Context, list string) (*conduct, error) {
	c := f.conducts[list]
	if c == nil {
		c = &conduct{list: list, named: map[trial.ParticipantID]int64{}, erased: map[trial.ParticipantID]bool{}}
		if f.conducts == nil {
			f.conducts = map[string]*conduct{}
		}
		f.conducts[list] = c
	}
	for n := f.replica.Len(list); c.size < n; {
		entries, err := f.replica.Read(ctx, list, c.size, min(c.size+entriesAtOnce, n))
		if err != nil {
			return nil, err
		}
		for _, b := range entries {
			e, err := entry.Unmarshal(b)
			if err != nil {
				return nil, fmt.Errorf("entry %d of %s: %w", c.size, list, err)
			}
			c.add(e.Event)
		}
	}
	return c, nil
}

func (c *conduct) add(event any) {
	var p trial.ParticipantID
	switch e := event.(type) {
	case trial.Screened:
		p = e.Participant
	case trial.Excluded:
		p = e.Participant
	case trial.Erased:
		p = e.Participant
		c.erased[p] = true
	}
	if _, known := c.named[p]; p != "" && !known {
		c.named[p] = c.size
	}
	c.size++
}
