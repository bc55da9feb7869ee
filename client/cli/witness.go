package cli

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// witnessing are the flags of lodd witness.
type witnessing struct {
	dir       string
	fromStdin bool
}

func (a *app) witnessCommand() *cobra.Command {
	var w witnessing
	cmd := a.local(spec{
		use: "witness", short: "Check the log as an auditor does on a schedule, and co-sign it",
		long: `Check the log as an auditor does on a schedule, and co-sign it.

Each compartment of the trials of which the account is an auditor, or of the one
named by --trial, is held against what the witness has seen before. If it is what
it was, the witness signs its head, keeps that in its folder and leaves it with
the server, where others find it.

Exit code 0: all is as it was, and co-signed; a compartment without entries has
nothing to be co-signed. 8: the log is not what it was; the file with the evidence
is named. 10: something kept the witness from checking, so that we do not know
yet, or its signature was not taken; run it again. 2: the key of the witness is
missing, or can't be used.`,
		example: "  lodd witness --password-stdin --quiet < witness.password",
	}, func(ctx context.Context, _ []string) error { return a.undecided(a.witness(ctx, w)) })
	cmd.PersistentFlags().StringVar(&w.dir, "dir", "", "folder `DIR` of the witness (default witness in the state folder)")
	cmd.Flags().BoolVar(&w.fromStdin, "password-stdin", false, "sign in with the password from the first line of standard input, and out again")
	cmd.AddCommand(a.witnessInit(&w), a.witnessTrust())
	return cmd
}

func (a *app) witnessInit(w *witnessing) *cobra.Command {
	var name string
	cmd := a.local(spec{
		use: "init", short: "Make the key of a witness",
		long: `Make the key of a witness. Its public half, which is printed, goes into the
server's configuration, and to those who trust the witness. A key that is there
is never replaced: its public half is printed again.`,
		example: "  lodd witness init --name witness.example.org",
	}, func(context.Context, []string) error {
		dir := a.witnessDir(*w)
		public, err := client.CreateWitness(dir, name, a.deps.Random)
		if errors.Is(err, fs.ErrExist) {
			public, err = a.witnessAgain(dir, name)
		}
		if err != nil {
			return err
		}
		if err := a.write(one("witness", "name", name, "key", public, "dir", dir)); err != nil {
			return err
		}
		a.note("note.witness", public)
		return nil
	})
	required(cmd, &name, "name", "`NAME` of the witness as it stands in its signatures, for example witness.example.org")
	return cmd
}

// witnessAgain returns the public half of the key that is in the folder of a
// witness, if it is of this name.
func (a *app) witnessAgain(dir, name string) (string, error) {
	key, err := client.WitnessKey(dir)
	if err != nil {
		return "", err
	}
	if key.Name() != name {
		return "", a.misused("error.witness-key-other", dir, key.Name())
	}
	a.note("note.witness-again", dir)
	return key.String(), nil
}

func (a *app) witnessTrust() *cobra.Command {
	return a.local(spec{
		use: "trust KEY", short: "Let the co-signatures of a witness count", args: cobra.ExactArgs(1),
		long: `Let the co-signatures of a witness count in lodd audit verify. Get the key from
the witness itself, and not from the server.`,
	}, func(_ context.Context, args []string) error {
		key, err := audit.NewCosignatureVerifier(args[0])
		if err != nil {
			return &usageError{err.Error()}
		}
		if !slices.Contains(a.profile.Witnesses, key.String()) {
			a.profile.Witnesses = append(a.profile.Witnesses, key.String())
			if err := a.dirs.SaveProfile(a.profile); err != nil {
				return err
			}
		}
		a.note("note.trusted", key.Name())
		return nil
	})
}

// witnesses returns the keys of the witnesses that the profile trusts.
func (a *app) witnesses() ([]*audit.CosignatureVerifier, error) {
	var keys []*audit.CosignatureVerifier
	for _, text := range a.profile.Witnesses {
		key, err := audit.NewCosignatureVerifier(text)
		if err != nil {
			return nil, &usageError{filepath.Join(a.dirs.Config, "config.toml") + ": " + err.Error()}
		}
		if slices.ContainsFunc(keys, func(k *audit.CosignatureVerifier) bool { return k.Name() == key.Name() && k.KeyHash() == key.KeyHash() }) {
			return nil, a.misused("error.witness-twice", filepath.Join(a.dirs.Config, "config.toml"), key.Name())
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (a *app) witnessDir(w witnessing) string {
	return first(w.dir, filepath.Join(a.dirs.State, "witness"))
}

// witness checks and signs. It signs in and out if it was given a password, so
// that no session is left between two runs.
func (a *app) witness(ctx context.Context, w witnessing) error {
	holder, err := client.OpenWitness(a.witnessDir(w))
	if err != nil {
		return err
	}
	defer holder.Close()
	a.memory = holder.Checkpoints()
	if w.fromStdin {
		if err := a.signIn(ctx); err != nil {
			return err
		}
	}
	session, err := a.dirs.LoadSession(a.settings.pin, a.deps.Now())
	if err != nil {
		return err
	}
	a.user = session.User
	c, err := a.connect(a.settings.server, a.settings.pin, session.Token)
	if err != nil {
		return err
	}
	defer c.Close()
	err = a.attest(ctx, c, holder)
	if w.fromStdin {
		// A session that the server keeps ends by itself; the check is what counts.
		_, _ = c.Session().Logout(context.WithoutCancel(ctx), &loddv1.LogoutRequest{})
		err = errors.Join(err, a.dirs.RemoveSession())
	}
	return err
}

// signIn begins a session with the password on standard input.
func (a *app) signIn(ctx context.Context) error {
	if err := a.serverKnown(a.settings.server, a.settings.pin); err != nil {
		return err
	}
	if a.profile.User == "" {
		return &usageError{a.words.say("error.no-user")}
	}
	password, err := a.password(ctx, true, false)
	if err != nil {
		return err
	}
	return a.login(ctx, proving{fromStdin: true}, a.profile.User, password)
}

// attest checks and signs all compartments of all trials. What is wrong with one
// doesn't keep it from the next; the worst of it is returned, and the rest is
// told.
func (a *app) attest(ctx context.Context, c *client.Client, w *client.Witness) error {
	audited, err := a.audited(ctx, c)
	if err != nil {
		return err
	}
	r := list("witness-check", "compartments", "list", "entries", "seen_before", "cosigned")
	worst := audited.doubt
	done, refused := map[string]bool{}, notLeft{}
	for _, trial := range audited.trials {
		lists, err := audited.compartments(ctx, c, trial)
		worst = a.worse(worst, err)
		for _, name := range lists {
			if done[name] {
				continue // that of the accounts is of every trial
			}
			done[name] = true
			v, err := w.Attest(ctx, c, trial, name)
			if unsigned, ok := errors.AsType[*client.NotLeftError](err); ok {
				refused.add(a, unsigned)
				r.add(name, v.Checkpoint.Size, max(v.Before, 0), false)
			} else if worst = a.worse(worst, err); err == nil {
				r.add(name, v.Checkpoint.Size, max(v.Before, 0), a.cosigned(v))
			}
		}
	}
	return errors.Join(a.write(r), a.worse(worst, refused.err(a)))
}

// worse returns the worse of two errors and tells the other.
func (a *app) worse(x, y error) error {
	if x == nil || y == nil {
		return errors.Join(x, y)
	}
	if is[*client.LogError](y) && !is[*client.LogError](x) {
		x, y = y, x
	}
	a.explain(y)
	return x
}

// cosigned says that a compartment is co-signed. People are told of one without
// entries that there was nothing to sign.
func (a *app) cosigned(v client.Verified) any {
	if v.Checkpoint.Size == 0 && a.settings.output == "table" {
		return code("nothing-to-sign")
	}
	return v.Checkpoint.Size > 0
}

// notLeft are the compartments whose signature the server didn't take, by why.
type notLeft map[string][]*client.NotLeftError

func (n notLeft) add(a *app, e *client.NotLeftError) {
	why, _, _ := a.describe(e.Err)
	n[why] = append(n[why], e)
}

// err says so, once for each reason; nil if all were taken.
func (n notLeft) err(a *app) (worst error) {
	for _, why := range slices.Sorted(maps.Keys(n)) {
		var lists []string
		for _, e := range n[why] {
			lists = append(lists, e.List)
		}
		_, _, hint := a.describe(n[why][0].Err)
		if exitCode(n[why][0].Err) == exitInvalid { // it knows no such witness
			hint = a.words.say("hint.not-left")
		}
		message := a.words.say("error.not-left", strings.Join(lists, ", "), why)
		worst = a.worse(worst, &rewordedError{n[why][0], message, hint})
	}
	return worst
}

// uncheckedError is what kept the log from being checked. It is no verdict.
type uncheckedError struct{ error }

func (e *uncheckedError) Unwrap() error { return e.error }

// undecided tells apart that the log is not what it was, and that we don't know.
func (a *app) undecided(err error) error {
	if is[*client.WitnessError](err) {
		return err
	}
	switch exitCode(err) {
	case exitDone, exitUsage, exitNotVerified, exitInterrupted:
		return err
	}
	return &uncheckedError{err}
}
