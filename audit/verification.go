package audit

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/ahead"
	"github.com/lodd-rct/lodd/audit/store"
)

// A verification recomputes a list from its entries.
type verification struct {
	store    store.Store
	list     string
	size     int64
	workers  int // pieces of the list that are read and hashed at once
	progress func(done, total int64)
	head     head
}

// skip adds what full tiles of level 1 cover, as they say, and checks the tiles
// above them.
func (v *verification) skip(ctx context.Context) error {
	for n := range tiles(v.size, 1) {
		tile, err := v.tile(ctx, 1, n)
		if err != nil {
			return err
		}
		for i := range int64(tileWidth) {
			v.head.addTile(tileHash(tile, i), func(level int, index int64, hashes []tlog.Hash) {
				if err == nil && level > 1 {
					err = v.compare(ctx, level, index, hashes)
				}
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pieceTiles is how many tiles of level 0 a worker checks at a time: a megabyte
// or two of entries.
const pieceTiles = 16

// run adds the entries from the size of the head on, and compares the tiles that
// they complete.
func (v *verification) run(ctx context.Context) error {
	from := v.head.tree.size
	const step = pieceTiles * tileWidth
	pieces := (v.size - from + step - 1) / step
	for p := range ahead.Of(pieces, v.workers, func(i int64) piece {
		lo := from + i*step
		return v.read(ctx, lo, min(lo+step, v.size))
	}) {
		if err := v.add(ctx, p); err != nil {
			return err
		}
	}
	if v.progress != nil && v.size == 0 {
		v.progress(0, 0)
	}
	return nil
}

// A piece is some tiles of a list and what comes after the last full one, as far
// as it is good.
type piece struct {
	roots  []tlog.Hash // of full tiles of level 0, which are as they are stored
	leaves []tlog.Hash
	err    error // what is wrong after them
}

// read hashes the entries [lo, hi); lo is where a tile begins.
func (v *verification) read(ctx context.Context, lo, hi int64) (p piece) {
	for ; lo < hi; lo += tileWidth {
		if err := ctx.Err(); err != nil {
			p.err = fmt.Errorf("audit: verify list %s: %w", v.list, err)
			return p
		}
		entries, err := v.store.Read(ctx, v.list, lo, min(lo+tileWidth, hi))
		if err != nil {
			p.err = fmt.Errorf("audit: verify: %w", err)
			return p
		}
		leaves := make([]tlog.Hash, len(entries))
		for i, e := range entries {
			leaves[i] = Leaf(e)
		}
		if len(leaves) < tileWidth {
			p.leaves = leaves
			return p
		}
		if p.err = v.compare(ctx, 0, lo/tileWidth, leaves); p.err != nil {
			return p
		}
		p.roots = append(p.roots, tileRoot(leaves))
	}
	return p
}

// add adds a piece to the head.
func (v *verification) add(ctx context.Context, p piece) (err error) {
	full := func(level int, index int64, hashes []tlog.Hash) {
		if err == nil {
			err = v.compare(ctx, level, index, hashes)
		}
	}
	for _, root := range p.roots {
		v.head.addTile(root, full)
		v.report()
	}
	for _, leaf := range p.leaves {
		v.head.add(leaf, full)
	}
	if len(p.leaves) > 0 {
		v.report()
	}
	if err != nil {
		return err
	}
	return p.err
}

func (v *verification) report() {
	if v.progress != nil {
		v.progress(v.head.tree.size, v.size)
	}
}

// compare compares a full tile with what was computed.
func (v *verification) compare(ctx context.Context, level int, n int64, hashes []tlog.Hash) error {
	stored, err := v.tile(ctx, level, n)
	if err != nil || bytes.Equal(stored, encodeTile(hashes)) {
		return err
	}
	i := int64(0)
	for tileHash(stored, i) == hashes[i] {
		i++
	}
	if level > 0 {
		return damaged(tileList(v.list, level), n, fmt.Sprintf("hash %d isn't that of the tile below", i))
	}
	return damaged(v.list, n*tileWidth+i, fmt.Sprintf("entry doesn't have the hash that tile %d holds", n))
}

// tile returns a full tile as it is stored.
func (v *verification) tile(ctx context.Context, level int, n int64) ([]byte, error) {
	list := tileList(v.list, level)
	have, err := v.store.Len(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("audit: verify: %w", err)
	}
	if n >= have {
		return nil, damaged(list, n, "tile is missing")
	}
	records, err := v.store.Read(ctx, list, n, n+1)
	if err != nil {
		return nil, fmt.Errorf("audit: verify: %w", err)
	}
	if len(records[0]) != tileBytes {
		return nil, damaged(list, n, fmt.Sprintf("tile has %d bytes, want %d", len(records[0]), tileBytes))
	}
	return records[0], nil
}
