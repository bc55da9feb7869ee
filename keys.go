package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/server/keys"
)

// keysCommand is the command that changes how the master key is kept.
func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "See and change how the server's master key is kept",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keysStatusCommand(), keysSealCommand(), keysRotateCommand())
	return cmd
}

// keysFlags are the flags of the commands below lodd keys, and from PreRunE on
// the settings.
type keysFlags struct {
	file string
	config
}

// add adds the flags to a command, which gets the settings before it runs: what
// is wrong with them is wrong usage.
func (f *keysFlags) add(cmd *cobra.Command) {
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		if f.config, err = settings(f.file, f.config); err != nil {
			return err
		}
		return f.there()
	}
	cmd.Flags().StringVar(&f.file, "config", "", "configuration `FILE` of the server (TOML)")
	cmd.Flags().StringVar(&f.Data, "data", "", "`DIR` of database and keys")
	cmd.Flags().StringVar(&f.Keys, "keys", "", "`DIR` of the keys (default keys in the data folder)")
	masterKeyFlags(cmd.Flags(), &f.MasterKey)
}

// there reports what is missing of the files that are named, or can't be read.
func (f *keysFlags) there() error {
	kept, err := keys.Stat(f.Keys)
	if err == nil && len(kept) == 0 {
		err = fmt.Errorf("there is no master key in %s", f.Keys)
	}
	if err == nil {
		err = f.MasterKey.readable()
	}
	return err
}

// from returns how the master key is sealed by the settings, or by a passphrase
// at the terminal that ask returns.
func (f *keysFlags) from(ask func() keys.Passphrase) (keys.Seal, error) {
	seal, err := f.MasterKey.seal()
	if err == nil && seal == nil {
		seal = ask()
	}
	return seal, err
}

func keysStatusCommand() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "status --data DIR",
		Short: "Say how the master key is kept, without opening it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return keysStatus(cmd.OutOrStdout(), f.Keys) },
	}
	f.add(cmd)
	return cmd
}

// keysStatus writes how the master key of a folder is kept.
func keysStatus(out io.Writer, dir string) error {
	kept, err := keys.Stat(dir)
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		return fmt.Errorf("there is no master key in %s", dir)
	}
	for _, k := range kept {
		fmt.Fprintf(out, "%s: %s", k.Path, k.Form)
		if k.Form == keys.FormKeySet {
			fmt.Fprintf(out, ", %d in it, %d the primary one", k.Keys, k.Primary)
		}
		fmt.Fprintln(out)
	}
	if len(kept) > 1 {
		fmt.Fprintln(out, "the master key is kept more than once: a change was cut off, so do it again")
	}
	return nil
}

func keysSealCommand() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "seal --data DIR (--passphrase-file FILE | --master-key-uri URI)",
		Short: "Seal a master key that lies in clear",
		Long: `Seal a master key that lies in clear, with a passphrase or with a key
management service, and remove the one in clear. Without a flag it asks for a
passphrase. The server is then started with the same flags.

It may run beside the server, which reads its keys at the start only. Back up
the keys afterwards: a backup from before still holds the key in clear.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			seal, err := f.from(func() keys.Passphrase { return askedTwice(cmd.Context()) })
			if err != nil {
				return err
			}
			kept, err := keys.Stat(f.Keys)
			if err != nil {
				return err
			}
			if len(kept) > 0 && kept[len(kept)-1].Form != keys.FormClear {
				return fmt.Errorf("the master key is %s already: \"lodd keys rotate\" changes that", kept[0].Form)
			}
			if err := keys.Reseal(f.Keys, nil, seal); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "sealed, opened again and compared; the key in clear was overwritten and removed, as far as the disk does that")
			return keysStatus(cmd.OutOrStdout(), f.Keys)
		},
	}
	f.add(cmd)
	return cmd
}

func keysRotateCommand() *cobra.Command {
	var f keysFlags
	var to masterKeyConfig
	cmd := &cobra.Command{
		Use:   "rotate --data DIR [--new-passphrase-file FILE | --new-master-key-uri URI]",
		Short: "Seal a sealed master key anew",
		Long: `Seal a sealed master key anew: with another passphrase, with another key of a
key management service, or, if the flags name nothing new, with one key more in
the key set, or with a passphrase that it asks for. The master key itself stays
the same, and so do older copies and backups of its file: they open in the old
way for ever.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := f.from(func() keys.Passphrase { return asked(cmd.Context(), "passphrase of the master key") })
			if err != nil {
				return err
			}
			seal, err := to.after(cmd.Context(), f.MasterKey, from)
			if err != nil {
				return err
			}
			if err := keys.Reseal(f.Keys, from, seal); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "sealed anew, opened again and compared")
			return keysStatus(cmd.OutOrStdout(), f.Keys)
		},
	}
	f.add(cmd)
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return err
		}
		return to.readable()
	}
	cmd.Flags().StringVar(&to.PassphraseFile, "new-passphrase-file", "", "`FILE` with the new passphrase")
	cmd.Flags().StringVar(&to.URI, "new-master-key-uri", "", "`URI` of the new key of a key management service")
	cmd.Flags().StringVar(&to.TokenFile, "new-kms-token-file", "", "`FILE` with the token of the new key's service (default the token of the old one's)")
	cmd.Flags().StringVar(&to.CAFile, "new-kms-ca-file", "", "`FILE` of certificates that vouch for the new key's service (default those of the old one's)")
	return cmd
}
