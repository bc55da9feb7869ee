package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/backup"
	"github.com/lodd-rct/lodd/server/keys"
)

// backupOptions are the flags of lodd backup.
type backupOptions struct {
	to                         string
	recipients, keysRecipients []string
	out                        io.Writer
}

func backupCommand() *cobra.Command {
	var flags, c config
	var file string
	var o backupOptions
	cmd := &cobra.Command{
		Use:   "backup --data DIR --to DIR --recipient age1...",
		Short: "Back up a server, also while it runs",
		Long: `Back up a server, also while it runs.

It runs on the server's own machine and writes two files, both encrypted with
age: NAME.backup.age with a consistent copy of the database, and NAME.keys.age
with the server's keys. One is of no use without the other: keep them apart.
The copy is opened and checked against the log's signed heads before it is
encrypted. "lodd restore" brings both back.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			if c, err = settings(file, flags); err != nil {
				return err
			}
			if err := inUse("--data", c.Data); err != nil {
				return err
			}
			if err := o.apart(c.Data); err != nil {
				return err
			}
			_, _, err = o.sealedTo()
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.out = cmd.ErrOrStderr()
			return backUp(cmd.Context(), c, o)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `FILE` of the server (TOML)")
	cmd.Flags().StringVar(&flags.Data, "data", "", "`DIR` of the server's database")
	cmd.Flags().StringVar(&flags.Keys, "keys", "", "`DIR` of the server's keys (default keys in the data folder)")
	cmd.Flags().StringVar(&flags.Checkpoints, "checkpoints", "", "`DIR` of the signed heads (default checkpoints in the data folder)")
	masterKeyFlags(cmd.Flags(), &flags.MasterKey)
	cmd.Flags().StringVar(&o.to, "to", "", "`DIR` to write the two files into")
	cmd.Flags().StringArrayVar(&o.recipients, "recipient", nil, "public age `KEY` of somebody who can open the backup, may be repeated")
	cmd.Flags().StringArrayVar(&o.keysRecipients, "keys-recipient", nil, "public age `KEY` of somebody who can open the file of keys, may be repeated (default the recipients of the backup)")
	return cmd
}

// apart refuses to write a backup into the data folder, with which it would be lost.
func (o backupOptions) apart(data string) error {
	to, errTo := os.Stat(o.to) // which may still have to be made
	folder, err := os.Stat(data)
	if errTo == nil && err == nil && os.SameFile(to, folder) {
		return fmt.Errorf("--to %s is the data folder, with which the backup would be lost: give another, best on another disk", o.to)
	}
	return nil
}

// sealedTo returns to whom the two files are encrypted, and reports what is
// missing to write them.
func (o backupOptions) sealedTo() (store, keys []age.Recipient, err error) {
	if o.to == "" {
		return nil, nil, errors.New("no folder is named for the backup: give --to DIR")
	}
	if store, err = backup.ParseRecipients(o.recipients); err != nil || len(o.keysRecipients) == 0 {
		return store, store, err
	}
	keys, err = backup.ParseRecipients(o.keysRecipients)
	return store, keys, err
}

// backUp writes both files or none.
func backUp(ctx context.Context, c config, o backupOptions) error {
	recipients, forKeys, err := o.sealedTo()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.to, 0o700); err != nil {
		return err
	}
	at := wall().UTC()
	name := filepath.Join(o.to, "lodd-"+at.Format("20060102T150405Z"))
	keysSize, err := backup.Seal(name+".keys.age", forKeys, func(w io.Writer) error {
		_, err := backup.WriteKeys(w, c.Keys, at)
		return err
	})
	if err != nil {
		return err
	}
	if err := backUpStore(ctx, c, name+".backup.age", sealed{recipients, o.out}); err != nil {
		return errors.Join(err, os.Remove(name+".keys.age"))
	}
	fmt.Fprintf(o.out, "lodd: %s.keys.age: %s\n", name, bytesText(keysSize))
	if len(o.keysRecipients) == 0 || strings.Join(o.keysRecipients, " ") == strings.Join(o.recipients, " ") {
		fmt.Fprintln(o.out, "lodd: the same identity opens both files: keep them in different places, or name another with --keys-recipient")
	}
	return nil
}

// sealed is to whom a backup is encrypted and where its progress is told.
type sealed struct {
	recipients []age.Recipient
	out        io.Writer
}

// backUpStore writes the file of the database: of the running server, or else
// of the folder itself.
func backUpStore(ctx context.Context, c config, path string, to sealed) error {
	body, err := askBackup(ctx, c.Data)
	if errors.Is(err, errNotRunning) {
		return backUpFolder(ctx, c, path, to)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	fmt.Fprintln(to.out, "lodd: the running server has taken a snapshot and checked it")
	var m backup.Manifest
	size, err := backup.Seal(path, to.recipients, func(w io.Writer) (err error) {
		m, err = backup.Read(io.TeeReader(body, w), io.Discard) // what is written is what was checked
		return err
	})
	if err != nil {
		return err
	}
	told(to.out, path, size, m)
	return nil
}

func told(out io.Writer, path string, size int64, m backup.Manifest) {
	fmt.Fprintf(out, "lodd: %s: %s, %d entries in %d lists as of %s\n",
		path, bytesText(size), m.Entries(), len(m.Lists), m.Time.Format("2006-01-02 15:04:05 MST"))
}

// backUpFolder does without a server.
func backUpFolder(ctx context.Context, c config, path string, to sealed) (err error) {
	n := &node{data: c.Data, world: operator(to.out)}
	defer func() { err = errors.Join(err, n.close()) }()
	defer func() { err = advised(c.Data, err) }()
	err = n.openFile(c.Data)
	if errors.Is(err, bolt.ErrLocked) {
		return fmt.Errorf("a server has %s open but doesn't answer on %s: stop it first, or see its log for why it can't listen there", c.Data, controlPath(c.Data))
	}
	if err != nil {
		return err
	}
	k, err := loadKeys(ctx, c, keys.Config{Name: c.Name, Now: n.world.wall(), Random: n.world.random})
	if err != nil {
		return err
	}
	if err := n.openLog(ctx, c, k); err != nil {
		return err
	}
	if err := backup.RemoveStale(c.Data); err != nil {
		return err
	}
	snapshot, err := n.snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	size, err := backup.Seal(path, to.recipients, snapshot.Write)
	if err == nil {
		fmt.Fprintln(to.out, "lodd: no server was running; the snapshot was taken from the folder and checked")
		told(to.out, path, size, snapshot.Manifest)
	}
	return err
}

// bytesText returns a size for people.
func bytesText(n int64) string {
	const units = "kMGT"
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, u := float64(n)/1000, 0
	for v >= 1000 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[u])
}
