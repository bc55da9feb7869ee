package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/store"
)

// Verify reads a list again from its first entry to the last that was durable
// when it was called, and compares the entries with the tiles and with the
// root that the log holds. It calls progress, if that isn't nil, after every
// 256 entries and at the end. It takes one core about a second for a million
// entries; other calls go on meanwhile.
//
// The error wraps a *[store.DamageError] that names the first bad entry.
func (l *Log) Verify(ctx context.Context, list string, progress func(done, total int64)) error {
	h, err := l.head(list)
	if err != nil {
		return err
	}
	v := verification{store: l.config.Store, list: list, size: h.tree.Size(), workers: 1, progress: progress}
	if err := v.run(ctx); err != nil {
		return err
	}
	if v.head.tree.Root() != h.tree.Root() {
		return damaged(list, v.size/tileWidth*tileWidth, "entries from here on don't give the root that was signed")
	}
	return nil
}

// Check verifies every list, one after another, and returns how many entries it
// read. If one of them is damaged the log serves nothing more from then on, and
// every call fails with the same error: see [Log.Failed]. Whoever runs a log does
// this once a day, and at once if there are [Log.Unchecked] entries.
func (l *Log) Check(ctx context.Context) (entries int64, err error) {
	for _, list := range l.Lists("") {
		err := l.Verify(ctx, list, func(done, total int64) {
			if done == total {
				entries += total
			}
		})
		if _, bad := errors.AsType[*store.DamageError](err); bad {
			return entries, l.stop(err)
		}
		if err != nil {
			return entries, err
		}
	}
	return entries, nil
}

// Unchecked returns how many entries [Open] has taken on trust: it only checked
// the tiles above them. It is 0 unless the store is larger than
// [Config.FullCheck].
func (l *Log) Unchecked() int64 { return l.unchecked }

// A Head is how long a list is, and the root of its tree.
type Head struct {
	List string
	Size int64
	Root tlog.Hash
}

// Inspect checks all entries and tiles of a store, on all cores and without any
// key, and returns the heads of the lists that it found as they were written,
// sorted. It changes nothing.
//
// The error wraps a *[store.DamageError] that names the first bad entry.
func Inspect(ctx context.Context, s store.Store) ([]Head, error) {
	l := &Log{config: Config{Store: s, FullCheck: math.MaxInt64}, heads: map[string]head{}}
	err := l.load(ctx)
	var good []Head
	for _, list := range l.Lists("") {
		size, root := l.Root(list)
		good = append(good, Head{list, size, root})
	}
	return good, err
}

// load builds the heads of all lists. It checks all entries if there are no more
// than FullCheck, and else of each list those that no tile of level 1 covers.
func (l *Log) load(ctx context.Context) error {
	names, err := l.config.Store.Lists(ctx, "")
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	sizes := map[string]int64{}
	total := int64(0)
	for _, name := range names {
		if sizes[name], err = l.config.Store.Len(ctx, name); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if !strings.Contains(name, "#") {
			total += sizes[name]
		}
	}
	for _, name := range names {
		if strings.Contains(name, "#") {
			continue
		}
		v := verification{store: l.config.Store, list: name, size: sizes[name], workers: runtime.GOMAXPROCS(0)}
		if total > cmp.Or(l.config.FullCheck, defaultFullCheck) {
			if err := v.skip(ctx); err != nil {
				return err
			}
			l.unchecked += v.head.tree.size
		}
		if err := v.run(ctx); err != nil {
			return err
		}
		l.heads[name] = v.head
	}
	return l.checkTileLists(sizes)
}

// checkTileLists finds tiles whose entries are gone.
func (l *Log) checkTileLists(sizes map[string]int64) error {
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		list, rest, ok := strings.Cut(name, "#tile/")
		if !ok {
			continue
		}
		var level int
		if _, err := fmt.Sscanf(rest, "%d", &level); err != nil || level < 0 || tileList(list, level) != name {
			return damaged(name, 0, "no list has tiles of this name")
		}
		h := l.heads[list]
		if size := h.tree.Size(); sizes[name] > tiles(size, level) {
			return damaged(list, size, fmt.Sprintf("entry is missing: level %d has %d tiles", level, sizes[name]))
		}
	}
	return nil
}
