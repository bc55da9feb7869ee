package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/store"
)

// A staging is a batch of appends on top of what is durable. Only the
// committer uses it.
type staging struct {
	log   *Log
	lists map[string]*staged
	order []*staged // as the lists first occurred
}

// staged is what a batch adds to one list.
type staged struct {
	list    string
	at      int64 // durable length
	head    head  // with the batch
	root    tlog.Hash
	records [][]byte
	tiles   [][][]byte // full tiles of each level
}

// stage adds a call to the batch, or leaves the batch as it is if a list
// hasn't the length that the call expects.
func (s *staging) stage(c *call) error {
	added := map[string]int64{}
	for _, p := range c.parts {
		if n := s.list(p.List).head.tree.Size() + added[p.List]; p.At != n {
			return fmt.Errorf("audit: append to list %s at %d, its length is %d: %w", p.List, p.At, n, store.ErrConflict)
		}
		added[p.List] += int64(len(p.Entries))
	}
	for i, p := range c.parts {
		l := s.list(p.List)
		l.records = append(l.records, p.Entries...)
		for _, leaf := range c.leaves[i] {
			l.head.add(leaf, l.full)
		}
	}
	return nil
}

// full adds a tile that is full.
func (l *staged) full(level int, _ int64, hashes []tlog.Hash) {
	for len(l.tiles) <= level {
		l.tiles = append(l.tiles, nil)
	}
	l.tiles[level] = append(l.tiles[level], encodeTile(hashes))
}

func (s *staging) list(name string) *staged {
	l, ok := s.lists[name]
	if !ok {
		h := s.log.durable(name)
		l = &staged{list: name, at: h.tree.Size(), head: h.clone()}
		s.lists[name] = l
		s.order = append(s.order, l)
	}
	return l
}

// durable returns the head of a list even if the log has failed or is closing.
func (l *Log) durable(list string) head {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.heads[list]
}

// parts returns what the batch writes to the store.
func (s *staging) parts() []store.Part {
	var parts []store.Part
	for _, l := range s.order {
		if len(l.records) == 0 {
			continue
		}
		parts = append(parts, store.Part{List: l.list, At: l.at, Records: l.records})
		for level, records := range l.tiles {
			if len(records) > 0 {
				parts = append(parts, store.Part{List: tileList(l.list, level), At: tiles(l.at, level), Records: records})
			}
		}
	}
	return parts
}

// publish shows the batch to readers.
func (s *staging) publish() {
	for _, l := range s.order {
		l.root = l.head.tree.Root()
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for _, l := range s.order {
		if len(l.records) > 0 {
			s.log.heads[l.list] = l.head
		}
	}
	close(s.log.grown)
	s.log.grown = make(chan struct{})
}

// complete gives a call of a published batch its receipts.
func (s *staging) complete(c *call) {
	c.receipts = make([]Receipt, 0, c.entries)
	for i, p := range c.parts {
		l := s.lists[p.List]
		for j, leaf := range c.leaves[i] {
			c.receipts = append(c.receipts, Receipt{
				List: p.List, Index: p.At + int64(j), Leaf: leaf,
				Size: l.head.tree.Size(), Root: l.root,
			})
		}
	}
}
