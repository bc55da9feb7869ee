package main

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/follower"
)

// Several causes are told in one line, each once, and are still to be found.
func TestCausesAreToldOnce(t *testing.T) {
	full := errors.New("write x: no space left on device")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"one", fs.ErrExist, "file already exists"},
		{"two", errors.Join(fs.ErrExist, full), "file already exists; write x: no space left on device"},
		{"the same twice", errors.Join(full, fmt.Errorf("%w\n", full), fs.ErrExist), "write x: no space left on device; file already exists"},
	} {
		got := oneLine(tt.err)
		if got.Error() != tt.want || !errors.Is(got, fs.ErrExist) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if err := oneLine(nil); err != nil {
		t.Errorf("none: %v", err)
	}
}

// A follower that refuses the log ends as everything does that finds it rewritten,
// so that nobody starts it again and again.
func TestRefusedLogHasItsExitCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 1}, // as chosen
		{fs.ErrExist, 1},
		{errors.Join(fmt.Errorf("%w; the evidence", &audit.ForkError{List: "T/conduct"}), fs.ErrClosed), exitNotVerified},
		{&follower.WipeError{}, exitNotVerified},
	} {
		if got := (&ending{oneLine(tt.err)}).code(1); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}
