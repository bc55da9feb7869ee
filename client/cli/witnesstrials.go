package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// audited are the trials that a witness is to check.
type audited struct {
	trials []string
	roles  map[string][]string // of the account, by trial, as the server says
	doubt  error               // trials of which the server says that it is no auditor
}

// compartments returns the compartments of a trial that the witness is to check: all,
// if the server says that it is an auditor there. Else that is doubted already.
func (t audited) compartments(ctx context.Context, c *client.Client, trial string) ([]string, error) {
	if !t.audits(trial) {
		return c.Compartments(ctx, trial)
	}
	return c.AuditorsCompartments(ctx, trial, slices.Contains(t.roles[trial], "assessor"))
}

func (t audited) audits(trial string) bool { return slices.Contains(t.roles[trial], "auditor") }

// audited returns the trials that the witness is to check: those that the server
// offers, and those that it has offered before, or the one that is named. It is
// doubted if one of them isn't offered: it isn't for the server to say what it is
// checked for.
func (a *app) audited(ctx context.Context, c *client.Client) (audited, error) {
	me, err := c.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	if err != nil {
		return audited{}, err
	}
	t := audited{roles: map[string][]string{}}
	for _, r := range me.GetRoles() {
		trial := r.GetTrialId()
		t.roles[trial] = append(t.roles[trial], r.GetRole())
		if r.GetRole() == "auditor" && !slices.Contains(t.trials, trial) {
			t.trials = append(t.trials, trial)
		}
	}
	if trial := first(a.flags.trial, a.deps.Env("LODD_TRIAL")); trial != "" {
		if !t.audits(trial) {
			t.doubt = errors.New(a.words.say("error.not-auditor", trial))
		}
		t.trials = []string{trial}
		return t, nil
	}
	seen, err := c.SeenTrials()
	if err != nil {
		return audited{}, err
	}
	var withheld []string
	for _, trial := range seen {
		if !slices.Contains(t.trials, trial) {
			t.trials, withheld = append(t.trials, trial), append(withheld, trial)
		}
	}
	if len(t.trials) == 0 {
		return audited{}, errors.New(a.words.say("error.no-auditor", me.GetUser()))
	}
	t.doubt = a.notOffered(withheld)
	return t, nil
}

// notOffered says of trials that the server keeps to itself; nil if there is none.
func (a *app) notOffered(trials []string) error {
	if len(trials) == 0 {
		return nil
	}
	return errors.New(a.words.say("error.not-offered", strings.Join(trials, ", ")))
}
