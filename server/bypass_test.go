package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A bypass is what the command line refuses, or asks for, before it calls; and a
// call of a client that has no such check.
type bypass struct {
	check  string // the key of the question or refusal in the program's texts
	name   string
	call   func() error
	code   codes.Code
	reason string // or the first field that is named
}

// slips are questions that keep people from slips: whoever answers yes may do it,
// and so may whoever calls without being asked.
var slips = map[string]string{
	"ask.close":              "closing is for who may open, and is an entry",
	"ask.disable":            "disabling takes a reason, and the last custodian stays",
	"ask.early":              "early forms are taken and flagged, never refused: missing data are worse",
	"ask.seal":               "sealing is for the custodian; before the first participant it can be abandoned",
	"ask.submit":             "forms can be corrected, with both values kept",
	"ask.accept-fork":        "it is about what this machine remembers of the log",
	"ask.yes-no":             "the answers to any of these questions",
	"ask.how":                "an explanation",
	"error.no-password":      "asks for a part of the request",
	"ask.missing":            "an explanation",
	"ask.name":               "asks for a part of the request",
	"ask.user":               "asks for a part of the request",
	"ask.entropy":            "asks for a part of the request",
	"ask.code":               "asks for a part of the request: see step-up",
	"ask.new-code":           "asks for a part of the request",
	"ask.recovery-code":      "asks for a part of the request",
	"ask.password":           "asks for a part of the request",
	"ask.new-password":       "asks for a part of the request",
	"ask.password-again":     "against mistyping what isn't shown",
	"error.early":            "as ask.early",
	"error.passwords-differ": "as ask.password-again",
	"error.yes":              "nobody is there to be asked",
	"error.no-answers":       "nobody is there to be asked",
	"error.no-terminal":      "nobody is there to be asked",
	"error.no-user":          "nobody is there to be asked",
	"error.join":             "nobody is there to be asked",
	"error.no-trial":         "names no trial: see the product of roles and methods",
	"error.no-server":        "there is nothing to call",
	"error.no-pin":           "there is nothing to call",
	"error.no-export-key":    "about a file that is verified here",
	"error.entropy":          "two flags for one part of the request",
	"error.due":              "a flag that is a number in the request",
}

// here are refusals of commands that call nothing, or about files of this machine.
var here = regexp.MustCompile(`^error\.(archive|bad-key|clear-file|envelope|exists|file-name|folder|guess|identities|identity|neither|no-auditor|no-bundle|no-guesses|` +
	`key-changed|key-none|no-key|no-record|not-unsealed|other-|pins|ratio|record-|reveal-|second-key|sheet|unsealed-first|witness-key)`)

// questions returns the keys of what the command line asks or refuses by itself.
func questions(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../client/cli/*.go")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`"(ask\.[a-z-]+)"|(?:usageError\{|invalidError\{message: |notVerifiedError\{message: )a\.words\.say\("(error\.[a-z-]+)"`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllSubmatch(text, -1) {
			found[string(m[1])+string(m[2])] = true
		}
	}
	return found
}

// Everything that the command line checks or asks before it calls is refused by the
// server, too, if a client calls that doesn't check; and each of its questions is
// in the table, or is one that only keeps people from slips.
func TestServerRefusesWhatClientsCheck(t *testing.T) {
	known := map[string]bool{}
	run := func(w *world, rows []bypass) {
		lists := []string{"T1/conduct", "T1/outcome", "T1/allocation", "T1/delivery"}
		entries := func() (n int64) {
			for _, list := range lists {
				n += w.log.Len(list)
			}
			return n
		}
		for _, b := range rows {
			known[b.check] = true
			before := entries()
			err := b.call()
			if want := status.Convert(err); want.Code() != b.code || reasonOf(want) != b.reason && !slices.Contains(fields(err), b.reason) {
				t.Errorf("%s, %s: %v, want %v %s", b.check, b.name, err, b.code, b.reason)
			}
			if after := entries(); after != before {
				t.Errorf("%s, %s: %d entries of what was refused", b.check, b.name, after-before)
			}
		}
	}
	w := newBypassed(t)
	run(w, w.confirmations())
	run(w, w.steppingUp())
	run(w, w.badRequests())
	run(w, w.restored())
	w = newUnsealed(t, unlimited)
	run(w, w.sealings())
	run(w, w.unsealed())
	asked := questions(t)
	for check := range asked {
		if _, slip := slips[check]; !known[check] && !slip && !here.MatchString(check) {
			t.Errorf("the command line checks %s, and no call here goes without", check)
		}
	}
	if len(asked) < 40 || !asked["ask.confirm"] || !asked["error.confirm"] {
		t.Errorf("%d questions were found: the test is blind", len(asked))
	}
}

// newBypassed returns a trial in which there is something to be refused.
func newBypassed(t *testing.T) *world {
	t.Helper()
	w := newTrial(t, unlimited)
	w.must(w.join(w.invite(), "cl"))
	w.must(w.grant("cus", "cl", "clinician", "", ""))
	w.must(w.join(w.invite(), "re"))
	w.must(w.grant("cus", "re", "reviewer", "", ""))
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	w.ready("S-3", "OSL")
	w.takeLock()
	w.wait(180 * 24 * time.Hour)
	return w
}
