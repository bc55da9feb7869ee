package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lodd": main})
}

// The scripts in testdata/script are whole stories on the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LODD_CONFIG_DIR", e.WorkDir+"/config")
			e.Setenv("LODD_STATE_DIR", e.WorkDir+"/state")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server": cmdServer,
			"kill9":  cmdKill9,
			"stop":   cmdStop,
			"shell":  cmdShell,
			"flip":   cmdFlip,
			"grep0":  cmdGrep0,
			"as":     cmdAs,
			"exits":  cmdExits,
			"field":  cmdField,
		},
	})
}

// cmdServer starts "lodd serve --data NAME" with further flags and waits until
// it serves. It sets INVITE if there is one, and ADDRESS.
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: server NAME [FLAG ...]")
	}
	path, err := exec.LookPath("lodd")
	ts.Check(err)
	cmd := exec.Command(path, append([]string{"serve", "--data", ts.MkAbs(args[0]), "--listen", "127.0.0.1:0"}, args[1:]...)...)
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Setenv("PID_"+args[0], fmt.Sprint(cmd.Process.Pid))
	ts.Setenv("INVITE", "")
	ts.Defer(func() {
		_ = cmd.Process.Kill() // ours, and gone already if the script stopped it
		_ = cmd.Wait()
	})
	lines := make(chan string, 64)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines <- s.Text()
		}
	}()
	serving := regexp.MustCompile(`^lodd: serving on (\S+),`)
	invite := regexp.MustCompile(`lodd join (lodd1\.\S+)`)
	ready := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				ts.Fatalf("server %s ended before it served", args[0])
			}
			if m := serving.FindStringSubmatch(line); m != nil {
				ts.Setenv("ADDRESS", m[1])
			}
			if m := invite.FindStringSubmatch(line); m != nil {
				ts.Setenv("INVITE", m[1])
			}
			if strings.Contains(line, "lodd: ready") {
				go func() {
					for range lines { // so that the server never blocks on its log
					}
				}()
				return
			}
		case <-ready:
			ts.Fatalf("server %s did not get ready within 20 s", args[0])
		}
	}
}

func end(ts *testscript.TestScript, name, sig string) {
	pid := ts.Getenv("PID_" + name)
	if pid == "" {
		ts.Fatalf("there is no server %s", name)
	}
	ts.Check(exec.Command("kill", "-"+sig, pid).Run())
	for range 200 {
		if exec.Command("kill", "-0", pid).Run() != nil || zombie(pid) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("server %s did not end after SIG%s", name, sig)
}

// zombie reports whether a process has ended and waits to be collected.
func zombie(pid string) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

// cmdKill9 ends a server as a power cut would.
func cmdKill9(ts *testscript.TestScript, _ bool, args []string) { end(ts, args[0], "KILL") }

// cmdStop ends a server as an operator would.
func cmdStop(ts *testscript.TestScript, _ bool, args []string) { end(ts, args[0], "TERM") }

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
