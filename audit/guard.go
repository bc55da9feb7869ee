package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrRolledBack is wrapped by the error of Open for a store that is shorter
// than a checkpoint of the guard, or has another past: an older copy was
// restored, or the store was rewritten.
var ErrRolledBack = errors.New("the store is not what it was when it was last signed")

// A Guard keeps the last signed checkpoint of every list outside the store, so
// that an older copy of the store is noticed. The log calls it from one
// goroutine at a time.
type Guard interface {
	// Load returns all signed checkpoints by list.
	Load() (map[string][]byte, error)

	// Save replaces the checkpoint of a list and returns when it is durable.
	Save(list string, checkpoint []byte) error
}

// A GuardError says that what the guard has of a list isn't what it saved, or is
// not of this log: damage, another key, or another instance.
type GuardError struct {
	List string

	// Path is the file; empty if the guard isn't a [FileGuard].
	Path string

	Err error
}

// Error implements error.
func (e *GuardError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("audit: guard of list %s: %v", e.List, e.Err)
	}
	return fmt.Sprintf("audit: signed head of list %s in %s: %v", e.List, e.Path, e.Err)
}

// Unwrap returns Err.
func (e *GuardError) Unwrap() error { return e.Err }

// where returns the file in which the guard keeps a list, if it keeps files.
func (c Config) where(list string) string {
	if g, ok := c.Guard.(FileGuard); ok {
		return g.Path(list)
	}
	return ""
}

// signedHead is the last checkpoint that was signed of a list.
type signedHead struct {
	size int64
	note []byte
}

// Checkpoint returns the signed checkpoint of a list as it is now. It covers
// durable entries only. The signature is made once for each size.
func (l *Log) Checkpoint(_ context.Context, list string) ([]byte, error) {
	_, signed, err := l.checkpoint(list)
	return slices.Clone(signed), err
}

func (l *Log) checkpoint(list string) (size int64, signed []byte, err error) {
	if err := checkList(list); err != nil {
		return 0, nil, err
	}
	l.signing.Lock()
	defer l.signing.Unlock()
	h, err := l.head(list)
	if err != nil {
		return 0, nil, err
	}
	size = h.tree.Size()
	if last, ok := l.signed[list]; ok && last.size == size {
		return size, last.note, nil
	}
	c := Checkpoint{Origin: l.Origin(list), Size: size, Root: h.tree.Root()}
	signed, err = c.Sign(l.config.Signer)
	if err != nil {
		return 0, nil, err
	}
	if size > 0 { // or a caller could fill memory with names that don't exist
		l.signed[list] = signedHead{size, signed}
	}
	return size, signed, nil
}

// SaveGuard saves the checkpoints of the lists that have changed since the
// last call. The caller decides how often, and does it before Close: an older
// copy of the store goes unnoticed as far as the checkpoints are old. It signs
// what is there, so the caller has read the entries first and found them good.
func (l *Log) SaveGuard(ctx context.Context) error {
	if l.config.Guard == nil {
		return nil
	}
	l.saving.Lock()
	defer l.saving.Unlock()
	for _, list := range l.Lists("") {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("audit: save guard: %w", err)
		}
		if l.Len(list) == l.saved[list] {
			continue
		}
		size, signed, err := l.checkpoint(list)
		if err != nil {
			return err
		}
		if err := l.config.Guard.Save(list, signed); err != nil {
			return fmt.Errorf("audit: save guard: %w", err)
		}
		l.saved[list] = size
	}
	return nil
}

// checkGuard compares the store with the checkpoints of the guard.
func (l *Log) checkGuard(ctx context.Context) error {
	if l.config.Guard == nil {
		return nil
	}
	checkpoints, err := l.config.Guard.Load()
	if err != nil {
		return fmt.Errorf("audit: load guard: %w", err)
	}
	known := note.VerifierList(l.config.Verifier)
	for _, list := range slices.Sorted(maps.Keys(checkpoints)) {
		c, err := OpenCheckpoint(checkpoints[list], known)
		if want := l.Origin(list); err == nil && c.Origin != want {
			err = fmt.Errorf("audit: checkpoint is of %s, want %s: it belongs to another instance", c.Origin, want)
		}
		if err != nil {
			return &GuardError{List: list, Path: l.config.where(list), Err: err}
		}
		if err := l.checkPast(ctx, list, c); err != nil {
			return err
		}
		l.saved[list] = c.Size
	}
	return nil
}

// checkPast returns an error that wraps ErrRolledBack unless the list has the
// past that the checkpoint says.
func (l *Log) checkPast(ctx context.Context, list string, c Checkpoint) error {
	const todo = "bring back the newest copy of the store; if it is lost, an operator must record that before anything is written"
	n := l.Len(list)
	if n < c.Size {
		return fmt.Errorf("audit: list %s: %w: it has %d entries, a signed checkpoint has %d; %s", list, ErrRolledBack, n, c.Size, todo)
	}
	root, err := l.RootAt(ctx, list, c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("audit: list %s: %w: it has %d entries, and the first %d are not those of the signed checkpoint of size %d; %s", list, ErrRolledBack, n, c.Size, c.Size, todo)
	}
	return nil
}

// origin characters are those of C2SP tlog-checkpoint: no white space, no "+".
func checkOrigin(origin string) error {
	bad := strings.IndexFunc(origin, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' })
	if origin == "" || len(origin) > maxList || bad >= 0 {
		return fmt.Errorf("audit: origin %q: want 1 to %d printable ASCII characters other than space and +", origin, maxList)
	}
	return nil
}
