package client

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Unchecked is a receipt that could not be checked. It was kept, and is checked
// at the next chance.
type Unchecked struct {
	Receipt

	// Err is why; it tells nothing about the log.
	Err error
}

// trials is what this process has found out about each trial.
type trials struct {
	mu   sync.Mutex // guards the map and what is in it
	byID map[string]*checkedTrial
}

// A checkedTrial is whether the log of a trial is what it was. Its fields are
// guarded by the mutex of trials.
type checkedTrial struct {
	running chan struct{} // closed when the check that runs now has ended; nil if none does
	done    bool          // the server has answered
	refusal *LogError     // no call is made any more
	closed  map[string]bool
}

// of returns what is known about a trial.
func (t *trials) of(id string) *checkedTrial {
	if t.byID == nil {
		t.byID = map[string]*checkedTrial{}
	}
	if t.byID[id] == nil {
		t.byID[id] = &checkedTrial{closed: map[string]bool{}}
	}
	return t.byID[id]
}

// remembers reports whether there is what it takes to be a witness of the log.
func (c *Client) remembers() bool { return c.verifier != nil && c.config.Checkpoints != "" }

// checkKey marks the context of the calls by which the client checks.
type checkKey struct{}

// checking returns a context for such calls. They get no more time than one
// attempt of another call: a check must not keep anybody from working.
func (c *Client) checking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, checkKey{}, true), c.config.Attempt)
}

// unary is the outer interceptor of calls with one answer.
func (c *Client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !c.remembers() || ctx.Value(checkKey{}) != nil {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	trial := trialOf(req)
	if err := c.first(ctx, trial); err != nil {
		return err
	}
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	return c.checkAnswer(ctx, req, reply)
}

// stream is the outer interceptor of calls with many answers.
func (c *Client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !c.remembers() || ctx.Value(checkKey{}) != nil {
		return open(ctx, desc, cc, method, opts...)
	}
	ctx, cancel := context.WithCancel(ctx)
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &checkedStream{s, c, cancel}, nil
}

// A checkedStream makes sure of the log before it sends its request.
type checkedStream struct {
	grpc.ClientStream
	client *Client
	cancel context.CancelFunc // lets go of the stream
}

// SendMsg implements grpc.ClientStream.
func (s *checkedStream) SendMsg(m any) error {
	if err := s.client.first(s.Context(), trialOf(m)); err != nil {
		s.cancel()
		return err
	}
	return s.ClientStream.SendMsg(m)
}

// RecvMsg implements grpc.ClientStream.
func (s *checkedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		s.cancel()
	}
	return err
}

// trialOf returns the trial that a request is about; empty if it names none.
func trialOf(req any) string {
	if r, ok := req.(interface{ GetTrialId() string }); ok {
		return r.GetTrialId()
	}
	return ""
}

// first checks, before the first call about a trial, that its log continues
// what was seen from here. It returns an error if it doesn't, and to every
// later call as well. If the server can't be asked the call may go on: it will
// fail as it would have.
func (c *Client) first(ctx context.Context, trial string) error {
	if trial == "" {
		return nil
	}
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	t := c.trials.of(trial)
	if running := t.running; running != nil {
		c.trials.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
		}
		c.trials.mu.Lock()
		return t.refused()
	}
	if t.done || t.refusal != nil {
		return t.refused()
	}
	t.running = make(chan struct{})
	c.trials.mu.Unlock()
	err := c.checkTrial(ctx, trial)
	c.trials.mu.Lock()
	close(t.running)
	t.running = nil
	wrong, ok := errors.AsType[*LogError](err)
	switch {
	case ok:
		t.refusal = wrong
	case err != nil && !isRemote(err):
		return err // what was seen can't be read: the user would work unprotected
	}
	t.done = t.done || err == nil
	return t.refused()
}

func (t *checkedTrial) refused() error {
	if t.refusal == nil {
		return nil // and not a nil *LogError
	}
	return t.refusal
}

// refuse makes every later call about a trial fail.
func (c *Client) refuse(trial string, err *LogError) error {
	c.trials.mu.Lock()
	defer c.trials.mu.Unlock()
	c.trials.of(trial).refusal = err
	return err
}

// isRemote reports whether an error came from the server, or from the way to it.
func isRemote(err error) bool {
	_, refusal := errors.AsType[*Error](err)
	_, stranger := errors.AsType[*CertificateError](err)
	return refusal || stranger || errors.Is(err, ErrNotReached) || errors.Is(err, ErrOutcomeUnknown)
}

// isClosed reports whether an error says that the account may not see a list.
func isClosed(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == codes.NotFound || e.Code == codes.PermissionDenied) && !errors.Is(err, ErrNotReached)
}

// checkTrial checks the lists of a trial that are remembered, and the list of
// accounts if it is; then the receipts that wait.
func (c *Client) checkTrial(ctx context.Context, trial string) error {
	ctx, cancel := c.checking(ctx)
	defer cancel()
	lists, err := c.memory.lists(trial)
	if err != nil {
		return err
	}
	for _, list := range append(lists, "system") {
		if seen, err := c.seen(list); err != nil || seen.Size < 0 {
			if err != nil {
				return err
			}
			continue
		}
		_, err := c.Follow(ctx, trial, list)
		if e, ok := errors.AsType[*Error](err); ok && e.Code == codes.NotFound && list == trial+"/conduct" {
			// Whoever is let into a trial may verify conduct.
			return c.found(finding{List: list, Problem: "the server doesn't show this list any more, which every trial has"})
		}
		if err != nil && !isClosed(err) {
			return err
		}
	}
	return c.checkPending(ctx, trial)
}

// checkAnswer checks the receipt in an answer, if it has one.
func (c *Client) checkAnswer(ctx context.Context, req, reply any) error {
	answer, ok := reply.(interface{ GetReceipt() *loddv1.Receipt })
	if !ok || answer.GetReceipt() == nil && requestID(req) == "" {
		return nil // a question
	}
	trial := trialOf(req)
	r, err := openReceipt(answer.GetReceipt())
	if err == nil && trial != "" && r.trial() != trial {
		err = fmt.Errorf("the receipt is of the list %q", r.List)
	}
	if err != nil {
		return c.refuse(trial, c.found(finding{List: trial, Problem: "the server says that it is done, but " + err.Error()}))
	}
	ctx, cancel := c.checking(ctx)
	defer cancel()
	err = c.CheckReceipt(ctx, r)
	if wrong, ok := errors.AsType[*LogError](err); ok {
		return c.refuse(r.trial(), wrong)
	}
	if err != nil {
		c.postpone(r, err)
		return nil
	}
	err = c.checkPending(ctx, r.trial())
	if wrong, ok := errors.AsType[*LogError](err); ok {
		return c.refuse(r.trial(), wrong)
	}
	return nil // what waits, waits on; this one is done and found
}

// postpone keeps a receipt for later, and says so.
func (c *Client) postpone(r Receipt, why error) {
	if err := c.memory.keep(r); err != nil {
		why = errors.Join(why, err)
	}
	if c.config.OnUnchecked != nil {
		c.config.OnUnchecked(Unchecked{r, why})
	}
}

// checkPending checks the receipts of a trial that wait. Those of a list that
// the account may not see wait for one that may.
func (c *Client) checkPending(ctx context.Context, trial string) error {
	receipts, err := c.memory.pending(trial)
	if err != nil {
		return err
	}
	for _, r := range receipts {
		if c.isShut(trial, r.List) {
			continue
		}
		err := c.CheckReceipt(ctx, r)
		switch {
		case isClosed(err):
			c.shut(trial, r.List)
		case err != nil:
			return err
		default:
			if err := c.memory.drop(r); err != nil {
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

// CheckReceipt checks that the entry of a receipt is in the log as it is now, and
// that the log continues what was seen from here. Then the head is remembered.
//
// The errors are those of [Client.Follow].
func (c *Client) CheckReceipt(ctx context.Context, r Receipt) error {
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
	if err := c.continues(r.List, seen, now, answer.GetConsistency()); err != nil {
		return err
	}
	proof, err := openHashes(answer.GetInclusion())
	if err == nil {
		err = now.CheckRecord(r.Index, [32]byte(r.Leaf), proof)
	}
	if err != nil {
		return c.found(finding{
			List: r.List, Remembered: seen.signed, Given: now.signed, Receipt: &r, Inclusion: answer.GetInclusion(), Consistency: answer.GetConsistency(),
			Problem: fmt.Sprintf("the server gave a receipt for entry %d, but its log of %d entries doesn't hold it: %v", r.Index, now.Size, err),
		})
	}
	return c.memory.save(r.List, []byte(now.signed), now.Size, c.openCheckpoint)
}
