// Command report reads the events of "go test -json" from standard input and
// prints what a person needs of them: the output of what failed, a line for
// each package, every skipped test with its reason, and the counts.
//
//	go test -json ./... | report NAME
//
// It exits with 1 if a test or a build failed or no test ran, and with 2 if it
// was called wrongly or can't read its input.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ./... | report NAME")
		os.Exit(2)
	}
	r := report{name: os.Args[1], out: os.Stdout, said: map[test][]string{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
	if !r.finish() {
		os.Exit(1)
	}
}

// A test is one test, example or fuzz target, or a whole package if it has no
// name.
type test struct{ Package, Test string }

// An event is one line of "go test -json"; see "go doc test2json" and "go help
// buildjson".
type event struct {
	test
	Action string
	Output string
}

type count struct{ passed, failed, skipped int }

func (c *count) add(action string) {
	switch action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
	case "skip":
		c.skipped++
	}
}

type report struct {
	name            string
	out             io.Writer
	said            map[test][]string // lines of what hasn't ended yet
	skips           []string
	packages, tests count
}

// read reports on events until the end of the input.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read events: %w", err)
		}
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil:
			fmt.Fprintf(r.out, "%s", line) // the go command itself speaks plainly
		default:
			r.event(e)
		}
		if err != nil {
			return nil
		}
	}
}

func (r *report) event(e event) {
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.said[e.test] = append(r.said[e.test], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

func (r *report) endTest(e event) {
	r.tests.add(e.Action)
	switch said := r.said[e.test]; e.Action {
	case "fail":
		r.print(said)
	case "skip":
		r.skips = append(r.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(said)))
	}
	delete(r.said, e.test)
}

// endPackage prints the package's own line, and if it failed also what the
// tests said that a panic or a time limit cut short.
func (r *report) endPackage(e event) {
	r.packages.add(e.Action)
	for t, said := range r.said {
		if t.Package != e.Package || t.Test == "" {
			continue
		}
		if e.Action == "fail" {
			r.print(said)
		}
		delete(r.said, t)
	}
	said := r.said[e.test]
	if e.Action != "fail" { // leave out "PASS" and the seed of -shuffle
		said = slices.DeleteFunc(said, func(s string) bool { return !strings.Contains(s, "\t") || strings.HasPrefix(s, "-") })
	}
	r.print(said)
	delete(r.said, e.test)
}

func (r *report) print(said []string) {
	for _, s := range said {
		if !strings.HasPrefix(s, "=== ") {
			fmt.Fprint(r.out, s)
		}
	}
}

// finish prints the skipped tests and the counts, and reports whether all is
// well.
func (r *report) finish() bool {
	if len(r.skips) > 0 {
		fmt.Fprintf(r.out, "\n%s: skipped, with the reason each test gives:\n", r.name)
		slices.Sort(r.skips)
		for _, s := range r.skips {
			fmt.Fprintln(r.out, "  "+s)
		}
	}
	fmt.Fprintf(r.out, "\n%s: %d packages passed, %d failed, %d have no tests\n",
		r.name, r.packages.passed, r.packages.failed, r.packages.skipped)
	fmt.Fprintf(r.out, "%s: %d passed, %d failed, %d skipped\n",
		r.name, r.tests.passed, r.tests.failed, r.tests.skipped)
	return r.packages.failed == 0 && r.tests.failed == 0 && r.tests.passed > 0
}

// reason returns the text that a test gave to Skip, with its place.
func reason(said []string) string {
	for _, s := range slices.Backward(said) {
		s = strings.TrimSpace(s)
		if s != "" && !strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "--- ") {
			return s
		}
	}
	return "no reason given"
}
