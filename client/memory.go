package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lodd-rct/lodd/audit"
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
	b, err := os.ReadFile(m.path(list))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: read the checkpoint seen last: %w", err)
	}
	return b, nil
}

// save remembers a checkpoint, unless another process has meanwhile remembered
// a later one.
func (m memory) save(list string, signed []byte, size int64, open func([]byte, string) (audit.Checkpoint, error)) error {
	if m.dir == "" {
		return nil
	}
	if b, err := m.load(list); err == nil && b != nil {
		if bytes.Equal(b, signed) {
			return nil // nothing has happened since
		}
		if seen, err := open(b, list); err == nil && seen.Size > size {
			return nil
		}
	}
	if err := writePrivate(m.path(list), signed); err != nil {
		return fmt.Errorf("client: remember the checkpoint: %w", err)
	}
	return nil
}
