package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// key returns the name of the value of a list.
func key(list string) string { return "outbox/" + list }

// keepAfter is how many entries are read before a cursor moves that no notice
// moves: to write it after each entry would cost as much as the entry.
const keepAfter = 1024

// begin takes all that the log holds to be known if there is no cursor yet. That
// of the accounts is written last, so that a crash on the way begins again.
func (o *Outbox) begin(ctx context.Context) error {
	_, there, err := o.cursor(ctx, System)
	if err != nil || there {
		return err
	}
	sizes := o.config.Source.Sizes()
	for _, list := range append(slices.DeleteFunc(sorted(sizes), func(l string) bool { return l == System }), System) {
		if err := o.keep(ctx, list, sizes[list]); err != nil {
			return err
		}
	}
	return nil
}

// cursor returns how many entries of a list need no more notices, and whether
// that is kept.
func (o *Outbox) cursor(ctx context.Context, list string) (int64, bool, error) {
	b, err := o.config.Values.Get(ctx, key(list))
	if errors.Is(err, o.config.NotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("outbox: read how far it came: %w", err)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 { // a notice too many, never one too few
		return 0, true, nil
	}
	return n, true, nil
}

func (o *Outbox) keep(ctx context.Context, list string, n int64) error {
	if err := o.config.Values.Put(ctx, key(list), strconv.AppendInt(nil, n, 10)); err != nil {
		return fmt.Errorf("outbox: keep how far it came: %w", err)
	}
	o.cursors[list] = n
	return nil
}

// position makes sure that the cursor of a list is read. A list that is shorter
// than its cursor has lost entries since: those that come next are new.
func (o *Outbox) position(ctx context.Context, list string, size int64) error {
	if _, ok := o.read[list]; ok {
		return nil
	}
	n, _, err := o.cursor(ctx, list)
	if err != nil {
		return err
	}
	if n > size {
		n = size
		err = o.keep(ctx, list, n)
	}
	o.read[list], o.cursors[list] = n, n
	return err
}

// save moves the cursors past what everybody was told.
func (o *Outbox) save(ctx context.Context) error {
	next := maps.Clone(o.read)
	for _, it := range o.items {
		next[it.list] = min(next[it.list], it.index)
	}
	for _, list := range sorted(next) {
		if n := next[list] - o.cursors[list]; n == 0 || n < keepAfter && !o.told[list] {
			continue
		}
		if err := o.keep(ctx, list, next[list]); err != nil {
			return err
		}
		delete(o.told, list)
	}
	return nil
}

func sorted(lists map[string]int64) []string {
	names := slices.Sorted(maps.Keys(lists))
	return slices.DeleteFunc(names, func(list string) bool { return !reads(list) })
}
