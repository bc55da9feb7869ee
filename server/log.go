package server

import (
	"context"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/trial"
)

// A callLog writes one line for each call, and nothing of what was asked or
// answered: both name participants.
type callLog struct {
	log zerolog.Logger
	now func() time.Time
}

// A line is what the interceptors below learn about a call for its line.
type line struct {
	subject, trial, request string
	names                   []string // of participants, which must not stand in the line
}

type lineKey struct{}

// unary logs a call with one answer.
func (l callLog) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start, about := l.now(), &line{}
	resp, err := next(context.WithValue(ctx, lineKey{}, about), req)
	l.write(info.FullMethod, start, about, err)
	return resp, err
}

// stream logs a stream when it has ended.
func (l callLog) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start, about := l.now(), &line{}
	err := next(srv, contextStream{ss, context.WithValue(ss.Context(), lineKey{}, about)})
	l.write(info.FullMethod, start, about, err)
	return err
}

// contextStream is a stream with another context, which is a field because a
// grpc.ServerStream has to answer with one.
type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s contextStream) Context() context.Context { return s.ctx }

func (l callLog) write(method string, start time.Time, about *line, err error) {
	code := status.Code(err)
	level, text := level(code), ""
	if level == zerolog.ErrorLevel {
		text = about.clean(err.Error())
	}
	l.log.WithLevel(level).
		Time("time", start).
		Str("method", method).
		Stringer("code", code).
		Int64("elapsed_ms", l.now().Sub(start).Milliseconds()).
		Str("request_id", about.request).
		Str("subject", about.subject).
		Str("trial_id", about.trial).
		Str("error", text).
		Msg("call")
}

// level tells the caller's mistakes from the server's. Only the latter are
// logged with their text.
func level(c codes.Code) zerolog.Level {
	switch c {
	case codes.OK:
		return zerolog.InfoLevel
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.Unavailable:
		return zerolog.ErrorLevel
	default:
		return zerolog.WarnLevel
	}
}

// clean takes the participants out that the request named.
func (l *line) clean(text string) string {
	for _, name := range l.names {
		text = strings.ReplaceAll(text, name, "[participant]")
	}
	return text
}

// learn notes who calls and what about. It is a [check] that refuses nothing.
// What isn't well-formed is left out: a log line is no place for it.
func learn(ctx context.Context, _ string, req any) (context.Context, error) {
	about, ok := ctx.Value(lineKey{}).(*line)
	if !ok {
		return ctx, nil
	}
	if p, ok := authn.FromContext(ctx); ok {
		about.subject = p.User
	}
	if r, ok := req.(interface{ GetTrialId() string }); ok {
		if id, err := trial.ParseID(r.GetTrialId()); err == nil {
			about.trial = string(id)
		}
	}
	for _, id := range requestIDs(req) {
		if parsed, err := trial.ParseRequestID(id); err == nil {
			about.request = parsed.String()
		}
	}
	for _, name := range participants(req) {
		if name != "" {
			about.names = append(about.names, name)
		}
	}
	return ctx, nil
}

func requestIDs(req any) (ids []string) {
	if r, ok := req.(interface{ GetRequestId() string }); ok {
		ids = append(ids, r.GetRequestId())
	}
	if r, ok := req.(interface{ GetIntentId() string }); ok {
		ids = append(ids, r.GetIntentId())
	}
	return ids
}

func participants(req any) (names []string) {
	if r, ok := req.(interface{ GetParticipant() string }); ok {
		names = append(names, r.GetParticipant())
	}
	if r, ok := req.(interface{ GetConfirm() string }); ok {
		names = append(names, r.GetConfirm())
	}
	return names
}
