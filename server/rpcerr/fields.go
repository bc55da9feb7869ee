package rpcerr

import (
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/freetext"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/trial"
)

// maxViolations is the most faults that are named: nobody reads on, and they
// travel in a trailer of limited size.
const maxViolations = 100

// A FieldError says which field of a request is wrong. Its text reaches the
// client.
type FieldError struct {
	Field string // path of the field, for example "consent.on"
	Err   error
}

// Field returns err as the error of one field of a request.
func Field(path string, err error) error { return &FieldError{path, err} }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the field.
func (e *FieldError) Unwrap() error { return e.Err }

// A Refusal is sent with its own text, for callers who may know what that
// names. What can be listed beforehand belongs into [Table].
type Refusal struct {
	Code codes.Code
	Text string // what is wrong, and what to do first
}

// Error implements error.
func (e *Refusal) Error() string { return e.Text }

// An IdentifierError says that a field holds a national identity number. It
// doesn't repeat the number.
type IdentifierError struct{ Field string }

// Error implements error.
func (e *IdentifierError) Error() string {
	return e.Field + ": " + identifierText
}

const identifierText = "holds a national identity number, which must not enter this program; take it out"

type violation = errdetails.BadRequest_FieldViolation

// invalid returns the status for the faults of a request, or nil if err has
// none. Errors may be joined: each is then a violation of its own.
func invalid(err error) *status.Status {
	var f faults
	f.collect(err)
	if len(f.violations) == 0 {
		return nil
	}
	s := refusal(codes.InvalidArgument, f.message(), f.reason)
	return with(s, &errdetails.BadRequest{FieldViolations: f.violations[:min(len(f.violations), maxViolations)]})
}

type faults struct {
	violations []*violation
	reason     loddv1.ErrorReason
}

func (f *faults) collect(err error) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself, to find all and not the first
	case *FieldError:
		f.add(e.Field, e.Err.Error())
		if w, ok := errors.AsType[*ledger.Wording](e.Err); ok {
			f.wording(w)
		}
	case *ledger.Wording:
		f.add(e.Field, e.Error())
		f.wording(e)
	case *IdentifierError:
		f.add(e.Field, identifierText)
		f.reason = loddv1.ErrorReason_ERROR_REASON_DIRECT_IDENTIFIER
	case *trial.Invalid:
		f.add(e.Field, e.Problem)
	case *authn.PasswordError:
		f.add("password", e.Text)
	case *protocol.Error:
		f.add(fmt.Sprintf("%s:%d", e.File, e.Line), e.Message)
	case *ledger.Faulty:
		for _, p := range e.Problems {
			f.add("values."+p.Item, p.Message.In("en"))
			f.violations[len(f.violations)-1].LocalizedMessage = &errdetails.LocalizedMessage{Locale: "nb", Message: p.Message.In("nb")}
		}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			f.collect(err)
		}
	case interface{ Unwrap() error }:
		f.collect(e.Unwrap())
	}
}

// wording says of the last violation that it is about the words of a text.
func (f *faults) wording(w *ledger.Wording) {
	f.reason = loddv1.ErrorReason_ERROR_REASON_DIRECT_IDENTIFIER
	if w.Kind == freetext.GiveAway {
		f.reason = loddv1.ErrorReason_ERROR_REASON_GIVE_AWAY
	}
	f.violations[len(f.violations)-1].LocalizedMessage = &errdetails.LocalizedMessage{Locale: "nb", Message: w.Message().NB}
}

func (f *faults) add(field, problem string) {
	f.violations = append(f.violations, &violation{Field: field, Description: problem})
}

func (f *faults) message() string {
	if len(f.violations) == 1 {
		return f.violations[0].GetField() + ": " + f.violations[0].GetDescription()
	}
	return fmt.Sprintf("%d things are wrong with the request; nothing was done", len(f.violations))
}
