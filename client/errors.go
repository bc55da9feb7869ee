package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// ErrNotReached is returned by a call that never left this machine, or was a
// mere question: nothing was done.
var ErrNotReached = errors.New("client: server not reached")

// ErrOutcomeUnknown is wrapped by an [OutcomeError]: what was asked for may or
// may not have been done.
var ErrOutcomeUnknown = errors.New("client: outcome unknown")

// An OutcomeError tells that a call was sent and never answered for good.
// Repeating it with the same request id is safe and finds out.
type OutcomeError struct {
	// RequestID is the id of the request or of the intent; empty if the method
	// has none.
	RequestID string

	// Err is what came instead of an answer. It wraps context.Canceled if the
	// caller gave up.
	Err error
}

// Error implements error.
func (e *OutcomeError) Error() string { return fmt.Sprintf("%v: %v", ErrOutcomeUnknown, e.Err) }

// Unwrap returns ErrOutcomeUnknown and Err.
func (e *OutcomeError) Unwrap() []error { return []error{ErrOutcomeUnknown, e.Err} }

// An Error is the server's refusal of a call.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code

	// Reason is ERROR_REASON_UNSPECIFIED if the server gave none.
	Reason loddv1.ErrorReason

	// Message is for people.
	Message string

	// Fields are the faults of the request, if the server named them.
	Fields []FieldViolation

	// Wait is how long to wait before another attempt, if the server named it.
	Wait time.Duration

	// Number is under which the server's own log tells what happened, if that was a
	// fault of the server.
	Number string
}

// A FieldViolation is what is wrong with one field of a request.
type FieldViolation struct {
	// Field is its name, or the place in a file.
	Field string

	// Message is for people.
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// HasReason reports whether err is the server's refusal for reason r.
func HasReason(err error, r loddv1.ErrorReason) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == r
}

// convert turns the status of a call into an [Error].
func convert(err error) *Error {
	s := status.Convert(err)
	e := &Error{Code: s.Code(), Message: s.Message()}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == "lodd.v1" {
				e.Reason = loddv1.ErrorReason(loddv1.ErrorReason_value["ERROR_REASON_"+d.GetReason()])
			}
		case *errdetails.RetryInfo:
			e.Wait = max(0, d.GetRetryDelay().AsDuration())
		case *errdetails.RequestInfo:
			e.Number = d.GetRequestId()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldViolation{Field: v.GetField(), Message: v.GetDescription()})
			}
		}
	}
	if e.Code == codes.Unavailable || e.Code == codes.DeadlineExceeded {
		e.Message = cause(e.Message)
	}
	return e
}

// cause returns what went wrong with a connection, without what the layers between
// have wrapped around it.
func cause(text string) string {
	const wrapped = `desc = `
	for {
		at := strings.Index(text, wrapped)
		if at < 0 {
			break
		}
		quoted, err := strconv.QuotedPrefix(text[at+len(wrapped):])
		if err != nil {
			break
		}
		if text, err = strconv.Unquote(quoted); err != nil {
			break
		}
	}
	for _, layer := range []string{"transport: ", "Error while dialing: ", "authentication handshake failed: ", "received context error while waiting for new LB policy update: "} {
		text = strings.TrimPrefix(text, layer)
	}
	return text
}

// settled reports whether a refusal is the last word on a request that may
// have been carried out by an earlier attempt. The server looks a request id
// up before it judges the request, so a judgement means that it wasn't. But a
// session that ended, or a server that is busy or ill, refuses before that.
func (e *Error) settled() bool {
	switch e.Code {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange:
		return e.Reason != loddv1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN
	default:
		return false
	}
}

// definite reports whether a refusal tells that the attempt itself did nothing.
func (e *Error) definite() bool { return !e.passing() && e.Code != codes.Canceled }

// passing reports whether the same request may be answered at the next attempt.
func (e *Error) passing() bool {
	return e.Code == codes.Unavailable || e.Code == codes.DeadlineExceeded ||
		e.Reason == loddv1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN
}

// asksToWait reports whether the server did nothing with the attempt but ask for
// another one later, and whether ctx leaves time for it. A sign-in that was refused
// has a wait, too, but that is for its user to think.
func (e *Error) asksToWait(ctx context.Context) bool {
	if e.Wait == 0 || e.Reason != loddv1.ErrorReason_ERROR_REASON_BUSY {
		return false
	}
	waiting, cancel := context.WithTimeout(ctx, e.Wait)
	defer cancel()
	over, _ := waiting.Deadline()
	end, ends := ctx.Deadline()
	return !ends || over.Before(end)
}
