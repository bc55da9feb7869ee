package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A Retry tells that a call wasn't answered and will be repeated.
type Retry struct {
	// RequestID is the id that the call bears each time; empty if it has none.
	RequestID string

	// Busy tells that the server answered after all: it did nothing, and asked to
	// be asked again after Wait.
	Busy bool

	// Sent tells whether an attempt has left this machine, so that the request
	// may have been carried out.
	Sent bool

	// Wait is how long until the next attempt.
	Wait time.Duration
}

// NewRequestID reads a random UUID (version 4) from random, as text.
//
// Source: RFC 9562 (2024), section 5.4.
func NewRequestID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("client: read request id: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// caller makes calls.
type caller struct {
	config Config
	server *pinned
}

// unary is the interceptor of calls with one answer. A call with a request id
// is repeated while the server can't be reached; any other is made once. Either is
// repeated if the server refuses it for now and says for how long.
func (c caller) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
	}
	var sent atomic.Bool
	ctx = context.WithValue(ctx, sentKey{}, &sent)
	id := requestID(req)
	for attempt := 0; ; attempt++ {
		again := sent.Load()
		err := c.attempt(ctx, id, func(ctx context.Context) error {
			return invoke(ctx, method, req, reply, cc, opts...)
		})
		if err == nil {
			return nil
		}
		refusal := convert(err)
		wait, busy := backoffAfter(attempt), refusal.asksToWait(ctx)
		switch {
		case !sent.Load() && c.server.refused.Load() != nil:
			return c.server.refused.Load()
		case busy: // what came of earlier attempts is as unknown as before
			wait = refusal.Wait
			sent.Store(again)
		case refusal.settled(), !again && refusal.definite():
			return refusal
		case id == "" || ctx.Err() != nil || !refusal.passing():
			return c.lost(ctx, lostCall{method, id, sent.Load(), refusal})
		}
		if c.config.OnRetry != nil {
			c.config.OnRetry(Retry{RequestID: id, Busy: busy, Sent: sent.Load(), Wait: wait})
		}
		if !sleep(ctx, wait) {
			return c.lost(ctx, lostCall{method, id, sent.Load(), refusal})
		}
		if attempt == 0 {
			// A connection that comes back during an attempt is used at once.
			opts = append(opts[:len(opts):len(opts)], grpc.WaitForReady(true))
		}
	}
}

// attempt invokes once. Only a call that can be repeated is cut short.
func (c caller) attempt(ctx context.Context, id string, invoke func(context.Context) error) error {
	if id != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Attempt)
		defer cancel()
	}
	return invoke(ctx)
}

// lostCall is a call that got no answer.
type lostCall struct {
	method  string
	id      string
	sent    bool
	refusal *Error
}

// lost says what a call without an answer means for the caller.
func (c caller) lost(ctx context.Context, call lostCall) error {
	var cause error = call.refusal
	if err := ctx.Err(); err != nil {
		cause = fmt.Errorf("%w (%w)", err, call.refusal)
	}
	if call.sent && (call.id != "" || writes(call.method)) {
		return &OutcomeError{RequestID: call.id, Err: cause}
	}
	return fmt.Errorf("%w: %w", ErrNotReached, cause)
}

// stream is the interceptor of calls with many answers, which are never
// repeated here.
func (c caller) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	return converted{s, func(err error) error { return c.broken(ctx, err) }}, nil
}

// broken turns the error of a stream into what the caller acts on.
func (c caller) broken(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	refusal := convert(err)
	switch {
	case !refusal.passing() && ctx.Err() == nil:
		return refusal
	case c.server.refused.Load() != nil:
		return c.server.refused.Load()
	}
	return c.lost(ctx, lostCall{refusal: refusal})
}

// converted is a stream with our errors.
type converted struct {
	grpc.ClientStream
	convert func(error) error
}

// RecvMsg implements grpc.ClientStream.
func (s converted) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return s.convert(err)
	}
	return nil
}

// requestID returns the id by which the server knows a request again; empty if
// it has none.
func requestID(req any) string {
	switch req := req.(type) {
	case interface{ GetRequestId() string }:
		return req.GetRequestId()
	case *loddv1.CommitRandomizationRequest:
		return req.GetIntentId()
	}
	return ""
}

// writes reports whether a method without a request id changes something, so
// that no answer is no proof that nothing was done.
func writes(method string) bool {
	switch method {
	case loddv1.AuditService_AddCosignature_FullMethodName,
		loddv1.AuditService_ReportCheckpoint_FullMethodName,
		loddv1.SessionService_Join_FullMethodName,
		loddv1.SessionService_Login_FullMethodName,
		loddv1.SessionService_Logout_FullMethodName,
		loddv1.PeopleService_CreateInvite_FullMethodName,
		loddv1.PeopleService_DisableAccount_FullMethodName,
		loddv1.PeopleService_GrantRole_FullMethodName,
		loddv1.PeopleService_RevokeRole_FullMethodName,
		loddv1.PeopleService_HandOver_FullMethodName,
		loddv1.PeopleService_ProposeRecovery_FullMethodName,
		loddv1.PeopleService_ApproveRecovery_FullMethodName,
		loddv1.SessionService_BeginOIDC_FullMethodName,
		loddv1.SessionService_LoginOIDC_FullMethodName,
		loddv1.SessionService_Recover_FullMethodName,
		loddv1.SessionService_EnrolFactor_FullMethodName,
		loddv1.SessionService_ConfirmFactor_FullMethodName,
		loddv1.SessionService_ChangePassword_FullMethodName,
		loddv1.SessionService_StepUp_FullMethodName,
		loddv1.SessionService_SetNoticeAddress_FullMethodName:
		return true
	}
	return false
}

// backoffAfter returns the wait after an attempt, counted from 0: 1, 2, 4, 8
// and then 15 seconds.
func backoffAfter(attempt int) time.Duration {
	if attempt > 3 {
		return 15 * time.Second
	}
	return time.Second << attempt
}

// sleep waits and reports whether the context outlived the wait.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sentKey is the key of an *atomic.Bool in the context of a call, which is set
// once the call has gone to a connection.
type sentKey struct{}

// sentHandler watches calls leave.
type sentHandler struct{}

// TagRPC implements stats.Handler.
func (sentHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (sentHandler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); ok {
		if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
			sent.Store(true)
		}
	}
}

// TagConn implements stats.Handler.
func (sentHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (sentHandler) HandleConn(context.Context, stats.ConnStats) {}
