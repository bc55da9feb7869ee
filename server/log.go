package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/telemetry"
	"github.com/lodd-rct/lodd/server/trial"
)

// A callLog writes one line for each call, and nothing of what was asked or
// answered: both name participants.
type callLog struct {
	log     zerolog.Logger
	now     func() time.Time
	random  io.Reader
	metrics *telemetry.Metrics
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
	return resp, l.write(info.FullMethod, start, about, err)
}

// stream logs a stream when it has ended.
func (l callLog) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start, about := l.now(), &line{}
	err := next(srv, contextStream{ss, context.WithValue(ss.Context(), lineKey{}, about)})
	return l.write(info.FullMethod, start, about, err)
}

// contextStream is a stream with another context, which is a field because a
// grpc.ServerStream has to answer with one.
type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s contextStream) Context() context.Context { return s.ctx }

// RecvMsg fails in our words if gRPC, which is next below, finds no request or
// more than one: that is no fault of the server's own.
func (s contextStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if status.Code(err) == codes.Internal {
		return rpcerr.Wire(rpcerr.ErrUnreadable)
	}
	return err
}

// write writes the line and returns the error as the caller gets it.
func (l callLog) write(method string, start time.Time, about *line, err error) error {
	if ofTeam(method) {
		about.subject, about.request = "", ""
	}
	if err != nil && ownFault(status.Code(err)) {
		about.request = cmp.Or(about.request, l.number())
		err = rpcerr.Numbered(err, about.request)
	}
	code, elapsed := status.Code(err), l.now().Sub(start)
	level, text := level(code), ""
	if level == zerolog.ErrorLevel {
		text = about.clean(err.Error())
	}
	l.log.WithLevel(level).
		Time("time", start).
		Str("method", method).
		Stringer("code", code).
		Int64("elapsed_ms", elapsed.Milliseconds()).
		Str("request_id", about.request).
		Str("subject", about.subject).
		Str("trial_id", about.trial).
		Str("error", text).
		Msg("call")
	l.metrics.Called(telemetry.Call{Method: method, Class: classOf(method), Code: code, Elapsed: elapsed})
	return err
}

// ofTeam reports whether a method is one by which treatment teams act on a
// participant. Who called it isn't logged, nor the request's id: beside the database
// the line would tell of which team's arm the participant is. Its faults have a
// number of their own.
func ofTeam(method string) bool {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service == loddv1.DeliveryService_ServiceDesc.ServiceName || method == loddv1.SafetyService_ReportAdverseEvent_FullMethodName
}

// ownFault reports whether a caller is told nothing but a number, under which the
// log has the rest.
func ownFault(c codes.Code) bool {
	return c == codes.Internal || c == codes.Unknown || c == codes.DataLoss
}

// number returns a new number for a call that has none: its caller can't know it
// beforehand. It is a random UUID, as the numbers of requests are.
func (l callLog) number() string {
	var b [16]byte
	if _, err := io.ReadFull(l.random, b[:]); err != nil {
		return "" // the line is found by its time
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// level tells the caller's mistakes from the server's. Only the latter are
// logged with their text.
func level(c codes.Code) zerolog.Level {
	switch {
	case c == codes.OK:
		return zerolog.InfoLevel
	case ownFault(c), c == codes.Unavailable:
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
