package client

import (
	"context"
	"fmt"
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
		return nil, c.found(finding{List: conduct, Problem: "the server doesn't show this list, which every trial has"})
	}
	seen, err := c.memory.lists(trial)
	if err != nil {
		return nil, err
	}
	for _, list := range seen {
		if !slices.Contains(lists, list) {
			return nil, c.found(finding{List: list, Problem: fmt.Sprintf("the server doesn't show this list any more, which was verified from here before; "+
				"only if your role was changed, or somebody else signed in here then, is that as it should be (seen: %s)", c.memory.path(list))})
		}
	}
	return lists, nil
}

// SeenTrials returns the trials whose log was seen from here before.
func (c *Client) SeenTrials() ([]string, error) {
	var trials []string
	err := c.memory.files(checkpointSuffix, func(path string, b []byte) error {
		origin, _, _ := strings.Cut(string(b), "\n")
		parts := strings.Split(origin, "/")
		if len(parts) < 2 {
			return nil
		}
		trial := parts[len(parts)-2]
		if list := trial + "/" + parts[len(parts)-1]; c.memory.path(list) == path && !slices.Contains(trials, trial) {
			trials = append(trials, trial)
		}
		return nil
	})
	slices.Sort(trials)
	return trials, err
}

// lists returns the lists of a trial that are remembered. Their names stand in
// the checkpoints, behind the name of the server.
func (m memory) lists(trial string) ([]string, error) {
	var lists []string
	err := m.files(checkpointSuffix, func(path string, b []byte) error {
		origin, _, _ := strings.Cut(string(b), "\n")
		at := strings.LastIndex(origin, "/"+trial+"/")
		if at < 0 {
			return nil
		}
		// The memory is that of all servers; those of others have another path.
		if list := origin[at+1:]; m.path(list) == path {
			lists = append(lists, list)
		}
		return nil
	})
	slices.Sort(lists)
	return lists, err
}
