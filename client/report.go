package client

import (
	"context"
	"fmt"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// lost is found for a log that doesn't hold any more what the server once signed:
// the server is shown that, so that it randomizes nobody on top of an older copy.
func (c *Client) lost(ctx context.Context, trial string, f finding) *LogError {
	e := c.found(f)
	if f.Remembered != "" {
		e.Behind, e.Reported = c.report(ctx, trial, f.Remembered)
	}
	return e
}

// report shows the server a head of its own and returns what it made of it, also
// in words. It takes no longer than other checks do, also for a caller that has
// given up.
func (c *Client) report(ctx context.Context, trial, signed string) (behind bool, said string) {
	ctx, cancel := c.checking(context.WithoutCancel(ctx))
	defer cancel()
	answer, err := c.Audit().ReportCheckpoint(ctx, &loddv1.ReportCheckpointRequest{TrialId: trial, Checkpoint: signed})
	switch {
	case err != nil:
		return false, fmt.Sprintf("the server could not be told and may go on randomizing (%v): tell its operator at once", err)
	case answer.GetBehind():
		return true, "the server was shown this: it randomizes nobody before the loss is reconciled, save in a trial where that is done or that lost nothing"
	default:
		return false, "the server was shown this and says that it has all of it"
	}
}
