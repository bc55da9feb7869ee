package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Compartments returns the compartments of a trial that the user may verify. A
// server that has something to hide must not get away with leaving it out: the
// error is a [*LogError] if the list of conduct, which everybody may verify, is
// missing, or one that VerifyList has verified from here before.
func (c *Client) Compartments(ctx context.Context, trial string) ([]string, error) {
	answer, err := c.Audit().ListCompartments(ctx, &loddv1.ListCompartmentsRequest{TrialId: trial})
	if err != nil {
		return nil, err
	}
	lists := answer.GetLists()
	if conduct := trial + "/conduct"; !slices.Contains(lists, conduct) {
		return nil, &LogError{conduct, "the server doesn't show this list, which every trial has"}
	}
	memory := memory{dir: c.config.Checkpoints, pin: c.config.Pin}
	seen, err := memory.lists(trial)
	if err != nil {
		return nil, err
	}
	for _, list := range seen {
		if !slices.Contains(lists, list) {
			return nil, &LogError{list, fmt.Sprintf("the server doesn't show this list any more, which was verified from here before; "+
				"only if your role was changed, or somebody else signed in here then, is that as it should be (seen: %s)", memory.path(list))}
		}
	}
	return lists, nil
}

// lists returns the lists of a trial that are remembered. Their names stand in
// the checkpoints, behind the name of the server.
func (m memory) lists(trial string) ([]string, error) {
	files, err := os.ReadDir(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: read the checkpoints seen: %w", err)
	}
	var lists []string
	for _, f := range files {
		path := filepath.Join(m.dir, f.Name())
		if filepath.Ext(path) != ".checkpoint" {
			continue // one that is being written
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("client: read the checkpoints seen: %w", err)
		}
		origin, _, _ := strings.Cut(string(b), "\n")
		at := strings.LastIndex(origin, "/"+trial+"/")
		if at < 0 {
			continue
		}
		// The memory is that of all servers; those of others have another path.
		if list := origin[at+1:]; m.path(list) == path {
			lists = append(lists, list)
		}
	}
	return lists, nil
}
