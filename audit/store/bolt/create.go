package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

var (
	aboutBucket = []byte("about")
	keysBucket  = []byte("keys")
	listPrefix  = []byte("list:")

	formatKey = []byte("format")
	format    = []byte("lodd store 1")
)

// create makes an empty store at path. After a crash there is either nothing or
// a complete store under that name. The caller makes the name durable.
func create(path string, o Options) error {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bolt: create %s: %w", path, err)
	}
	if err := fill(tmp, o); err != nil {
		return fmt.Errorf("bolt: create %s: %w", path, errors.Join(err, os.Remove(tmp)))
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bolt: create %s: another process was faster: %w", path, ErrLocked)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("bolt: create %s: %w", path, err)
	}
	return nil
}

// fill writes an empty store and returns when it is durable.
func fill(path string, o Options) error {
	db, err := bbolt.Open(path, 0o600, o.bbolt())
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		about, err := tx.CreateBucket(aboutBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(keysBucket); err != nil {
			return err
		}
		return about.Put(formatKey, format)
	})
	if err == nil {
		err = fsync(path) // bbolt syncs data, but not the size of a new file
	}
	return errors.Join(err, db.Close())
}

func fsync(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
