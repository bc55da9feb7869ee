package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/client/openid"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// The exit codes. Scripts rely on them: they never change their meaning.
const (
	exitDone        = 0
	exitOther       = 1
	exitUsage       = 2
	exitSignIn      = 3
	exitNotAllowed  = 4
	exitNotFound    = 5
	exitConflict    = 6
	exitInvalid     = 7
	exitNotVerified = 8
	exitNotReached  = 9
	exitUnknown     = 10
	exitInterrupted = 130
)

// usageError is a command line that can't be carried out.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// invalidError is a file or an answer that isn't valid. Its faults, which may
// be none, are printed below it.
type invalidError struct {
	message string
	faults  []string
}

func (e *invalidError) Error() string { return e.message }

// notVerifiedError is evidence that doesn't hold.
type notVerifiedError struct {
	message  string
	stranger bool // another key signed it
}

func (e *notVerifiedError) Error() string { return e.message }

// hintError adds the next step to an error that has another one by itself.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// exitCode returns the exit code of an error, the only place where one is
// chosen.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, errStopped) {
		return exitInterrupted
	}
	if is[*uncheckedError](err) {
		return exitUnknown
	}
	if is[*client.LogError](err) { // whatever else went wrong
		return exitNotVerified
	}
	if refusal, ok := errors.AsType[*client.Error](err); ok && !errors.Is(err, client.ErrOutcomeUnknown) && !errors.Is(err, client.ErrNotReached) {
		return refusalCode(refusal)
	}
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		return exitUnknown
	case errors.Is(err, client.ErrNotReached), is[*client.CertificateError](err):
		return exitNotReached
	case errors.Is(err, client.ErrNoSession), is[*openid.RefusedError](err):
		return exitSignIn
	case is[*notVerifiedError](err):
		return exitNotVerified
	case is[*invalidError](err):
		return exitInvalid
	case is[*usageError](err), is[*fileError](err), is[*client.WitnessError](err):
		return exitUsage
	}
	return exitOther
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// refusalCode returns the exit code of a refusal: by its reason, or by its
// status if it has none.
func refusalCode(e *client.Error) int {
	switch e.Reason {
	case loddv1.ErrorReason_ERROR_REASON_SIGN_IN, loddv1.ErrorReason_ERROR_REASON_SLOW_DOWN, loddv1.ErrorReason_ERROR_REASON_INVITE,
		loddv1.ErrorReason_ERROR_REASON_CODE_NEEDED, loddv1.ErrorReason_ERROR_REASON_FACTOR_NEEDED, loddv1.ErrorReason_ERROR_REASON_STEP_UP:
		return exitSignIn
	case loddv1.ErrorReason_ERROR_REASON_NOT_FOUND:
		return exitNotFound
	case loddv1.ErrorReason_ERROR_REASON_NOT_CONFIRMED, loddv1.ErrorReason_ERROR_REASON_DIRECT_IDENTIFIER,
		loddv1.ErrorReason_ERROR_REASON_GIVE_AWAY:
		return exitInvalid
	case loddv1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN:
		return exitUnknown
	case loddv1.ErrorReason_ERROR_REASON_DISK_FULL, loddv1.ErrorReason_ERROR_REASON_BUSY:
		return exitOther
	case loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED:
		return statusCode(e.Code)
	default:
		return exitConflict // what remains says that the trial is not where the caller thinks
	}
}

func statusCode(c codes.Code) int {
	switch c {
	case codes.Unauthenticated:
		return exitSignIn
	case codes.PermissionDenied:
		return exitNotAllowed
	case codes.NotFound:
		return exitNotFound
	case codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted:
		return exitConflict
	case codes.InvalidArgument, codes.OutOfRange:
		return exitInvalid
	default:
		return exitOther
	}
}

// explain prints an error: what was wrong, where, and what to do next.
func (a *app) explain(err error) {
	message, details, hint := a.describe(err)
	fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", visible(message))
	for _, d := range details {
		fmt.Fprintf(a.deps.Stderr, "  %s\n", visible(d))
	}
	if hint != "" {
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", visible(hint))
	}
}

// describe returns the three parts of an error message.
func (a *app) describe(err error) (message string, details []string, hint string) {
	if unchecked, ok := errors.AsType[*uncheckedError](err); ok && is[*client.NotLeftError](err) {
		return a.describe(unchecked.error) // the log was checked
	} else if ok {
		why, more, hint := a.describe(unchecked.error)
		return a.words.say("error.unchecked"), append([]string{why}, more...), hint
	}
	message = err.Error()
	if refusal, ok := errors.AsType[*client.Error](err); ok {
		message, details, hint = a.describeRefusal(refusal)
	}
	outcome, unknown := errors.AsType[*client.OutcomeError](err)
	switch {
	case unknown:
		message, details = a.words.say("error.unknown"), []string{a.unanswered(outcome.Err)}
		if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Number != "" {
			details = append(details, a.words.say("hint.internal", refusal.Number))
		}
		hint = a.words.say("hint.again")
		if outcome.RequestID != "" {
			hint = a.words.say("hint.repeat", outcome.RequestID)
		}
	case errors.Is(err, context.Canceled), errors.Is(err, errStopped):
		message = a.words.say("error.stopped")
	case errors.Is(err, client.ErrNotReached):
		message, details, hint = a.describeNotReached(err)
	case errors.Is(err, client.ErrNoSession):
		message, hint = a.words.say("error.no-session"), a.words.say("hint.SIGN_IN_NEEDED")
	case is[*client.CertificateError](err):
		message, details = a.describeCertificate(err)
		hint = a.words.say("hint.certificate")
	case is[*client.LogError](err):
		e, _ := errors.AsType[*client.LogError](err)
		message, hint = a.foundIn(e), a.words.say("hint.log")
		if text := a.hintOfLog(e); text != "" {
			hint = text
		}
	case is[*usageError](err):
		hint = a.words.say("hint.usage")
	}
	if invalid, ok := errors.AsType[*invalidError](err); ok {
		details = invalid.faults
	}
	if h, ok := errors.AsType[*hintError](err); ok {
		hint = h.hint
	}
	if r, ok := errors.AsType[*rewordedError](err); ok {
		message, hint = r.message, r.hint
	}
	return message, details, hint
}

// describeNotReached says of a call that did nothing whether the server wasn't
// reached, or has answered that it doesn't know.
func (a *app) describeNotReached(err error) (message string, details []string, hint string) {
	message, details, hint = a.words.say("error.not-reached", a.settings.server), []string{a.unanswered(err)}, a.words.say("hint.not-reached")
	if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Reason != loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		message, hint = a.words.say("error.not-answered", a.settings.server), a.words.say("hint.not-answered")
	}
	return message, details, hint
}

// unanswered says why a call got no answer.
func (a *app) unanswered(err error) string {
	refusal, ok := errors.AsType[*client.Error](err)
	switch {
	case !ok && errors.Is(err, context.DeadlineExceeded):
		return a.words.say("error.late")
	case !ok:
		return strings.TrimPrefix(err.Error(), client.ErrNotReached.Error()+": ")
	case refusal.Code == codes.DeadlineExceeded && refusal.Message == context.DeadlineExceeded.Error():
		return a.words.say("error.late")
	}
	return refusal.Message
}

// describeCertificate says whose certificate was shown instead of the trial's,
// and below that by which pins they differ.
func (a *app) describeCertificate(err error) (message string, details []string) {
	e, _ := errors.AsType[*client.CertificateError](err)
	if e.Err != nil {
		return a.words.say("error.certificate-invalid", e.Host, e.Err.Error()), nil
	}
	return a.words.say("error.certificate", e.Host, e.Subject, e.Issuer),
		[]string{a.words.say("error.pins", e.Want, e.Got)}
}

// describeRefusal says in the user's language why the server refused.
func (a *app) describeRefusal(e *client.Error) (message string, details []string, hint string) {
	if e.Number != "" {
		return a.words.say("error.internal"), nil, a.words.say("hint.internal", e.Number)
	}
	reason := strings.TrimPrefix(e.Reason.String(), "ERROR_REASON_")
	if e.Reason == loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		reason = map[codes.Code]string{codes.Unauthenticated: "SIGN_IN_NEEDED", codes.PermissionDenied: "NOT_ALLOWED"}[e.Code]
	}
	message = e.Message
	if text, ok := a.words.find("reason." + reason); ok {
		message = text
	}
	hint, _ = a.words.find("hint." + reason)
	for _, f := range e.Fields {
		details = append(details, strings.TrimPrefix(flagOf(f.Field)+": "+f.Message, ": "))
	}
	if len(e.Fields) == 1 && message == e.Fields[0].Field+": "+e.Fields[0].Message {
		return details[0], nil, hint // the server's message is the one fault: once is enough
	}
	return message, details, hint
}

// flagOf returns the name under which people give a field, where it differs.
func flagOf(field string) string {
	if field == "full_name" {
		return "--name"
	}
	return field
}
