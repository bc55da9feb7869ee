package audit

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Verify reads a list again from its first entry to the last that was durable
// when it was called, and compares the entries with the tiles and with the
// root that the log holds. It calls progress, if that isn't nil, after every
// 256 entries and at the end. It takes about a second for a million entries;
// other calls go on meanwhile.
//
// The error wraps a *[store.DamageError] that names the first bad entry.
func (l *Log) Verify(ctx context.Context, list string, progress func(done, total int64)) error {
	h, err := l.head(list)
	if err != nil {
		return err
	}
	v := verification{log: l, list: list, size: h.tree.Size(), progress: progress}
	if err := v.run(ctx); err != nil {
		return err
	}
	if v.head.tree.Root() != h.tree.Root() {
		return damaged(list, v.size/tileWidth*tileWidth, "entries from here on don't give the root that was signed")
	}
	return nil
}

// load verifies all lists of the store and builds their heads.
func (l *Log) load(ctx context.Context) error {
	names, err := l.config.Store.Lists(ctx, "")
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	for _, name := range names {
		if strings.Contains(name, "#") {
			continue
		}
		n, err := l.config.Store.Len(ctx, name)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		v := verification{log: l, list: name, size: n}
		if err := v.run(ctx); err != nil {
			return err
		}
		l.heads[name] = v.head
	}
	return l.checkTileLists(ctx, names)
}

// checkTileLists finds tiles whose entries are gone.
func (l *Log) checkTileLists(ctx context.Context, names []string) error {
	for _, name := range names {
		list, rest, ok := strings.Cut(name, "#tile/")
		if !ok {
			continue
		}
		n, err := l.config.Store.Len(ctx, name)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		var level int
		if _, err := fmt.Sscanf(rest, "%d", &level); err != nil || level < 0 || tileList(list, level) != name {
			return damaged(name, 0, "no list has tiles of this name")
		}
		h := l.heads[list]
		if size := h.tree.Size(); n > tiles(size, level) {
			return damaged(list, size, fmt.Sprintf("entry is missing: level %d has %d tiles", level, n))
		}
	}
	return nil
}

// A verification recomputes a list from its entries.
type verification struct {
	log      *Log
	list     string
	size     int64
	progress func(done, total int64)
	head     head
}

func (v *verification) run(ctx context.Context) error {
	for lo := int64(0); lo < v.size; lo += tileWidth {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("audit: verify list %s: %w", v.list, err)
		}
		if err := v.chunk(ctx, lo, min(lo+tileWidth, v.size)); err != nil {
			return err
		}
	}
	if v.progress != nil && v.size == 0 {
		v.progress(0, 0)
	}
	return nil
}

// chunk verifies the entries of one tile of level 0, and the tiles of other
// levels that they complete.
func (v *verification) chunk(ctx context.Context, lo, hi int64) error {
	entries, err := v.log.config.Store.Read(ctx, v.list, lo, hi)
	if err != nil {
		return fmt.Errorf("audit: verify: %w", err)
	}
	for _, e := range entries {
		v.head.add(Leaf(e), func(level int, hashes []tlog.Hash) {
			if err == nil {
				err = v.tile(ctx, level, hashes)
			}
		})
	}
	if err == nil && v.progress != nil {
		v.progress(hi, v.size)
	}
	return err
}

// tile compares the last full tile of a level with what was computed.
func (v *verification) tile(ctx context.Context, level int, hashes []tlog.Hash) error {
	list, n := tileList(v.list, level), tiles(v.head.tree.Size()+1, level)-1
	have, err := v.log.config.Store.Len(ctx, list)
	if err != nil {
		return fmt.Errorf("audit: verify: %w", err)
	}
	if n >= have {
		return damaged(list, n, "tile is missing")
	}
	records, err := v.log.config.Store.Read(ctx, list, n, n+1)
	if err != nil {
		return fmt.Errorf("audit: verify: %w", err)
	}
	stored, computed := records[0], encodeTile(hashes)
	switch {
	case len(stored) != tileBytes:
		return damaged(list, n, fmt.Sprintf("tile has %d bytes, want %d", len(stored), tileBytes))
	case bytes.Equal(stored, computed):
		return nil
	}
	i := int64(0)
	for tileHash(stored, i) == hashes[i] {
		i++
	}
	if level > 0 {
		return damaged(list, n, fmt.Sprintf("hash %d isn't that of the tile below", i))
	}
	return damaged(v.list, n*tileWidth+i, fmt.Sprintf("entry doesn't have the hash that tile %d holds", n))
}
