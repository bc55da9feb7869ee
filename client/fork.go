package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodd-rct/lodd/audit/durable"
)

// AcceptFork makes the client take the log of a trial as the server shows it
// next, though it doesn't continue what was seen from here. What was seen, and
// the receipts that wait, move from the memory to the folder of evidence: they
// are the proof of what is lost. That of the accounts of the server moves along.
// It returns where they are now. If there is an error, some may have been moved
// and are returned too; another call moves the rest, and until then the log is
// refused.
//
// It is for people who have heard from the operator that an older copy was
// restored, and what was lost, and believe it; and for those whose memory was
// damaged where it lies.
func (c *Client) AcceptFork(trial string) ([]string, error) {
	if c.config.Evidence == "" || c.config.Checkpoints == "" {
		return nil, errors.New("client: a fork can be accepted only where there is a memory and a folder for evidence")
	}
	paths, err := c.memory.of(trial)
	if err != nil {
		return nil, err
	}
	var moved []string
	for _, path := range paths {
		to, err := c.retire(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // never seen
		case err != nil && len(moved) > 0:
			return moved, fmt.Errorf("client: accept the fork: %w; moved before that: %s; accept it again to move the rest", err, strings.Join(moved, ", "))
		case err != nil:
			return nil, fmt.Errorf("client: accept the fork: %w", err)
		default:
			moved = append(moved, to)
		}
	}
	c.trials.accept(trial)
	c.before.drop(trial)
	return moved, nil
}

// Check checks that the log of a trial is all that it was when it was seen last
// from here, which [Client.AcceptFork] would forget. It remembers nothing.
//
// The errors are those of [Client.Follow].
func (c *Client) Check(ctx context.Context, trial string) error {
	lists, err := c.Compartments(ctx, trial)
	if err != nil {
		return err
	}
	for _, list := range lists {
		f, err := c.follow(ctx, trial, list)
		if err != nil {
			return err
		}
		v := f.verified()
		if err := c.witnessed(ctx, &v, f); err != nil {
			return err
		}
	}
	return nil
}

// of returns the files of the memory about a trial and about the accounts, some
// of which may be missing. By the checkpoint of a list its other files are found,
// so it comes after them.
func (m memory) of(trial string) (paths []string, err error) {
	receipts, err := m.pending(trial)
	if err != nil {
		return nil, err
	}
	for _, r := range receipts {
		paths = append(paths, m.receiptPath(r.Receipt))
	}
	lists, err := m.lists(trial)
	if err != nil {
		return nil, err
	}
	for _, list := range append(lists, "system") {
		cosigned, err := m.cosignedPaths(list)
		if err != nil {
			return nil, err
		}
		paths = append(append(paths, cosigned...), m.path(list))
	}
	return paths, nil
}

// retire moves a file of the memory to the folder of evidence, which may be on
// another disk, and returns its path there. A file that an earlier call got only
// halfway is moved to the end.
func (c *Client) retire(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	ext := filepath.Ext(path)
	name := c.config.Now().UTC().Format("20060102T150405Z") + "-accepted-" + strings.TrimSuffix(filepath.Base(path), ext)
	to, err := createNumbered(filepath.Join(c.config.Evidence, name), ext, b, func(path string) bool {
		have, err := os.ReadFile(path)
		return err == nil && bytes.Equal(have, b)
	})
	if err != nil {
		return "", err
	}
	return to, errors.Join(os.Remove(path), durable.SyncDir(filepath.Dir(path)))
}
