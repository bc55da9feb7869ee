// Package rpcerr is the one place where an error becomes a gRPC status.
//
// A client acts on the code and the reason of a status, and a person reads its
// message. What was wrapped around an error names participants, files and
// peers; it is for the server's own log and never travels.
package rpcerr

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Domain is the domain of the reasons of refusal.
const Domain = "lodd.v1"

// These refusals have no other package to come from.
var (
	// ErrCodeNeeded is told to whoever has given the right password, or the token
	// of the right identity, where the account has a second factor.
	ErrCodeNeeded = errors.New("the account has a second factor; give a code of it, or a recovery code, as well")
	// ErrCodeWrong is told to the same people. A code works once.
	ErrCodeWrong = errors.New("the code is wrong, or was used already; wait for the next one, and see that the clock of your device is right")
	// ErrFactorNeeded is the answer in a session without a second factor that the
	// account needs.
	ErrFactorNeeded = errors.New("your account needs a second factor for this; get one with lodd session factor")
	// ErrNoEnrolment is the answer to the confirmation of a second factor that
	// was not begun in the caller's session, or too long ago, or guessed at.
	ErrNoEnrolment = errors.New("there is no second factor to confirm; begin anew, and give its code within ten minutes")
	// ErrNoProvider is the answer where there is no identity provider.
	ErrNoProvider = errors.New("this server has no identity provider; sign in with a password")
	// ErrIdentity is told to whoever the identity provider vouches for, but who has
	// no account here that is tied to it, or has tied another one.
	ErrIdentity = errors.New("no account in use is tied to this identity; join with an invitation, or sign in with the account's own identity or password")

	// ErrDiskLow is the answer to whoever would begin a trial on a disk that is
	// nearly full.
	ErrDiskLow = errors.New("the server's disk is nearly full; no trial was made, and all else goes on; tell the administrator")

	// ErrSignIn is the one answer to a failed sign-in: it doesn't tell whether
	// the account exists, has ended, or has another password.
	ErrSignIn = errors.New("the user name or the password is wrong")
	// ErrDenied is the answer to whoever may not do what was asked.
	ErrDenied = errors.New("permission denied")
	// ErrLimit is the answer to a caller who sends too many requests. It is sent
	// as a [LimitError].
	ErrLimit = errors.New("too many requests; nothing was done, wait a little and try again")
	// ErrStreams is the answer to a caller who has too many streams open, or to
	// anybody while all together have.
	ErrStreams = errors.New("too many downloads are under way; nothing was done, wait for one to end and try again")
	// ErrTooLong is the answer to a call that outlived the server's patience. What
	// it asked for may be done all the same.
	ErrTooLong = errors.New("the server took too long; whether it was done is not known yet, ask again with the same request id")
	// ErrSlow ends a stream whose client doesn't take what is sent, or whose life is
	// over.
	ErrSlow = errors.New("the answer was not taken in time; ask for it again")
	// ErrUnreadable is the answer to bytes that are no request of the method.
	ErrUnreadable = errors.New("the request can't be read; nothing was done, use a client of this server's version")
)

// A LimitError is an [ErrLimit] that says when to try again.
type LimitError struct{ For time.Duration }

// Error implements error.
func (e *LimitError) Error() string { return ErrLimit.Error() }

// Unwrap returns ErrLimit.
func (e *LimitError) Unwrap() error { return ErrLimit }

// Status returns the status to send for err, which isn't nil.
//
// A listed error is sent with the text of the list and never with what was
// wrapped around it. A [Refusal] is sent with its own text. Faults of a request are sent with the field that each is
// in. Any other error is INTERNAL, without its text; that includes a status of
// someone else, whose text would name peers.
func Status(err error) *status.Status {
	switch { // what a store says of a key reaches callers as of an entry
	case errors.Is(err, store.ErrUnknown):
		err = ledger.ErrUnknown
	case errors.Is(err, store.ErrFull):
		err = ledger.ErrFull
	case errors.Is(err, store.ErrRefused):
		err = ledger.ErrBusy
	}
	for _, row := range outcomes() { // first: these wrap others
		if errors.Is(err, row.Err) {
			return row.status()
		}
	}
	if wait, ok := errors.AsType[*authn.WaitError](err); ok {
		s := refusal(codes.ResourceExhausted, text(wait), loddv1.ErrorReason_ERROR_REASON_SLOW_DOWN)
		return with(s, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait.For)})
	}
	if l, ok := errors.AsType[*LimitError](err); ok {
		s := refusal(codes.ResourceExhausted, text(l), loddv1.ErrorReason_ERROR_REASON_BUSY)
		return with(s, &errdetails.RetryInfo{RetryDelay: durationpb.New(l.For)})
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return status.New(r.Code, r.Text)
	}
	if s := invalid(err); s != nil {
		return s
	}
	if e, ok := errors.AsType[*trial.NotReady](err); ok { // what is missing is no secret, and the point
		return refusal(codes.FailedPrecondition, e.Error(), loddv1.ErrorReason_ERROR_REASON_NOT_READY)
	}
	for _, row := range Table() {
		if errors.Is(err, row.Err) {
			return row.status()
		}
	}
	return status.New(codes.Internal, internal)
}

// internal is all that a caller is told of an error of the server's own.
const internal = "internal error"

func (r Row) status() *status.Status { return refusal(r.Code, text(r.Err), r.Reason) }

// refusal returns a status with its reason, if it has one.
func refusal(c codes.Code, message string, r loddv1.ErrorReason) *status.Status {
	s := status.New(c, message)
	if r == loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		return s
	}
	return with(s, &errdetails.ErrorInfo{Domain: Domain, Reason: strings.TrimPrefix(r.String(), "ERROR_REASON_")})
}

// with adds a detail to a status.
func with(s *status.Status, detail protoadapt.MessageV1) *status.Status {
	d, err := s.WithDetails(detail)
	if err != nil {
		return s // only if s were OK, which no refusal is
	}
	return d
}

// text returns what an error says to people: the name of its package is for
// programmers, and so are the words of package context.
func text(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrTooLong
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "authn: "), "openid: ")
}

// A wireError is sent as its status and logged as its cause.
type wireError struct {
	status *status.Status
	cause  error
}

// Wire returns err as it is to leave a handler: a gRPC status for the caller,
// while its text stays that of err for the server's log. It returns nil for
// nil.
func Wire(err error) error {
	if err == nil {
		return nil
	}
	return &wireError{Status(err), err}
}

func (e *wireError) Error() string              { return e.cause.Error() }
func (e *wireError) Unwrap() error              { return e.cause }
func (e *wireError) GRPCStatus() *status.Status { return e.status }

// Numbered returns err, which isn't nil, as it is to leave the server. If it is
// one of the server's own, and so says nothing, it bears the number under which
// the log tells the rest. What nobody has translated is the server's own as well.
func Numbered(err error, number string) error {
	switch status.Code(err) {
	case codes.Unknown, codes.Internal, codes.DataLoss:
		s := status.New(codes.Internal, internal)
		if number != "" {
			s = with(s, &errdetails.RequestInfo{RequestId: number})
		}
		return &wireError{s, err}
	default:
		return err
	}
}
