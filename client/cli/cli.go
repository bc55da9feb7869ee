// Package cli is the command line: lodd NOUN VERB.
//
// Data go to standard output; everything else goes to standard error, behind
// "lodd: ", without capitals and full stops. What a script can rely on is the
// JSON, whose objects name their schema, and the exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/randomization"
)

// Deps is what the command line has of the world.
type Deps struct {
	// Stdin, Stdout and Stderr are the standard streams. People are asked, and
	// tables are drawn, only if they are terminals.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Env looks up an environment variable.
	Env func(string) string

	// Random is where request ids come from: crypto/rand.Reader.
	Random io.Reader

	// Now is the clock. It decides only whether a stored session has ended, and
	// counts days for people.
	Now func() time.Time

	// Version is what lodd version prints.
	Version string

	// Extra makes the commands that the program adds to those of this package.
	Extra []func() *cobra.Command

	// Replay checks what the entries of an archive of the log say, which this
	// package knows nothing of, and returns how many of each list were put to the
	// rules of the trial: nil if not the whole trial is there. If it is nil, only
	// hashes and signatures are checked.
	Replay func(*audit.ArchiveReader) (replayed map[string]int64, err error)

	// ParseDesign reads a randomization file, which this package knows nothing of,
	// for arms of a ratio; file is its name in messages. If it is nil, there is no
	// command that shows designs.
	ParseDesign func(file string, data []byte, ratio []int) (randomization.Design, error)

	// Console asks people. If it is nil, they are asked at the terminal of
	// Stdin, or not at all if that is none.
	Console Console

	// OpenPage shows an address in the person's browser. If it is nil, the person
	// is told the address alone.
	OpenPage func(address string) error

	// Dial replaces the network; see [client.Config]. It may be nil.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Run carries out one command line, without the program's name, and returns the
// exit code. A cancelled context interrupts it.
func Run(ctx context.Context, args []string, d Deps) int {
	a := newApp(d)
	root := a.root()
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misspelt(cmd, args, err) })
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !a.started {
		err = &usageError{err.Error()}
	}
	a.explain(err)
	return exitCode(err)
}

// New returns the command tree, for documentation. [Run] runs it.
func New(d Deps) *cobra.Command { return newApp(d).root() }

// app is one run of the command line.
type app struct {
	deps     Deps
	flags    flags
	dirs     client.Dirs
	profile  client.Profile // as it stands in the file
	settings settings
	user     string // who is signed in
	vouching bool   // the identity provider vouched for them
	memory   string // where the client keeps what it saw; empty for the user's own
	words    *words
	console  Console
	started  bool // a command has begun: what goes wrong now is no wrong usage
}

func newApp(d Deps) *app {
	a := &app{deps: d, words: newWords(language(d.Env)), console: d.Console}
	if a.console == nil {
		a.console = terminal(d.Stdin, d.Stderr)
	}
	return a
}

// root returns the whole tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "lodd",
		Short:         "Randomized trials with concealed allocation, blind assessors and a log that cannot be rewritten",
		SilenceErrors: true, // explain prints them
		SilenceUsage:  true,
		Args:          onlyVerbs,
	}
	tellVersion := root.Flags().Bool("version", false, "tell the version of this program, as lodd version does")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *tellVersion {
			if err := a.prepare(); err != nil {
				return err
			}
			return a.tellVersion()
		}
		return cmd.Help()
	}
	root.SetIn(a.deps.Stdin)
	root.SetOut(a.deps.Stdout)
	root.SetErr(a.deps.Stderr)
	a.flags.register(root.PersistentFlags())
	for _, extra := range a.deps.Extra {
		root.AddCommand(extra())
	}
	root.AddCommand(
		a.joinCommand(), a.loginCommand(), a.logoutCommand(), a.whoamiCommand(), a.sessionCommand(),
		a.inviteCommand(), a.accountCommand(), a.roleCommand(), a.peopleCommand(),
		a.protocolCommand(), a.trialCommand(),
		a.screeningCommand(), a.participantCommand(), a.randomizeCommand(), a.contingencyCommand(), a.teamCommand(), a.contactCommand(), a.eventCommand(),
		a.worklistCommand(), a.assessmentCommand(), a.unblindingCommand(), a.formCommand(), a.visitCommand(), a.reviewCommand(),
		a.lockCommand(), a.exportCommand(), a.unsealCommand(), a.verifyCommand(), a.auditCommand(), a.witnessCommand(),
		a.versionCommand(),
	)
	if a.deps.ParseDesign != nil {
		root.AddCommand(a.designCommand())
	}
	root.InitDefaultCompletionCmd()
	a.markStart(root)
	return root
}

// markStart notes when a command begins, whoever made it. Before that cobra has
// refused the arguments or the flags.
func (a *app) markStart(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = counted(check)
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.markStart(sub)
	}
}

// spec describes a command that does something.
type spec struct {
	use     string // name and arguments, as in the help
	short   string
	long    string
	example string
	args    cobra.PositionalArgs // default: none
}

// local returns a command that needs no server.
func (a *app) local(s spec, run func(ctx context.Context, args []string) error) *cobra.Command {
	if s.args == nil {
		s.args = cobra.NoArgs
	}
	return &cobra.Command{
		Use: s.use, Short: s.short, Long: s.long, Example: s.example, Args: s.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.prepare(); err != nil {
				return err
			}
			return run(cmd.Context(), args)
		},
	}
}

// call is a connection for the time of one command.
type call struct {
	*client.Client
	ctx  context.Context //nolint:containedctx // it lives as long as the command does
	args []string
}

// remote returns a command that needs a session.
func (a *app) remote(s spec, run func(c call) error) *cobra.Command {
	return a.local(s, func(ctx context.Context, args []string) error {
		session, err := a.dirs.LoadSession(a.settings.pin, a.deps.Now())
		if err != nil {
			return err
		}
		a.user, a.vouching = session.User, session.Provider
		c, err := a.connect(a.settings.server, a.settings.pin, session.Token)
		if err != nil {
			return err
		}
		defer c.Close()
		return run(call{c, ctx, args})
	})
}

// trialCall is a call that is about the chosen trial.
type trialCall struct {
	call
	trial   string
	request string // a request id, fresh or the one given
}

// inTrial returns a command that needs a session and a trial.
func (a *app) inTrial(s spec, run func(c trialCall) error) *cobra.Command {
	return a.remote(s, func(c call) error {
		if a.settings.trial == "" {
			return &usageError{a.words.say("error.no-trial")}
		}
		id, err := a.requestID()
		if err != nil {
			return err
		}
		return a.unknownTrial(c, a.settings.trial, run(trialCall{c, a.settings.trial, id}))
	})
}

// connect returns a client for a server.
func (a *app) connect(server, pin, token string) (*client.Client, error) {
	if err := a.serverKnown(server, pin); err != nil {
		return nil, err
	}
	witnesses, err := a.witnesses()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Address:     server,
		Pin:         pin,
		Token:       func() (string, error) { return token, nil },
		User:        a.user,
		Timeout:     a.settings.timeout,
		LogKey:      a.profile.LogKey,
		Checkpoints: first(a.memory, a.dirs.Checkpoints()),
		Evidence:    a.dirs.Evidence(),
		Witnesses:   witnesses,
		Now:         a.deps.Now,
		Dial:        a.deps.Dial,
		OnUnchecked: a.unchecked,
		OnRetry: func(r client.Retry) {
			if r.Busy {
				a.note("note.retry-busy", r.Wait.String())
				return
			}
			a.note("note.retry", r.RequestID, r.Wait.String())
		},
	})
}

// unchecked tells what could not be checked, though it is done.
func (a *app) unchecked(u client.Unchecked) {
	if u.List == "" {
		a.note("note.unchecked-log", u.Trial, visible(u.Err.Error()))
		return
	}
	a.note("note.unchecked", u.Index, u.List)
}

// serverKnown reports what is missing to reach a server and to know it again.
func (a *app) serverKnown(server, pin string) error {
	switch {
	case server == "":
		return &usageError{a.words.say("error.no-server")}
	case pin == "":
		return &usageError{a.words.say("error.no-pin")}
	}
	return nil
}

// requestID returns the id that was given, or a new one.
func (a *app) requestID() (string, error) {
	id := a.flags.requestID
	if id == "" {
		var err error
		if id, err = client.NewRequestID(a.deps.Random); err != nil {
			return "", err
		}
	}
	if a.flags.verbose {
		a.note("note.request", id)
	}
	return id, nil
}

// note tells people something that is no data, unless they asked for quiet.
func (a *app) note(key string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say(key, args...))
	}
}

// errStopped is returned if a person answers no.
var errStopped = errors.New("stopped, nothing was done")
