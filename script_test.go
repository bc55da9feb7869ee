package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lodd": main})
}

// The scripts in testdata/script are whole stories on the command line.
func TestScripts(t *testing.T) {
	plain := plainProgram(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LODD_CONFIG_DIR", e.WorkDir+"/config")
			e.Setenv("LODD_STATE_DIR", e.WorkDir+"/state")
			e.Setenv("HOME", e.WorkDir)
			withProgram(e, plain)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":  cmdServer,
			"kill9":   cmdKill9,
			"shell":   cmdShell,
			"flip":    cmdFlip,
			"grep0":   cmdGrep0,
			"as":      cmdAs,
			"exits":   cmdExits,
			"field":   cmdField,
			"agekey":  cmdAgeKey,
			"term":    cmdTerm,
			"transit": cmdTransit,
			"second":  cmdSecond,
		},
	})
}

// The command "stop" is testscript's own and ends a script: what comes after it
// would never run, and nobody would be told. A server is ended by "term".
func TestNoScriptStopsHalfway(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, path := range scripts {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(archive.Comment), "\n") {
			words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return w == "!" || w == "?" || w[0] == '[' })
			if len(words) > 0 && words[0] == "stop" {
				t.Errorf("%s:%d: the script ends here: %q", path, i+1, line)
			}
		}
	}
}

// A running server ends once; ended is closed then.
type running struct {
	process *os.Process
	ended   chan struct{}
}

// servers are the servers that scripts have started, by process id.
var servers sync.Map

// cmdServer starts "lodd serve --data NAME" with further flags and waits until
// it serves. It sets ADDRESS, and INVITE if there is one.
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: server NAME [FLAG ...]")
	}
	serve := []string{"serve", "--data", ts.MkAbs(args[0]), "--listen", "127.0.0.1:0"}
	if !slices.Contains(args, "--second-factor") {
		serve = append(serve, "--second-factor", "off") // most stories are about something else
	}
	cmd := exec.Command(program(ts), append(serve, args[1:]...)...)
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	server := &running{cmd.Process, make(chan struct{})}
	pid := strconv.Itoa(cmd.Process.Pid)
	servers.Store(pid, server)
	ts.Setenv("PID_"+args[0], pid)
	ready := make(chan map[string]string, 1)
	go func() {
		follow(stderr, ready)
		_ = cmd.Wait() // killed on purpose, or its status was in what it printed
		close(server.ended)
	}()
	ts.Defer(func() {
		_ = server.process.Kill() // gone already if the script ended it
		<-server.ended
	})
	select {
	case told := <-ready:
		ts.Setenv("ADDRESS", told["address"])
		ts.Setenv("INVITE", told["invite"])
	case <-server.ended:
		ts.Fatalf("server %s ended before it served", args[0])
	case <-time.After(30 * time.Second):
		ts.Fatalf("server %s did not get ready within 30 s", args[0])
	}
}

// follow reads all that a server prints, so that it never blocks, and tells
// what a script needs of it once it is ready.
func follow(stderr io.Reader, ready chan<- map[string]string) {
	told := map[string]string{}
	for s := bufio.NewScanner(stderr); s.Scan(); {
		if m := regexp.MustCompile(`^lodd: serving on (\S+),`).FindStringSubmatch(s.Text()); m != nil {
			told["address"] = m[1]
		}
		if m := regexp.MustCompile(`lodd join (lodd1\.\S+)`).FindStringSubmatch(s.Text()); m != nil {
			told["invite"] = m[1]
		}
		if s.Text() == "lodd: ready" {
			ready <- told
		}
	}
}

func end(ts *testscript.TestScript, name string, sig os.Signal) {
	v, ok := servers.Load(ts.Getenv("PID_" + name))
	if !ok {
		ts.Fatalf("there is no server %s", name)
	}
	server := v.(*running)
	ts.Check(server.process.Signal(sig))
	select {
	case <-server.ended:
	case <-time.After(20 * time.Second):
		ts.Fatalf("server %s did not end after %v", name, sig)
	}
}

// cmdKill9 ends a server as a power cut would.
func cmdKill9(ts *testscript.TestScript, _ bool, args []string) { end(ts, args[0], os.Kill) }

// cmdTerm ends a server as an operator would.
func cmdTerm(ts *testscript.TestScript, _ bool, args []string) { end(ts, args[0], syscall.SIGTERM) }

// cmdShell runs one line of shell, as a person types it.
func cmdShell(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("sh", "-c", strings.Join(args, " "))
	if neg == (err == nil) {
		ts.Fatalf("shell %q: %v", strings.Join(args, " "), err)
	}
}

// cmdFlip changes one byte of a file: flip FILE POSITION.
func cmdFlip(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	var at int
	if _, err := fmt.Sscan(args[1], &at); err != nil {
		ts.Fatalf("position %q", args[1])
	}
	b[at%len(b)] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cmdGrep0 wants that no file below a folder holds a text: grep0 TEXT DIR.
func cmdGrep0(ts *testscript.TestScript, _ bool, args []string) {
	out, err := exec.Command("grep", "-rlF", "--", args[0], ts.MkAbs(args[1])).Output()
	if err == nil {
		ts.Fatalf("%q stands in %s", args[0], out)
	}
}

// cmdAs makes somebody the one who types: as NAME.
func cmdAs(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("LODD_CONFIG_DIR", ts.MkAbs("people/"+args[0]))
	ts.Setenv("LODD_STATE_DIR", ts.MkAbs("people/"+args[0]))
}

// cmdExits wants a command to end with a certain code: exits CODE lodd ….
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit %d, want %s", code, args[0])
	}
}

// cmdField sets a variable to a field of the JSON object that the last command
// printed: field NAME KEY.
func cmdField(ts *testscript.TestScript, _ bool, args []string) {
	var object map[string]any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &object); err != nil {
		ts.Fatalf("stdout is no JSON object: %v", err)
	}
	value, ok := object[args[1]]
	if !ok {
		ts.Fatalf("stdout has no field %q", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}
