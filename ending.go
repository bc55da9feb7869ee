package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/follower"
)

// exitNotVerified is the exit code of evidence that doesn't hold, here as in the
// rest of the command line: starting again is of no use.
const exitNotVerified = 8

// An ending is how one of the operator's commands has ended. The command line
// doesn't know the errors of a server.
type ending struct{ err error }

// of returns makers of the same commands, whose error is kept, and told as one line.
func (e *ending) of(all ...func() *cobra.Command) []func() *cobra.Command {
	kept := make([]func() *cobra.Command, len(all))
	for i, command := range all {
		kept[i] = func() *cobra.Command {
			cmd := command()
			e.keep(cmd)
			return cmd
		}
	}
	return kept
}

func (e *ending) keep(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			e.err = oneLine(run(cmd, args))
			return e.err
		}
	}
	for _, sub := range cmd.Commands() {
		e.keep(sub)
	}
}

// code returns the exit code, of which the command line has chosen one.
func (e *ending) code(chosen int) int {
	_, fork := errors.AsType[*audit.ForkError](e.err)
	_, wiped := errors.AsType[*follower.WipeError](e.err)
	if (fork || wiped) && !errors.Is(e.err, context.Canceled) {
		return exitNotVerified
	}
	return chosen
}

// A lineError is an error whose text is one line.
type lineError struct {
	error
	line string
}

func (e *lineError) Error() string { return e.line }
func (e *lineError) Unwrap() error { return e.error }

// oneLine returns err with its causes in one line, each said once: what is closed
// after a failure often fails for the same reason.
func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	var said []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return &lineError{err, strings.Join(said, "; ")}
}
