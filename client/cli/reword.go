package cli

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// rewordedError is a refusal in the words of one command, where those of its
// reason alone would say too little.
type rewordedError struct {
	error
	message, hint string
}

func (e *rewordedError) Unwrap() error { return e.error }

// exists words the refusal of what is there already: the texts message and hint,
// which are keys, say what that is. Any other error stays as it is.
func (a *app) exists(err error, message, hint string) error {
	if exitCode(err) != exitConflict || !client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_EXISTS) {
		return err
	}
	return &rewordedError{err, a.words.say(message), a.words.say(hint)}
}

// noRoom words the refusal of a new trial on a disk that is full, or nearly so:
// whoever works in another trial is not concerned yet.
func (a *app) noRoom(err error) error {
	if !client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_DISK_FULL) {
		return err
	}
	return &rewordedError{err, a.words.say("error.trial-no-room"), a.words.say("hint.trial-no-room")}
}

// unknownTrial words the refusal of a call about a trial in which the user has
// no role. The server doesn't tell that from a trial that isn't there, nor from
// a role that doesn't allow what was asked; but it lists the user's trials.
func (a *app) unknownTrial(c call, trial string, err error) error {
	if exitCode(err) != exitNotAllowed {
		return err
	}
	answer, failed := c.Trials().ListTrials(c.ctx, &loddv1.ListTrialsRequest{})
	if failed != nil || slices.ContainsFunc(answer.GetTrials(), func(t *loddv1.TrialSummary) bool { return t.GetTrialId() == trial }) {
		return err
	}
	return &rewordedError{err, a.words.say("error.unknown-trial", trial), a.words.say("hint.unknown-trial")}
}

// fileError is a file that can't be read or made. How the command is used
// doesn't help.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

// Error says which file and why, and not by which call of the system.
func (e *fileError) Error() string {
	if path, ok := errors.AsType[*fs.PathError](e.error); ok {
		return path.Path + ": " + path.Err.Error()
	}
	return e.error.Error()
}
