package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// AcceptFork makes the client take the log of a trial as the server shows it
// next, though it doesn't continue what was seen from here. What was seen, and
// the receipts that wait, move from the memory to the folder of evidence: they
// are the proof of what is lost. That of the accounts of the server moves along.
// It returns where they are now.
//
// It is for people who have heard from the operator that an older copy was
// restored, and what was lost, and believe it.
func (c *Client) AcceptFork(trial string) ([]string, error) {
	if c.config.Evidence == "" || c.config.Checkpoints == "" {
		return nil, errors.New("client: a fork can be accepted only where there is a memory and a folder for evidence")
	}
	lists, err := c.memory.lists(trial)
	if err != nil {
		return nil, err
	}
	receipts, err := c.memory.pending(trial)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, list := range append(lists, "system") {
		cosigned, err := c.memory.cosignedPaths(list)
		if err != nil {
			return nil, err
		}
		paths = append(append(paths, c.memory.path(list)), cosigned...)
	}
	for _, r := range receipts {
		paths = append(paths, c.memory.receiptPath(r.Receipt))
	}
	if err := os.MkdirAll(c.config.Evidence, 0o700); err != nil {
		return nil, fmt.Errorf("client: accept the fork: %w", err)
	}
	var moved []string
	for _, path := range paths {
		to := filepath.Join(c.config.Evidence, c.config.Now().UTC().Format("20060102T150405Z")+"-accepted-"+filepath.Base(path))
		switch err := moveNew(path, to); {
		case errors.Is(err, fs.ErrNotExist): // never seen
		case err != nil:
			return moved, fmt.Errorf("client: accept the fork: %w", err)
		default:
			moved = append(moved, to)
		}
	}
	return moved, nil
}

// moveNew moves a file to a place where there is none.
func moveNew(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := createPrivate(to, b); err != nil {
		return err
	}
	return os.Remove(from)
}
