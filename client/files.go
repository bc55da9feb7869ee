package client

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// writePrivate replaces a file with one that its owner alone can read, all of
// it or nothing. Folders that are missing are made, for the owner alone.
func writePrivate(path string, data []byte) error {
	return placePrivate(path, data, func(temp string) error { return os.Rename(temp, path) })
}

// placePrivate writes data beside path, where its owner alone can read it, and
// calls place once all of it is on the disk.
func placePrivate(path string, data []byte, place func(temp string) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = place(f.Name())
	}
	return err
}

// checkPrivate refuses a file that others can read. Windows has no such modes;
// there a user's own folders are closed to others anyway.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 %s, and sign out and in again", path, mode, path)
	}
	return nil
}
