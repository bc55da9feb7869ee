package authn

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A Gate lets calls through that bring the token of a session, as
// "authorization: Bearer <token>" in their metadata, and puts the [Principal]
// in their context. Others end with UNAUTHENTICATED.
type Gate struct {
	Sessions *Sessions
	Now      func() time.Time

	// Open are the methods that need no session, by their full names, as in
	// "/lodd.v1.AuthService/LogIn". Their context never has a principal.
	Open map[string]bool
}

// Unary is the interceptor for calls with one answer.
func (g Gate) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if g.Open[info.FullMethod] {
		return next(ctx, req)
	}
	s, err := g.Sessions.Resolve(Token(ctx), g.Now())
	if err != nil {
		return nil, refused{err}
	}
	return next(WithPrincipal(ctx, s.principal()), req)
}

// Stream is the interceptor for streams. A stream ends with its session: its
// context does at once if the session is ended, each message is checked, and
// what the client sends counts as use.
func (g Gate) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if g.Open[info.FullMethod] {
		return next(srv, ss)
	}
	token := Token(ss.Context())
	s, err := g.Sessions.Resolve(token, g.Now())
	if err != nil {
		return refused{err}
	}
	ctx, free := g.Sessions.bind(WithPrincipal(ss.Context(), s.principal()), token)
	defer free()
	err = next(srv, &stream{ss, ctx, g, token})
	if err != nil && errors.Is(context.Cause(ctx), ErrNoSession) {
		return refused{ErrNoSession}
	}
	return err
}

func (s Session) principal() Principal {
	return Principal{User: s.User, Session: s.ID, SecondFactor: s.SecondFactor}
}

// stream is a stream that belongs to a session. The context is a field because
// a grpc.ServerStream has to answer with one.
type stream struct {
	grpc.ServerStream
	ctx   context.Context
	gate  Gate
	token string
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) SendMsg(m any) error {
	if _, err := s.gate.Sessions.Peek(s.token, s.gate.Now()); err != nil {
		return refused{err}
	}
	return s.ServerStream.SendMsg(m)
}

func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if _, err := s.gate.Sessions.Resolve(s.token, s.gate.Now()); err != nil {
		return refused{err}
	}
	return nil
}

// Token returns the token that a call brings, or "", which no session has. A
// call with two of them brings none.
func Token(ctx context.Context) string {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// refused is [ErrNoSession] or [ErrExpired] on its way out. It is a gRPC status
// too, so that the code is right with and without the server's table of errors.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

func (r refused) GRPCStatus() *status.Status {
	return status.New(codes.Unauthenticated, strings.TrimPrefix(r.Error(), "authn: "))
}
