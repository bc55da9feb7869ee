package server

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/server/rpcerr"
)

// A check looks at a request before its handler does. It returns the context
// for the handler, or a status.
type check func(ctx context.Context, method string, req any) (context.Context, error)

// unary applies a check to calls with one answer.
func (c check) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := c(ctx, info.FullMethod, req)
	if err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// stream applies a check to the request of a stream of answers. Nothing is
// sent before it.
func (c check) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &checkedStream{ServerStream: ss, ctx: ss.Context(), method: info.FullMethod, check: c})
}

// checkedStream is a stream whose request is checked when it is received. The
// context is a field because a grpc.ServerStream has to answer with one.
type checkedStream struct {
	grpc.ServerStream
	ctx    context.Context
	method string
	check  check
	passed bool
}

func (s *checkedStream) Context() context.Context { return s.ctx }

func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	// What is below has seen the request too: its context is the newer one.
	ctx, err := s.check(s.ServerStream.Context(), s.method, m)
	if err != nil {
		return err
	}
	s.ctx, s.passed = ctx, true
	return nil
}

func (s *checkedStream) SendMsg(m any) error {
	if !s.passed {
		return status.Error(codes.PermissionDenied, rpcerr.ErrDenied.Error())
	}
	return s.ServerStream.SendMsg(m)
}

// translateUnary turns the handler's error into a status. It runs innermost,
// so that it sees no status of another interceptor.
func translateUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	return resp, rpcerr.Wire(err)
}

// translateStream does the same for streams. What the stream itself fails with
// is a status already.
func translateStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s := &failingStream{ServerStream: ss}
	err := next(srv, s)
	if err != nil && s.err != nil && errors.Is(err, s.err) {
		return s.err
	}
	return rpcerr.Wire(err)
}

// failingStream remembers what the stream failed with.
type failingStream struct {
	grpc.ServerStream
	err error
}

func (s *failingStream) RecvMsg(m any) error { return s.note(s.ServerStream.RecvMsg(m)) }

func (s *failingStream) SendMsg(m any) error { return s.note(s.ServerStream.SendMsg(m)) }

func (s *failingStream) note(err error) error {
	if err != nil {
		s.err = err
	}
	return err
}

// recoverUnary turns a panic into an internal error, so that one request can't
// end the service for everybody.
func recoverUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, rpcerr.Wire(panicked(v))
		}
	}()
	return next(ctx, req)
}

// recoverStream does the same for streams.
func recoverStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = rpcerr.Wire(panicked(v))
		}
	}()
	return next(srv, ss)
}

// panicked returns the error for a panic: what happened and where. A stack as
// the runtime prints it holds arguments, a value may hold anything, and an index
// out of range may be that of an arm; each might tell one.
func panicked(v any) error {
	what := fmt.Sprintf("panic with a %T", v)
	if e, ok := v.(runtime.Error); ok {
		what = "panic: " + withoutNumbers(e.Error())
	}
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	var at []string
	for {
		f, more := frames.Next()
		at = append(at, fmt.Sprintf("%s:%d", f.Function, f.Line))
		if !more {
			break
		}
	}
	return fmt.Errorf("%s at %s", what, strings.Join(at, " < "))
}

// withoutNumbers returns a text with every digit struck out.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '#'
		}
		return r
	}, text)
}
