package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// snapshotPattern is how snapshots are named that are on their way.
const snapshotPattern = "snapshot-*.tmp"

// A Source is what is backed up: an open store and the log in it.
type Source struct {
	Store   store.Store
	Log     *audit.Log
	Config  audit.Config // of the log; its origin and its key are used
	Program string       // the version of the program
}

// A Snapshot is a consistent copy of a store in a file. Close removes it.
type Snapshot struct {
	Manifest Manifest
	path     string
}

// Take makes a snapshot in the folder dir, which is best on the store's own
// machine: while it is written the store can't reuse its pages. Then it opens
// the snapshot as a server would, computes its lists again from their entries,
// and has the log sign each head that it found, so that a head which isn't the
// log's is noticed now and not at a restore.
func Take(ctx context.Context, s Source, dir string, at time.Time) (*Snapshot, error) {
	f, err := os.CreateTemp(dir, snapshotPattern) // mode 0600
	if err != nil {
		return nil, fmt.Errorf("backup: snapshot: %w", err)
	}
	snapshot := &Snapshot{path: f.Name()}
	err = s.Store.Snapshot(ctx, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("backup: snapshot: %w", err), snapshot.Close())
	}
	snapshot.Manifest = Manifest{
		Format: format, Program: s.Program, Time: at.UTC().Truncate(time.Second), Origin: s.Config.Origin,
	}
	if err := snapshot.check(ctx, s); err != nil {
		return nil, errors.Join(err, snapshot.Close())
	}
	return snapshot, nil
}

// check opens the snapshot, compares it with the log, and completes the manifest.
func (s *Snapshot) check(ctx context.Context, from Source) error {
	db, err := bolt.Open(s.path, bolt.Options{MustExist: true})
	if err != nil {
		return fmt.Errorf("backup: check snapshot: %w", err)
	}
	err = s.heads(ctx, from, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("backup: check snapshot: %w", err)
	}
	return s.digest() // now that nothing writes it any more
}

func (s *Snapshot) heads(ctx context.Context, from Source, db *bolt.DB) error {
	c := from.Config
	c.Store, c.Signer, c.Guard = db, nil, nil
	replica, err := audit.OpenReplica(ctx, c)
	if err != nil {
		return err
	}
	for _, list := range slices.Sorted(maps.Keys(replica.Sizes())) {
		size, root := replica.Root(list)
		if err := published(ctx, from.Log, list, size); err != nil {
			return err
		}
		signed, err := from.Log.CheckpointAt(ctx, list, size)
		if err != nil {
			return err
		}
		if _, err := replica.CheckHead(ctx, list, signed); err != nil {
			return err
		}
		s.Manifest.Lists = append(s.Manifest.Lists, Head{List: list, Size: size, Root: root.String(), Checkpoint: string(signed)})
	}
	return nil
}

// published waits until the log shows a list at a size that the snapshot has:
// a reader of the file sees a commit a moment before it is durable, and the log
// shows it after that.
func published(ctx context.Context, l *audit.Log, list string, size int64) error {
	for {
		grown := l.Grown()
		if l.Len(list) >= size {
			return nil
		}
		select {
		case <-grown:
		case <-l.Failed():
			return fmt.Errorf("entry %d of list %s may not be durable: %w", size-1, list, l.Err())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Snapshot) digest() error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if s.Manifest.Size, err = io.Copy(sum, f); err != nil {
		return fmt.Errorf("backup: read snapshot: %w", err)
	}
	s.Manifest.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// Write writes the backup, not yet encrypted; [Read] reads it.
func (s *Snapshot) Write(w io.Writer) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer f.Close()
	if err := write(w, s.Manifest, f); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Close removes the snapshot's file.
func (s *Snapshot) Close() error {
	if err := os.Remove(s.path); err != nil {
		return fmt.Errorf("backup: remove snapshot: %w", err)
	}
	return nil
}

// RemoveStale removes the snapshots that a process left which was killed. No
// other process may be taking one in the folder.
func RemoveStale(dir string) error {
	stale, err := filepath.Glob(filepath.Join(dir, snapshotPattern))
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	var errs []error
	for _, path := range stale {
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}
