package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// noun returns a command that only holds verbs.
func noun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  onlyVerbs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// onlyVerbs refuses a word after a command that only holds others.
func onlyVerbs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

// misspelt returns what is wrong with a command line of which a flag isn't
// known: if a verb isn't either, the flag may be the verb's, so that the verb
// is told.
func misspelt(cmd *cobra.Command, args []string, err error) error {
	_, rest, failed := cmd.Root().Find(args)
	if failed != nil || !cmd.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return err
	}
	return onlyVerbs(cmd, rest[:1])
}

// counted says how a command is used where cobra says how many arguments it accepts.
func counted(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || !strings.Contains(err.Error(), "arg(s)") {
			return err
		}
		return fmt.Errorf("the command is: %s; %d arguments were given", cmd.UseLine(), len(args))
	}
}

// byFlag refuses arguments and names the flag that takes what they give.
func byFlag(flag string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%q stands alone: give it with %s, as in: %s %s %s", args[0], flag, cmd.CommandPath(), flag, args[0])
		}
		return nil
	}
}
