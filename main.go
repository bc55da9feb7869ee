// Command lodd is a service for randomized controlled trials, its command line
// and its offline verifier, in one program.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // visit windows need the trial's time zone on machines without one

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/client/cli"
	"github.com/lodd-rct/lodd/client/openid"
	"github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/replay"
)

func main() {
	zerolog.TimeFieldFormat = zerolog.TimeFormatUnixMs
	cobra.MousetrapHelpText = "" // a double click on Windows is no mistake
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	var e ending
	return e.code(cli.Run(ctx, args, cli.Deps{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: os.Getenv, Random: rand.Reader, Now: wall, Version: version(), Replay: replay.Verify,
		ParseDesign: protocol.ParseRandomization, OpenPage: openid.Open,
		Extra: e.of(serveCommand, backupCommand, restoreCommand, followCommand, checkCommand, keysCommand, permissionsCommand, demoCommand),
	}))
}

// wall is the machine's clock. It is read here and passed down, so that the
// rest of the program can be given another one.
func wall() time.Time { return time.Now() }

// version returns the version that the module system knows the program by.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "development"
	}
	return info.Main.Version
}
