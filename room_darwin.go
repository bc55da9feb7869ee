package main

import (
	"io/fs"
	"os"
	"syscall"
)

// diskSpace returns the room on the disk of a folder: what is left for those who
// aren't root.
func diskSpace(dir string) (space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return space{}, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return space{s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)}, nil
}

// reserve makes an empty file one of size bytes whose blocks are its own.
func reserve(f *os.File, size int64) error { return fill(f, size) }

// allocated reports whether a file has as many blocks as its size says.
func allocated(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Blocks*512 >= info.Size()
}
