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
	batches := map[trial.Compartment]iter.Seq2[[]Placed, error]{}
	for c, entries := range given {
		batches[c] = oneByOne(entries)
	}
	return func(yield func(Placed, error) bool) {
		for p, err := range Merge(batches) {
			if err != nil {
				yield(Placed{}, err)
				return
			}
			if !yield(*p, nil) {
				return
			}
		}
	}
}

func oneByOne(entries iter.Seq2[Placed, error]) iter.Seq2[[]Placed, error] {
	return func(yield func([]Placed, error) bool) {
		var one [1]Placed
		for p, err := range entries {
			if one[0] = p; !yield(one[:], err) {
				return
			}
		}
	}
}

// Merge is [InOrder] for entries that come in batches, several times as fast. A
// batch may be used again once the next one is asked for, and so an entry that is
// yielded is valid until the next. Merge says in it which compartment it is of.
func Merge(given map[trial.Compartment]iter.Seq2[[]Placed, error]) iter.Seq2[*Placed, error] {
	return func(yield func(*Placed, error) bool) {
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
				yield(nil, err)
				return
			}
			if first == nil || !yield(first.take(), nil) {
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
		if c.head != nil && (first == nil || c.before(first)) {
			first = c
		}
	}
	return first, nil
}

// A cursor walks one compartment.
type cursor struct {
	in   trial.Compartment
	next func() ([]Placed, error, bool)
	rest []Placed
	head *Placed // the first that wasn't taken yet; nil if there is none
}

// fill makes sure that there is a head, unless there are no more entries.
func (c *cursor) fill() error {
	for c.head == nil {
		if len(c.rest) == 0 {
			batch, err, ok := c.next()
			if err != nil || !ok {
				return err
			}
			c.rest = batch
			continue
		}
		c.head, c.rest = &c.rest[0], c.rest[1:]
		c.head.In = c.in
	}
	return nil
}

func (c *cursor) take() *Placed {
	head := c.head
	c.head = nil
	return head
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
