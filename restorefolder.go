package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodd-rct/lodd/audit/durable"
)

// tellUnfinished names what restores left that were killed: it may hold the keys
// in clear. Another restore may be at work on it, so it isn't deleted.
func tellUnfinished(out io.Writer, parent, prefix string) error {
	files, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), prefix) {
			fmt.Fprintf(out, "lodd: %s is of a restore that was cut off, unless one runs now, and may hold keys and data in clear: delete it\n", filepath.Join(parent, f.Name()))
		}
	}
	return nil
}

// vacant refuses a folder that holds anything.
func vacant(dir string) error {
	files, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(files) > 0:
		return fmt.Errorf("%s isn't empty, and is left as it is: restore into a new folder", dir)
	}
	return nil
}

// moveInto gives a folder its name, in place of an empty one.
func moveInto(tmp, dir string) error {
	if err := durable.SyncDir(tmp); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(filepath.Clean(dir)))
}
