// Package durable writes files that are there whole or not at all, also after a
// power cut, and that their owner alone can read.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Replace writes a file, in the place of another if there is one, and returns
// when that is durable. After a crash the file is the old one or the new one.
// The folder must exist.
func Replace(path string, data []byte) error {
	tmp, err := temporary(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return SyncDir(filepath.Dir(path))
}

// Create writes a new file and returns when it is durable. The error wraps
// [fs.ErrExist] if there is one of this name, which is left as it is. The
// folder must exist.
func Create(path string, data []byte) error {
	tmp, err := temporary(path, data)
	if err != nil {
		return err
	}
	if err := Move(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// Move gives a synced file another name in the same file system, and returns
// when that is durable. The error wraps [fs.ErrExist] if that name is taken:
// nothing is ever replaced, and the file keeps the old name.
func Move(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		// The new name is durable before the old one goes.
		if err := SyncDir(filepath.Dir(to)); err != nil {
			return err
		}
		if err := os.Remove(from); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrExist):
		return err
	default: // a file system without hard links, such as that of a memory stick
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", to, fs.ErrExist)
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return errors.Join(SyncDir(filepath.Dir(to)), SyncDir(filepath.Dir(from)))
}

// SyncDir makes new, changed and removed names in a folder durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" { // can't sync a folder, and needn't
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// temporary writes a file beside path and returns its name once its content is
// durable.
func temporary(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // with mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
