package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodd-rct/lodd/audit/durable"
)

const checkpointSuffix = ".checkpoint"

// A FileGuard is a [Guard] that keeps each checkpoint in a file of its own, in
// a folder that is best on another disk than the store. The folder must exist.
// The files are read and written by their owner only.
type FileGuard struct {
	// Dir is the folder.
	Dir string
}

// Load implements [Guard]. Files that the guard didn't write are ignored.
func (g FileGuard) Load() (map[string][]byte, error) {
	files, err := os.ReadDir(g.Dir)
	if err != nil {
		return nil, fmt.Errorf("audit: guard: %w", err)
	}
	checkpoints := map[string][]byte{}
	for _, f := range files {
		escaped, ours := strings.CutSuffix(f.Name(), checkpointSuffix)
		if !ours {
			continue
		}
		list, err := unescape(escaped)
		if err == nil && escape(list) != escaped {
			err = errors.New("the list has another file") // or two files could speak for one list
		}
		if err != nil {
			return nil, fmt.Errorf("audit: guard: %s has no name of a list: %w", filepath.Join(g.Dir, f.Name()), err)
		}
		b, err := os.ReadFile(filepath.Join(g.Dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("audit: guard: %w", err)
		}
		checkpoints[list] = b
	}
	return checkpoints, nil
}

// Save implements [Guard]. After a crash the file holds the old checkpoint or
// the new one.
func (g FileGuard) Save(list string, checkpoint []byte) error {
	if err := durable.Replace(g.Path(list), checkpoint); err != nil {
		return fmt.Errorf("audit: guard: %w", err)
	}
	return nil
}

// Forget makes the guard forget a list, and keeps the checkpoint beside as
// evidence. It is for the operator who has recorded that the newest copy of
// the store is lost.
func (g FileGuard) Forget(list string) error {
	if err := os.Rename(g.Path(list), g.Path(list)+".forgotten"); err != nil {
		return fmt.Errorf("audit: guard: %w", err)
	}
	if err := durable.SyncDir(g.Dir); err != nil {
		return fmt.Errorf("audit: guard: %w", err)
	}
	return nil
}

// Path returns the file of a list.
func (g FileGuard) Path(list string) string {
	return filepath.Join(g.Dir, escape(list)+checkpointSuffix)
}

// escape returns a file name for a list. Capitals are escaped as well: some
// file systems don't tell them from small letters.
func escape(list string) string {
	var b strings.Builder
	for _, c := range []byte(list) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func unescape(name string) (string, error) {
	before, after, found := strings.Cut(name, "%")
	if !found {
		return name, nil
	}
	if len(after) < 2 {
		return "", errors.New("it ends within an escape")
	}
	c, err := hex.DecodeString(after[:2])
	if err != nil {
		return "", err
	}
	rest, err := unescape(after[2:])
	return before + string(c) + rest, err
}
