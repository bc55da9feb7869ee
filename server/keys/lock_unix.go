//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keys

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock locks a folder until unlock or the end of the process.
func lock(dir string) (unlock func() error, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("keys: lock: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("keys: somebody else changes %s: wait for the end", dir)
		}
		return nil, fmt.Errorf("keys: lock %s: %w", dir, err)
	}
	return d.Close, nil
}
