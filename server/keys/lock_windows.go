package keys

import (
	"fmt"
	"path/filepath"
	"syscall"
)

// lock locks a folder until unlock or the end of the process, by a file that is
// shared with nobody.
func lock(dir string) (unlock func() error, err error) {
	name, err := syscall.UTF16PtrFromString(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("keys: lock: %w", err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, fmt.Errorf("keys: lock %s, which somebody else may be changing: %w", dir, err)
	}
	return func() error { return syscall.CloseHandle(h) }, nil
}
