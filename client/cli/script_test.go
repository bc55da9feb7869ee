package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// leakChecked runs tests and then looks for goroutines that outlived them.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"lodd": func() {
			os.Exit(Run(context.Background(), os.Args[1:], Deps{ //nolint:forbidigo // this is the main of the scripts
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Getenv, Random: rand.Reader, Version: "1.2.3",
				Now: func() time.Time { return t0 },
			}))
		},
	})
}

// The commands that need no server, as programs.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("LODD_CONFIG_DIR", e.WorkDir+"/config")
			e.Setenv("LODD_STATE_DIR", e.WorkDir+"/state")
			return nil
		},
	})
}
