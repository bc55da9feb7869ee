package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// diskSpace returns the room on the disk of a folder: what is left for those who
// aren't root. The error wraps [errors.ErrUnsupported] if its file system doesn't
// tell.
func diskSpace(dir string) (space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return space{}, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if s.Blocks == 0 {
		return space{}, fmt.Errorf("%s: size of its file system: %w", dir, errors.ErrUnsupported)
	}
	return space{s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)}, nil
}

// reserve makes an empty file one of size bytes whose blocks are its own. Some file
// systems only pretend; there the bytes are written.
func reserve(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	if err == nil {
		if info, err := f.Stat(); err != nil || allocated(info) {
			return err
		}
	}
	return fill(f, size)
}

// allocated reports whether a file has as many blocks as its size says.
func allocated(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Blocks*512 >= info.Size()
}
