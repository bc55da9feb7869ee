package rpcerr

import (
	"context"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authn/openid"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/trial"
)

// A Row says how one error is sent.
type Row struct {
	Err    error
	Code   codes.Code
	Reason loddv1.ErrorReason // UNSPECIFIED if the code says it all
}

// Table lists every error that a client may act on. An error that isn't here
// reaches the client as INTERNAL, without its text.
func Table() []Row {
	var rows []Row
	for _, part := range [][]Row{outcomes(), trials(), accounts(), sessions(), calls()} {
		rows = append(rows, part...)
	}
	return rows
}

// outcomes are the errors that say what became of a command whatever else went
// wrong. UNAVAILABLE makes the client library repeat the call with the same
// request id.
func outcomes() []Row {
	return []Row{
		{ledger.ErrUnknown, codes.Unavailable, loddv1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN},
		{ledger.ErrFull, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_DISK_FULL},
		{ledger.ErrBusy, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_BUSY},
	}
}

func trials() []Row {
	return []Row{
		{trial.ErrExists, codes.AlreadyExists, loddv1.ErrorReason_ERROR_REASON_EXISTS},
		{trial.ErrNotFound, codes.NotFound, loddv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{trial.ErrNotSealed, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_SEALED},
		{trial.ErrAlreadySealed, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_ALREADY_SEALED},
		{trial.ErrEnrolmentClosed, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_ENROLMENT_CLOSED},
		{trial.ErrNoConsent, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NO_CONSENT},
		{trial.ErrNotEligible, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_ELIGIBLE},
		{trial.ErrNoBaseline, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NO_BASELINE},
		{trial.ErrExcluded, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_EXCLUDED},
		{trial.ErrAlreadyRandomized, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_ALREADY_RANDOMIZED},
		{trial.ErrNotRandomized, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_RANDOMIZED},
		{trial.ErrIntentExpired, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_INTENT_EXPIRED},
		{trial.ErrNotConfirmed, codes.InvalidArgument, loddv1.ErrorReason_ERROR_REASON_NOT_CONFIRMED},
		{trial.ErrFormOrder, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_FORM_ORDER},
		{trial.ErrAlreadySubmitted, codes.AlreadyExists, loddv1.ErrorReason_ERROR_REASON_ALREADY_SUBMITTED},
		{trial.ErrNotSubmitted, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_SUBMITTED},
		{trial.ErrFollowUpEnded, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_FOLLOW_UP_ENDED},
		{trial.ErrErased, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_ERASED},
		{trial.ErrNotWithdrawn, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{trial.ErrSamePerson, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_SAME_PERSON},
		{trial.ErrNotInWindow, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_IN_WINDOW},
		{trial.ErrNothingChanged, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOTHING_CHANGED},
		{trial.ErrFenced, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_FENCED},
		{trial.ErrAwaitsEntropy, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_AWAITS_ENTROPY},
		{trial.ErrNoContribution, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NO_CONTRIBUTION},
		{trial.ErrNotReady, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_READY},
		{trial.ErrNotProposed, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_PROPOSED},
		{trial.ErrUnsealed, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_UNSEALED},
		{trial.ErrNotUnsealed, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_UNSEALED},
		{trial.ErrListUsedUp, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_LIST_USED_UP},
		{trial.ErrBlindBroken, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_BLIND_BROKEN},
		{trial.ErrChanged, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_CHANGED},
		{trial.ErrNotForYou, codes.NotFound, loddv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{proposal.ErrNone, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NOT_PROPOSED},
		{trial.ErrNotFenced, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{ledger.ErrReused, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_REQUEST_REUSED},
	}
}

func accounts() []Row {
	return []Row{
		{people.ErrNoAccount, codes.NotFound, loddv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{people.ErrTaken, codes.AlreadyExists, loddv1.ErrorReason_ERROR_REASON_EXISTS},
		{people.ErrInvite, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_INVITE},
		{people.ErrConflict, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_ROLE_CONFLICT},
		{people.ErrDisabled, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{people.ErrNotYours, codes.PermissionDenied, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{people.ErrNoGrant, codes.NotFound, loddv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{people.ErrRecovery, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_INVITE},
		{people.ErrTied, codes.AlreadyExists, loddv1.ErrorReason_ERROR_REASON_EXISTS},
		{people.ErrExpiry, codes.InvalidArgument, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{people.ErrRole, codes.InvalidArgument, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
	}
}

func sessions() []Row {
	return []Row{
		{authn.ErrNoSession, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{authn.ErrExpired, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{authn.ErrCode, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_INVITE},
		{authn.ErrBusy, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_BUSY},
		{authn.ErrAttempts, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_SLOW_DOWN},
		{openid.ErrProvider, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{openid.ErrToken, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_SIGN_IN},
		{openid.ErrStale, codes.PermissionDenied, loddv1.ErrorReason_ERROR_REASON_STEP_UP},
		{ErrCodeNeeded, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_CODE_NEEDED},
		{ErrCodeWrong, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_CODE_NEEDED},
		{ErrFactorNeeded, codes.PermissionDenied, loddv1.ErrorReason_ERROR_REASON_FACTOR_NEEDED},
		{ErrNoEnrolment, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{ErrNoProvider, codes.FailedPrecondition, loddv1.ErrorReason_ERROR_REASON_NO_PROVIDER},
		{ErrIdentity, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_SIGN_IN},
		{authn.ErrStepUp, codes.PermissionDenied, loddv1.ErrorReason_ERROR_REASON_STEP_UP},
		{ErrSignIn, codes.Unauthenticated, loddv1.ErrorReason_ERROR_REASON_SIGN_IN},
	}
}

// calls are refusals that have nothing to do with what was asked for.
func calls() []Row {
	return []Row{
		{ErrDenied, codes.PermissionDenied, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{ErrLimit, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_BUSY},
		{ErrStreams, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_BUSY},
		{ErrDiskLow, codes.ResourceExhausted, loddv1.ErrorReason_ERROR_REASON_DISK_FULL},
		{ErrTooLong, codes.DeadlineExceeded, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{ErrSlow, codes.DeadlineExceeded, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{ErrUnreadable, codes.InvalidArgument, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{context.Canceled, codes.Canceled, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		{context.DeadlineExceeded, codes.DeadlineExceeded, loddv1.ErrorReason_ERROR_REASON_UNSPECIFIED},
	}
}
