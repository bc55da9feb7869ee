package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lodd-rct/lodd/audit/durable"
)

// Files is a [Sender] that puts each notice into a file of a folder, from where
// somebody takes it. A notice that comes again while its file is there changes
// nothing. It may be used concurrently.
type Files struct {
	dir, from string
}

// NewFiles returns a sender into a folder, which is made with the first notice.
// Notices come from the address from.
func NewFiles(dir, from string) (*Files, error) {
	if err := checkFrom(from); err != nil {
		return nil, err
	}
	return &Files{dir, from}, nil
}

// Send implements [Sender]. The file is durable when it returns, and can be read
// by its owner alone.
func (f *Files) Send(_ context.Context, n Notice) error {
	b, err := n.bytes(f.from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("outbox: folder of notices: %w", err)
	}
	err = durable.Create(filepath.Join(f.dir, f.name(n)), b)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("outbox: write a notice: %w", err)
	}
	return nil
}

// name sorts by time. All names have one length.
func (f *Files) name(n Notice) string {
	return n.At.UTC().Format("20060102T150405Z") + "-" + n.ID + ".eml"
}
