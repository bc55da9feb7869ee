package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// A newerCopy is a copy of the log from which a restore takes what the backup
// lacks.
type newerCopy struct {
	db    *bolt.DB
	log   *audit.Replica
	newer bool // it has all that the backup has
}

// extend takes from the newer copy what continues the backup.
func (r *restoring) extend(ctx context.Context) error {
	db, err := bolt.Open(filepath.Join(r.o.log, "lodd.db"), bolt.Options{MustExist: true})
	if errors.Is(err, bolt.ErrLocked) {
		return fmt.Errorf("%s is in use: stop the follower or the server there first", r.o.log)
	}
	if err != nil {
		return logAdvised(r.o.log, err)
	}
	from := newerCopy{db: db, newer: true}
	err = r.take(ctx, &from)
	if err = errors.Join(err, db.Close()); err != nil {
		return logAdvised(r.o.log, err)
	}
	return nil
}

func (r *restoring) take(ctx context.Context, from *newerCopy) error {
	guard := audit.FileGuard{Dir: filepath.Join(r.o.log, "checkpoints")}
	c, err := logConfig(from.db, r.k, nil)
	if err != nil {
		return err
	}
	if _, err := os.Stat(guard.Dir); err == nil {
		c.Guard = guard
	}
	if from.log, err = audit.OpenReplica(ctx, c); err != nil {
		return err
	}
	if err := r.covered(ctx, from, c.Guard); err != nil {
		return err
	}
	sizes, err := from.moment(ctx, r.n.log)
	if err != nil {
		return err
	}
	// Values first, as when they were written: who holds an entry holds its key.
	if err := r.takeValues(ctx, from); err != nil {
		return err
	}
	for _, list := range slices.Sorted(maps.Keys(sizes)) {
		if err := r.takeList(ctx, from, list, sizes[list]); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.o.out, "lodd: %d entries that came after the backup were taken from %s\n", r.taken, r.o.log)
	return nil
}

// covered refuses a copy that isn't one of the same past as the backup, or of
// which nothing was ever signed. What came after its last signed head is
// accepted all the same: each entry carries a code that only the server can
// make, and the ledger checks it.
func (r *restoring) covered(ctx context.Context, from *newerCopy, guard audit.Guard) error {
	signed := r.o.checkpoints != ""
	if guard != nil {
		own, err := guard.Load()
		if err != nil {
			return err
		}
		signed = signed || len(own) > 0
		for list, head := range own {
			if err := r.known.add(from.log, list, head); err != nil {
				return err
			}
		}
	}
	if !signed {
		return errors.New("it holds no signed heads: name them with --checkpoints, or leave it out")
	}
	return r.samePast(ctx, from)
}

// samePast refuses a copy unless each of its lists begins as that of the backup
// does, or is the beginning of it.
func (r *restoring) samePast(ctx context.Context, from *newerCopy) error {
	for list, theirs := range from.log.Sizes() {
		size := min(theirs, r.n.log.Len(list))
		want, err := r.n.log.RootAt(ctx, list, size)
		if err != nil {
			return err
		}
		root, err := from.log.RootAt(ctx, list, size)
		if err != nil {
			return err
		}
		if root != want {
			return fmt.Errorf("it has another past than the backup: the first %d entries of %s differ", size, list)
		}
	}
	for _, h := range r.manifest.Lists {
		from.newer = from.newer && from.log.Len(h.List) >= h.Size
	}
	return nil
}

// moment returns how much of each list belongs to one moment of its trial's
// life. A copy that was cut off while it was being made may have entries beyond
// the last entry of conduct that came before them; they are left out.
func (f newerCopy) moment(ctx context.Context, restored *audit.Log) (map[string]int64, error) {
	sizes := f.log.Sizes()
	for list, n := range sizes {
		id, compartment, ok := strings.Cut(list, "/")
		if !ok || compartment == string(trial.Conduct) {
			continue
		}
		conduct := id + "/" + string(trial.Conduct)
		end := max(f.log.Len(conduct), restored.Len(conduct))
		for ; n > restored.Len(list); n-- {
			b, err := f.log.Read(ctx, list, n-1, n)
			if err != nil {
				return nil, err
			}
			e, err := entry.Unmarshal(b[0])
			if err != nil {
				return nil, fmt.Errorf("entry %d of %s: %w", n-1, list, err)
			}
			if e.ConductSize <= end {
				break
			}
		}
		sizes[list] = n
	}
	return sizes, nil
}

// takeList appends what the copy has of a list beyond what was restored.
func (r *restoring) takeList(ctx context.Context, from *newerCopy, list string, size int64) error {
	for at := r.n.log.Len(list); at < size; at = r.n.log.Len(list) {
		entries, err := from.log.Read(ctx, list, at, min(at+entriesAtOnce, size))
		if err != nil {
			return err
		}
		n := 0
		for i, e := range entries {
			if n += len(e); n > audit.MaxBytes {
				entries = entries[:i]
				break
			}
		}
		if _, err := r.n.log.Append(ctx, audit.Part{List: list, At: at, Entries: entries}); err != nil {
			return err
		}
		r.taken += int64(len(entries))
	}
	return nil
}

// entriesAtOnce is how many entries are copied at a time.
const entriesAtOnce = 512

// takeValues takes the values that the backup lacks, and those that are newer. A
// copy that was made by following holds values that are at least as new as its
// entries.
func (r *restoring) takeValues(ctx context.Context, from *newerCopy) error {
	all, err := from.db.Keys(ctx, "")
	if err != nil {
		return err
	}
	for _, key := range all {
		theirs, err := from.db.Get(ctx, key)
		if err != nil {
			return err
		}
		ours, err := r.n.store.Get(ctx, key)
		absent := errors.Is(err, store.ErrNotFound)
		if err != nil && !absent {
			return err
		}
		if !absent && (!from.newer || bytes.Equal(ours, theirs)) {
			continue
		}
		if err := r.n.store.Put(ctx, key, theirs); err != nil {
			return err
		}
	}
	return nil
}
