package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptsRaced are the scripts whose lodd runs under the race detector if the
// tests do: sign-ins, entries, kills, checks and reports of lost heads by several
// clients. What most of the others spend their time on is hashing passwords, one
// after the other, in which there is nothing to detect and which it makes many
// times slower. The tests that call a server in their own process run under it all.
var scriptsRaced = []string{"serve", "check", "fence"}

// plainProgram builds lodd without the race detector and returns its folder, or
// nothing if the tests don't run under it.
func plainProgram(t *testing.T) (dir string) {
	t.Helper()
	if !raced {
		return ""
	}
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-race=false", "-buildvcs=false", "-o", filepath.Join(dir, "lodd"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build lodd for the scripts: %v\n%s", err, out)
	}
	return dir
}

// withProgram lets a script find the lodd in a folder before others, unless it is
// one of those that want the detector's.
func withProgram(e *testscript.Env, dir string) {
	name := filepath.Base(e.WorkDir)
	if dir == "" || slices.ContainsFunc(scriptsRaced, func(s string) bool { return name == "script-"+s }) {
		return
	}
	e.Setenv("PATH", dir+string(os.PathListSeparator)+e.Getenv("PATH"))
}

// program returns the lodd that a script finds.
func program(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, "lodd")); err == nil {
			return path
		}
	}
	ts.Fatalf("there is no lodd")
	return ""
}

// Each script that runs under the race detector is there.
func TestRacedScriptsAreThere(t *testing.T) {
	for _, name := range scriptsRaced {
		if _, err := os.Stat(filepath.Join("testdata", "script", name+".txtar")); err != nil {
			t.Error(err)
		}
	}
}
