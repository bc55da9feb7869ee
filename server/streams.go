package server

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"

	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// streams bound the streams that are open: how many, and for how long. Each holds
// a goroutine and may hold the state of a trial.
type streams struct {
	limits Limits

	mu    sync.Mutex // guards open and total
	open  map[string]int
	total int // of accounts
}

func newStreams(l Limits) *streams { return &streams{limits: l, open: map[string]int{}} }

// enter counts a caller's stream, unless too many are open. Machines that follow
// count for themselves: people can't take their places.
func (s *streams) enter(caller string, machine bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[caller] >= s.limits.StreamsPerUser || !machine && s.total >= s.limits.Streams {
		return false
	}
	s.open[caller]++
	if !machine {
		s.total++
	}
	return true
}

func (s *streams) leave(caller string, machine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[caller]--; s.open[caller] == 0 {
		delete(s.open, caller)
	}
	if !machine {
		s.total--
	}
}

// count returns how many streams are open.
func (s *streams) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		n += k
	}
	return n
}

// stream is the interceptor. It runs below the checks, so that only a stream which
// its caller may have takes a place.
func (s *streams) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	b := &boundedStream{ServerStream: ss, streams: s, leash: leashOf(ss.Context())}
	defer b.leave()
	err := next(srv, b)
	return cutOff(b.Context(), err)
}

// cutOff says why a stream ended if it was cut: what failed then is the
// consequence.
func cutOff(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), rpcerr.ErrSlow) {
		return rpcerr.Wire(rpcerr.ErrSlow)
	}
	return err
}

// boundedStream is a stream that takes a place once its request has been let
// through.
type boundedStream struct {
	grpc.ServerStream
	streams *streams
	leash   *leash

	entered bool
	caller  string
	machine bool

	ctx context.Context // ends with the stream's life; nil before that begins
	end context.CancelFunc
}

func (b *boundedStream) Context() context.Context {
	if b.ctx == nil {
		return b.ServerStream.Context()
	}
	return b.ctx
}

func (b *boundedStream) RecvMsg(m any) error {
	if err := b.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if b.entered {
		return nil
	}
	b.leash.timer.Stop() // the request is there
	p, ok := authn.FromContext(b.Context())
	b.caller, b.machine = p.User, !ok
	if b.machine { // the guard knows it by its certificate
		b.caller = " " + host(b.Context())
	}
	if b.entered = b.streams.enter(b.caller, b.machine); !b.entered {
		return rpcerr.Wire(rpcerr.ErrStreams)
	}
	if !b.machine {
		b.ctx, b.end = context.WithTimeoutCause(b.ServerStream.Context(), b.streams.limits.Stream, rpcerr.ErrSlow)
	}
	return nil
}

// SendMsg sends one message. A client that doesn't take it in time is left.
func (b *boundedStream) SendMsg(m any) error {
	if err := b.Context().Err(); err != nil {
		return cutOff(b.Context(), rpcerr.Wire(err))
	}
	b.leash.timer.Reset(b.streams.limits.Message)
	defer b.leash.timer.Stop()
	return b.ServerStream.SendMsg(m)
}

func (b *boundedStream) leave() {
	if b.end != nil {
		b.end()
	}
	if b.entered {
		b.streams.leave(b.caller, b.machine)
	}
}
