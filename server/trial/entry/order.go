package entry

import (
	"iter"

	"github.com/lodd-rct/lodd/server/trial"
)

// A Placed is an entry of a trial and where it stands.
type Placed struct {
	In    trial.Compartment
	Index int64
	Entry
	// Leaf is the leaf hash of the entry as it is stored, if it is one that is
	// signed; only package replay says it.
	Leaf [32]byte
}

// Meta returns what the entry says about itself.
func (p Placed) Meta() trial.Meta {
	return trial.Meta{At: p.At, Actor: p.Actor, Role: trial.Role(p.Role), Request: p.Request, Index: p.Index}
}

// InOrder yields the entries of the compartments of a trial, of which each is
// given in its own order, in the order in which they were decided: entry i of
// conduct comes after whatever was appended elsewhere while conduct had i
// entries. Entries of allocation, outcome and delivery that share that number and
// a millisecond may change places; none of them looks at another list than
// conduct. A compartment that isn't given is empty. After an error it ends.
func InOrder(given map[trial.Compartment]iter.Seq2[Placed, error]) iter.Seq2[Placed, error] {
	return func(yield func(Placed, error) bool) {
		var cursors []*cursor
		for _, c := range trial.Compartments() {
			if entries := given[c]; entries != nil {
				next, stop := iter.Pull2(entries)
				defer stop()
				cursors = append(cursors, &cursor{in: c, next: next})
			}
		}
		for {
			first, err := earliest(cursors)
			if err != nil {
				yield(Placed{}, err)
				return
			}
			if first == nil {
				return
			}
			first.full = false
			if !yield(first.head, nil) {
				return
			}
		}
	}
}

// earliest returns the cursor at the entry that was decided first, or nil if
// there is none left.
func earliest(cursors []*cursor) (first *cursor, err error) {
	for _, c := range cursors {
		if err := c.fill(); err != nil {
			return nil, err
		}
		if c.full && (first == nil || c.before(first)) {
			first = c
		}
	}
	return first, nil
}

// A cursor walks one compartment.
type cursor struct {
	in   trial.Compartment
	next func() (Placed, error, bool)
	head Placed
	full bool // whether head is one that wasn't yielded yet
}

func (c *cursor) fill() error {
	if c.full {
		return nil
	}
	var err error
	c.head, err, c.full = c.next()
	c.full = c.full && err == nil
	return err
}

// place returns how many entries of conduct come before the head.
func (c *cursor) place() int64 {
	if c.in == trial.Conduct {
		return c.head.Index
	}
	return c.head.ConductSize
}

// before reports whether c's entry was decided before that of o: entries
// elsewhere that saw n conduct entries come after entry n-1 and before entry n
// of conduct, in the order of time. At one time an entry of allocation comes
// first: most follow from the conduct entry before them.
func (c *cursor) before(o *cursor) bool {
	switch {
	case c.place() != o.place():
		return c.place() < o.place()
	case c.in == trial.Conduct || o.in == trial.Conduct:
		return o.in == trial.Conduct
	case !c.head.At.Equal(o.head.At):
		return c.head.At.Before(o.head.At)
	default:
		return c.in == trial.Allocation
	}
}
