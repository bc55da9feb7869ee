package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// patience is how long a receipt may wait without a word for an account that may
// see its list. It is a session and a bit.
const patience = maxSession + time.Hour

// errAnothers says of a receipt that its entry is in the log, and that only the
// account that it was given to is shown that it is the right one.
var errAnothers = errors.New("client: the receipt was given to another account, which has to check it")

// checkAnswer checks the receipt in an answer, if it has one.
func (c *Client) checkAnswer(ctx context.Context, method string, req, reply any) error {
	answer, ok := reply.(interface{ GetReceipt() *loddv1.Receipt })
	if !ok || answer.GetReceipt() == nil && requestID(req) == "" {
		return nil // a question
	}
	trial := trialOf(req)
	r, err := openReceipt(answer.GetReceipt(), c.asked(req, reply, answer.GetReceipt()))
	switch {
	case err != nil:
	case trial != "" && r.trial() != trial:
		err = fmt.Errorf("the receipt is of the list %q", r.List)
	default:
		err = r.placed()
	}
	if err != nil {
		return c.refuse(trial, c.found(finding{List: trial, Problem: "the server says that it is done, but " + err.Error()}))
	}
	ctx, cancel := c.checking(ctx)
	defer cancel()
	err = c.checkReceipt(ctx, r)
	if wrong, ok := errors.AsType[*LogError](err); ok {
		return c.refuse(r.trial(), wrong)
	}
	if err != nil {
		c.postpone(r, method, err)
		return nil
	}
	err = c.checkPending(ctx, r.trial())
	if wrong, ok := errors.AsType[*LogError](err); ok {
		return c.refuse(r.trial(), wrong)
	}
	return nil // what waits, waits on; this one is done and found
}

// postpone keeps a receipt for later, and says so, unless nothing else was to be
// expected: whoever sets a trial up may not check its log.
func (c *Client) postpone(r Receipt, method string, why error) {
	err := c.memory.keep(r, c.unix())
	if isClosed(why) {
		c.doubt(r.trial())
		if err == nil && withoutRole(method) {
			return
		}
	}
	c.unchecked(r, errors.Join(why, err))
}

// doubt has the log of a trial checked again before the next call, if it was ever
// seen.
func (c *Client) doubt(trial string) {
	if seen, err := c.seen(trial + "/conduct"); err == nil && seen.Size < 0 {
		return
	}
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	c.trials.of(trial).done = false
}

func (c *Client) unchecked(r Receipt, why error) {
	if c.config.OnUnchecked != nil {
		c.config.OnUnchecked(Unchecked{Trial: r.trial(), Receipt: r, Err: why})
	}
}

// unix returns the seconds since 1970; 0 if there is no clock.
func (c *Client) unix() int64 {
	if c.config.Now == nil {
		return 0
	}
	return c.config.Now().Unix()
}

// checkPending checks the receipts of a trial that wait. Those of a list that
// the account may not see, or of another account, wait for one that may; those
// that have waited for long are told.
func (c *Client) checkPending(ctx context.Context, trial string) error {
	receipts, err := c.memory.pending(trial)
	if err != nil {
		return err
	}
	for _, r := range receipts {
		if c.isShut(trial, r.List) {
			continue
		}
		err := c.checkReceipt(ctx, r.Receipt)
		waits := isClosed(err)
		if waits {
			c.shut(trial, r.List)
		}
		switch {
		case waits || errors.Is(err, errAnothers):
			if r.Kept > 0 && c.unix()-r.Kept > int64(patience/time.Second) {
				c.unchecked(r.Receipt, err)
			}
		case err != nil:
			return err
		default:
			if err := c.memory.drop(r.Receipt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) isShut(trial, list string) bool {
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	return c.trials.of(trial).closed[list]
}

func (c *Client) shut(trial, list string) {
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	c.trials.of(trial).closed[list] = true
}

// checkReceipt checks that the entry of a receipt is in the log as it is now, that
// it is what was asked for, and that the log continues what was seen from here.
// Then the head is remembered.
//
// The errors are those of [Client.Follow].
func (c *Client) checkReceipt(ctx context.Context, r Receipt) error {
	if c.verifier == nil {
		return errNoKey
	}
	seen, err := c.seen(r.List) // before the call: nothing older may come in answer
	if err != nil {
		return err
	}
	answer, err := c.Audit().ProveInclusion(ctx, &loddv1.ProveInclusionRequest{
		TrialId: r.trial(), List: r.List, Index: r.Index, OldSize: max(seen.Size, 0),
	})
	if err != nil {
		return err
	}
	now, err := c.given(answer.GetCheckpoint(), r.List, seen)
	if err != nil {
		return err
	}
	f := followed{trial: r.trial(), list: r.List, seen: seen, now: now}
	if err := c.continues(ctx, f, answer.GetConsistency()); err != nil {
		return err
	}
	wrong := finding{
		List: r.List, Remembered: seen.signed, Given: now.signed, Receipt: &r, Entry: answer.GetEntry(),
		Inclusion: answer.GetInclusion(), Consistency: answer.GetConsistency(),
	}
	proof, err := openHashes(answer.GetInclusion())
	if err == nil {
		err = now.CheckRecord(r.Index, [32]byte(r.Leaf), proof)
	}
	if err != nil {
		wrong.Problem = fmt.Sprintf("the server gave a receipt for entry %d, but its log of %d entries doesn't hold it: %v", r.Index, now.Size, err)
		return c.found(wrong)
	}
	if err := c.remember(ctx, f); err != nil {
		return err
	}
	if len(answer.GetEntry()) == 0 && !r.Request.mayBeHidden() && r.Request.Actor != c.config.User {
		return errAnothers
	}
	if err := r.answers(answer.GetEntry()); err != nil {
		wrong.Problem = fmt.Sprintf("the server gave a receipt for entry %d, but that isn't what was asked for: %v", r.Index, err)
		return c.found(wrong)
	}
	return nil
}
