package ledger

import (
	"context"
	"iter"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// list returns the name of a trial's compartment in the log.
func list(id trial.ID, c trial.Compartment) string { return string(id) + "/" + string(c) }

// A Position is how much of each compartment is read; a compartment that isn't
// in it isn't read at all.
type Position map[trial.Compartment]int64

// A Logged is an entry of a trial and where it stands.
type Logged struct {
	In    trial.Compartment
	Index int64
	entry.Entry
}

// Meta returns what the entry says about itself.
func (l Logged) Meta() trial.Meta {
	return trial.Meta{At: l.At, Actor: l.Actor, Role: trial.Role(l.Role), Request: l.Request, Index: l.Index}
}

// Replay yields the trial's entries up to a position, in the order in which they
// were decided: entry i of conduct comes after whatever was appended elsewhere
// while conduct had i entries. Entries of outcome and delivery that share that
// number and a millisecond may change places; none of them looks at the other.
// After an error it ends.
func (t *Trial) Replay(ctx context.Context, to Position) iter.Seq2[Logged, error] {
	return func(yield func(Logged, error) bool) {
		var cursors []*cursor
		for _, c := range trial.Compartments() {
			next, stop := iter.Pull2(t.journal.entries(ctx, list(t.id, c), to[c]))
			defer stop()
			cursors = append(cursors, &cursor{in: c, next: next})
		}
		for {
			var first *cursor
			for _, c := range cursors {
				if err := c.fill(); err != nil {
					yield(Logged{}, err)
					return
				}
				if c.head != nil && (first == nil || c.before(first)) {
					first = c
				}
			}
			if first == nil {
				return
			}
			l := *first.head
			first.head = nil
			if !yield(l, nil) {
				return
			}
		}
	}
}

// A cursor walks one compartment.
type cursor struct {
	in   trial.Compartment
	next func() (int64, record, bool)
	head *Logged // nil if it isn't read yet, or if there is no more
}

func (c *cursor) fill() error {
	if c.head != nil {
		return nil
	}
	index, r, ok := c.next()
	if !ok {
		return nil
	}
	if r.err != nil {
		return r.err
	}
	e := r.entry
	if c.in == trial.Conduct {
		e.ConductSize = index // its own place in the order
	}
	c.head = &Logged{c.in, index, e}
	return nil
}

// before reports whether c's entry was decided before that of o: entries
// elsewhere that saw n conduct entries come after entry n-1 and before entry n
// of conduct. An entry of allocation comes right after the conduct entry that it
// follows from, those of outcome and delivery in the order of time.
func (c *cursor) before(o *cursor) bool {
	switch {
	case c.head.ConductSize != o.head.ConductSize:
		return c.head.ConductSize < o.head.ConductSize
	case c.in == trial.Conduct || o.in == trial.Conduct:
		return o.in == trial.Conduct
	case c.in == trial.Allocation || o.in == trial.Allocation:
		return c.in == trial.Allocation
	default:
		return c.head.At.Before(o.head.At)
	}
}
