package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/lodd-rct/lodd/audit/durable"
)

// writePrivate replaces a file with one that its owner alone can read, all of
// it or nothing, durably. Folders that are missing are made, for the owner alone.
func writePrivate(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Replace(path, data)
}

// createPrivate makes a file as writePrivate does. A file that exists is left as
// it is: the error wraps fs.ErrExist.
func createPrivate(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Create(path, data)
}

// createNumbered makes such a file, name.ext, or name-2.ext if that is taken, and
// so on, and returns its path. A file that is there and isn't another one is
// taken for it.
func createNumbered(name, ext string, data []byte, isSame func(path string) bool) (string, error) {
	for n := 1; ; n++ {
		path := name + ext
		if n > 1 {
			path = fmt.Sprintf("%s-%d%s", name, n, ext)
		}
		err := createPrivate(path, data)
		if err == nil || errors.Is(err, fs.ErrExist) && isSame(path) {
			return path, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}

// checkPrivate refuses a file that others can read, and says what
// to do then. Windows has no such modes; there a user's own folders are closed to others anyway.
func checkPrivate(path, then string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 %s, and %s", path, mode, path, then)
	}
	return nil
}
