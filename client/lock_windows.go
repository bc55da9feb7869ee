package client

import (
	"errors"
	"fmt"
	"syscall"
)

// sharingViolation is what the system says of a file that another process has
// opened for itself alone.
const sharingViolation = syscall.Errno(32)

// lock takes a lock that ends with the process, however it ends: a file that is
// shared with nobody.
func lock(path string) (unlock func() error, err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("client: lock: %w", err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, errLocked
	}
	if err != nil {
		return nil, fmt.Errorf("client: lock %s: %w", path, err)
	}
	return func() error { return syscall.CloseHandle(h) }, nil
}
