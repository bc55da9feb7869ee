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
// missing, or one that VerifyList has verified from here before, and if there is
// one that no trial has: it could be kept for one reader alone.
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
	for _, list := range lists {
		if !isList(trial, list) {
			return nil, c.found(finding{List: list, Problem: "the server shows this list, which isn't one of trial " + trial})
		}
	}
	for _, list := range seen {
		if !slices.Contains(lists, list) {
			return nil, c.found(finding{List: list, Problem: fmt.Sprintf("the server doesn't show this list any more, which was verified from here before; "+
				"only if your role was changed, or somebody else signed in here then, is that as it should be (seen: %s)", c.memory.path(list))})
		}
	}
	return lists, nil
}

// AuditorsCompartments returns the compartments of a trial as Compartments does, for
// an auditor, who may verify the accounts and all of the trial: the error is a
// [*LogError] if the server leaves one out. An auditor who assesses as well, as
// some were let once, may verify neither delivery nor allocation.
func (c *Client) AuditorsCompartments(ctx context.Context, trial string, assesses bool) ([]string, error) {
	lists, err := c.Compartments(ctx, trial)
	if err != nil {
		return nil, err
	}
	due := []string{system, trial + "/outcome"}
	if !assesses {
		due = append(due, trial+"/delivery", trial+"/allocation")
	}
	for _, list := range due {
		if !slices.Contains(lists, list) {
			return nil, c.found(finding{List: list, Problem: "the server doesn't show this list, which an auditor may verify"})
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

// compartments are the names of the compartments that a trial has. The memory of
// each is found by its name, whatever has become of what the file holds.
var compartments = []string{"conduct", "outcome", "delivery", "allocation"}

// system is the list of accounts, which is that of every trial.
const system = "system"

// isList reports whether a list is one of a trial, or that of accounts.
func isList(trial, list string) bool {
	name, ok := strings.CutPrefix(list, trial+"/")
	return list == system || ok && slices.Contains(compartments, name)
}

// compartmentsOf returns the compartments in which an entry of a kind can stand: a
// server mustn't put it where nobody else looks. Which forms are an assessor's, the
// protocol says, which isn't known here.
//
// Source: docs/log-format.md, "Lists".
func compartmentsOf(kind string) []string {
	switch kind {
	case "unblinded", "disclosure_proposed", "disclosure_approved", "arm_collected", "relatedness_assessed":
		return []string{"allocation"}
	case "contact_recorded", takenIn:
		return []string{"delivery"}
	case granted, revoked:
		return []string{system}
	case "visit_missed", "blind_broken":
		return []string{"outcome"}
	case "form_submitted", "form_corrected", "form_signed", "text_judged":
		return []string{"conduct", "outcome"}
	default:
		return []string{"conduct"}
	}
}

// lists returns the lists of a trial that are remembered. Their names stand in
// the checkpoints, behind the name of the server.
func (m memory) lists(trial string) ([]string, error) {
	var lists []string
	for _, c := range compartments {
		list := trial + "/" + c
		signed, err := m.load(list)
		if err != nil {
			return nil, err
		}
		if signed != nil {
			lists = append(lists, list)
		}
	}
	err := m.files(checkpointSuffix, func(path string, b []byte) error {
		origin, _, _ := strings.Cut(string(b), "\n")
		at := strings.LastIndex(origin, "/"+trial+"/")
		if at < 0 {
			return nil
		}
		// The memory is that of all servers; those of others have another path.
		if list := origin[at+1:]; m.path(list) == path && !slices.Contains(lists, list) {
			lists = append(lists, list)
		}
		return nil
	})
	slices.Sort(lists)
	return lists, err
}
