package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const checkpointSuffix = ".checkpoint"

// memory keeps the last checkpoint of each list of each server, a file each.
// A server is told by its pin: its address may change. Without a directory it
// remembers nothing.
type memory struct {
	dir string
	pin string
}

// path returns the file of a list. Its name is a digest, because the names of
// lists come from the server.
func (m memory) path(list string) string {
	sum := sha256.Sum256([]byte(m.pin + "\n" + list))
	return filepath.Join(m.dir, hex.EncodeToString(sum[:16])+checkpointSuffix)
}

// load returns the signed checkpoint of a list, nil if there is none.
func (m memory) load(list string) ([]byte, error) {
	if m.dir == "" {
		return nil, nil
	}
	return m.read(m.path(list))
}

// read returns what a file of the memory holds, nil if there is none.
func (m memory) read(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: read the checkpoint seen last: %w", err)
	}
	return b, nil // an empty file isn't nil: it was one once
}

// swap remembers a checkpoint instead of the one that was seen, which is nil if
// none was. If meanwhile another process has remembered another one, it returns
// that and remembers nothing: it was never held against the new one.
func (m memory) swap(ctx context.Context, list string, seen, signed []byte) (other []byte, err error) {
	if m.dir == "" {
		return nil, nil
	}
	if b, err := m.load(list); err != nil || bytes.Equal(b, signed) {
		return nil, err // nothing has happened since
	}
	err = m.locked(ctx, func() error {
		b, err := m.load(list)
		switch {
		case err != nil || bytes.Equal(b, signed):
			return err
		case b == nil && seen != nil:
			return nil // a fork was accepted meanwhile: what was seen doesn't count any more
		case !bytes.Equal(b, seen), b != nil && seen == nil:
			other = b
			return nil
		}
		return writePrivate(m.path(list), signed)
	})
	if err != nil {
		return nil, fmt.Errorf("client: remember the checkpoint: %w", err)
	}
	return other, nil
}

// errLocked is returned by lock while another process, or another call, has it.
var errLocked = errors.New("client: it is locked")

// lockWait is how long to wait before another look at a lock. It is held for the
// time of a write.
const lockWait = 5 * time.Millisecond

// locked calls f while no other process and no other call changes the memory.
func (m memory) locked(ctx context.Context, f func() error) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	for {
		unlock, err := lock(filepath.Join(m.dir, "lock"))
		if err == nil {
			return errors.Join(f(), unlock())
		}
		if !errors.Is(err, errLocked) {
			return err
		}
		if !sleep(ctx, lockWait) {
			return fmt.Errorf("another process holds %s: %w", filepath.Join(m.dir, "lock"), ctx.Err())
		}
	}
}
