package server

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"

	"github.com/lodd-rct/lodd/server/rpcerr"
)

// deadlines bound how long a call with one answer takes, also if the client sets
// no bound. It is the interceptor around the translated handler.
type deadlines struct {
	limits  Limits
	running sync.WaitGroup // the handlers, also those that nobody waits for any more
}

// unary answers for a handler that takes too long. A handler sees the end in its
// context; one that waits for a disk goes on and finishes what it does, and what it
// has made durable stays so. Whoever repeats the request id then learns of it.
func (d *deadlines) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	limit := d.limits.Call
	if slow(info.FullMethod) {
		limit = d.limits.SlowCall
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	type answer struct {
		resp any
		err  error
	}
	answers := make(chan answer, 1)
	d.running.Go(func() {
		defer cancel()
		resp, err := recoverUnary(ctx, req, info, next)
		answers <- answer{resp, err}
	})
	select {
	case a := <-answers:
		return a.resp, a.err
	case <-timer.C:
		return nil, rpcerr.Wire(rpcerr.ErrTooLong)
	}
}

// wait waits for the handlers, but no longer than ctx.
func (d *deadlines) wait(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.running.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// A leash is how a call is ended from below: what waits for its client returns
// when it is cut, which an interceptor's own context doesn't do.
type leash struct {
	cut   context.CancelCauseFunc
	timer *time.Timer // cuts it
}

type leashKey struct{}

// leashed puts every call on a leash, and cuts those whose request doesn't arrive
// in time: until it has, no interceptor sees them.
func leashed(within time.Duration) tap.ServerInHandle {
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		ctx, cut := context.WithCancelCause(ctx)
		l := &leash{cut, time.AfterFunc(within, func() { cut(rpcerr.ErrSlow) })}
		context.AfterFunc(ctx, func() { l.timer.Stop() })
		return context.WithValue(ctx, leashKey{}, l), nil
	}
}

// leashOf returns the leash of a call. One that came no way from the network has
// none that holds.
func leashOf(ctx context.Context) *leash {
	if l, ok := ctx.Value(leashKey{}).(*leash); ok {
		return l
	}
	return &leash{func(error) {}, time.NewTimer(0)}
}

// held is the interceptor of calls with one answer: it stops waiting for the
// request, which is there, and gives the client as long to take the answer.
func held(limits Limits) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		l := leashOf(ctx)
		l.timer.Stop()
		defer l.timer.Reset(limits.Message)
		return next(ctx, req)
	}
}
