//go:build !linux && !darwin

package main

import (
	"errors"
	"io/fs"
	"os"
)

// diskSpace says that the room on a disk isn't known on this system: nothing is
// watched then, and nothing refused before the disk is full.
func diskSpace(string) (space, error) { return space{}, errors.ErrUnsupported }

// reserve makes an empty file one of size bytes.
func reserve(f *os.File, size int64) error { return fill(f, size) }

// allocated would report whether a file has as many blocks as its size says.
func allocated(fs.FileInfo) bool { return true }
