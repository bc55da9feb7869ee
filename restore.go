package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/backup"
	"github.com/lodd-rct/lodd/server/keys"
)

// restoreOptions are the flags of lodd restore.
type restoreOptions struct {
	backup, keys, log, checkpoints string
	identities                     []string
	masterKey                      masterKeyConfig
	inPlace, anyway                bool
	out                            io.Writer
	world                          world
}

func restoreCommand() *cobra.Command {
	var flags, c config
	var file string
	var o restoreOptions
	cmd := &cobra.Command{
		Use:   "restore --backup FILE --keys FILE --identity FILE --data NEWDIR",
		Short: "Bring a server back from a backup",
		Long: `Bring a server back from a backup.

It makes a new data folder out of the two files of "lodd backup", and checks
every entry and every signature on the way. With --log DIR it takes what came
later from a newer copy of the log: the folder of "lodd follow", or what is
left of the old server's data folder.

Entries that came later than what is brought back may be lost. With --checkpoints
DIR, the folder of the newest signed heads and of the records of earlier
restores, it says how many are known to be. The restore is recorded in every
trial, and nobody is randomized before its custodian has said, with "lodd trial
reconcile", which slots the lost part had used, or that there are none.

With --in-place it records that an older copy was put back by hand.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			if err = o.check(flags.Data, file); err != nil || !o.inPlace {
				return err
			}
			flags.Keys, flags.Checkpoints = o.keys, o.checkpoints
			if c, err = settings(file, flags); err != nil {
				return err
			}
			return inUse("--data", c.Data)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.out, o.world = cmd.ErrOrStderr(), operator(cmd.ErrOrStderr())
			if o.inPlace {
				return restoreInPlace(cmd.Context(), c, o)
			}
			o.masterKey = flags.MasterKey.over(masterKeyConfig{})
			return restore(cmd.Context(), flags.Data, o)
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringVar(&flags.Data, "data", "", "`DIR` to make; with --in-place the server's data folder")
	cmd.Flags().StringVar(&file, "config", "", "configuration `FILE` of the server (TOML), with --in-place")
	masterKeyFlags(cmd.Flags(), &flags.MasterKey)
	return cmd
}

// flags adds the flags that a restore alone has.
func (o *restoreOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.backup, "backup", "", "`FILE` of the database, *.backup.age")
	f.StringVar(&o.keys, "keys", "", "`FILE` of the keys, *.keys.age; with --in-place the folder of the keys")
	f.StringArrayVar(&o.identities, "identity", nil, "`FILE` with the secret age key, may be repeated")
	f.StringVar(&o.log, "log", "", "`DIR` of a newer copy of the log")
	f.StringVar(&o.checkpoints, "checkpoints", "", "`DIR` of the newest signed heads; with --in-place those of the server")
	f.BoolVar(&o.inPlace, "in-place", false, "record that the data folder is an older copy")
	f.BoolVar(&o.anyway, "anyway", false, "with --in-place: record it though the folder has all that its signed heads cover")
}

// check reports what is missing among the flags, or doesn't go together.
func (o restoreOptions) check(data, file string) error {
	switch {
	case o.inPlace && (o.backup != "" || o.log != "" || len(o.identities) > 0):
		return errors.New("--in-place takes the folder as it is: --backup, --identity and --log belong to a restore into a new folder")
	case o.inPlace:
	case o.anyway:
		return errors.New("--anyway goes with --in-place only")
	case file != "":
		return errors.New("--config goes with --in-place only: a restore makes a new folder, named by --data")
	case data == "" || o.backup == "" || o.keys == "" || len(o.identities) == 0:
		return errors.New("a restore needs --backup FILE, --keys FILE, --identity FILE and --data NEWDIR")
	}
	if o.checkpoints != "" { // a folder that isn't there would be one without heads
		if _, err := os.ReadDir(o.checkpoints); err != nil {
			return fmt.Errorf("--checkpoints: %w", err)
		}
	}
	if o.log != "" {
		return inUse("--log", o.log)
	}
	return nil
}

// restore makes the data folder, or leaves nothing behind.
func restore(ctx context.Context, data string, o restoreOptions) (err error) {
	if err := vacant(data); err != nil {
		return err
	}
	identities, err := backup.ReadIdentities(o.identities)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(data))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	unfinished := filepath.Base(data) + ".restoring-"
	if err := tellUnfinished(o.out, parent, unfinished); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, unfinished+"*") // mode 0700
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	r := &restoring{o: o, n: &node{world: o.world, data: tmp}, lost: map[string]loss{}}
	r.c = config{Data: tmp, LostCheckpoints: true, MasterKey: o.masterKey}
	if err := r.c.check(); err != nil {
		return err
	}
	f, err := r.run(ctx, identities)
	if err := errors.Join(err, r.n.close()); err != nil {
		return err
	}
	if err := moveInto(tmp, data); err != nil {
		return err
	}
	r.tell(f)
	fmt.Fprintf(o.out, "lodd: restored; start it with: lodd serve --data %s\n", data)
	return nil
}

// A restoring is a restore on its way.
type restoring struct {
	o        restoreOptions
	c        config // of the folder that is made
	n        *node
	k        *keys.Keys
	manifest backup.Manifest

	opened  *audit.Replica  // what the backup holds, every entry checked
	taken   int64           // entries from the newer copy
	known   heads           // the newest signed heads that anybody holds
	earlier []fork          // the records of earlier restores
	lost    map[string]loss // of every list that is known
	gone    []string        // trials of which only heads are left
	doubts  string          // why entries may well be lost that nobody knows of; "" if there is no such reason
	newest  bool            // of a folder that was put back: it has all that its signed heads cover
}

func (r *restoring) run(ctx context.Context, identities []age.Identity) (*fork, error) {
	if err := r.decrypt(identities); err != nil {
		return nil, err
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if r.o.log != "" {
		if err := r.extend(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	f := r.fork("restore")
	r.gone = lostTrials(r.n.log, r.known)
	return f, r.reopen(ctx, f)
}

// decrypt makes the keys and the database.
func (r *restoring) decrypt(identities []age.Identity) error {
	err := backup.Open(r.o.keys, identities, func(from io.Reader) error { return backup.ReadKeys(from, r.c.Keys) })
	if err != nil {
		return err
	}
	db, err := os.OpenFile(filepath.Join(r.c.Data, "lodd.db"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = backup.Open(r.o.backup, identities, func(from io.Reader) (err error) {
		r.manifest, err = backup.Read(from, db)
		return err
	})
	return errors.Join(err, db.Sync(), db.Close())
}

// open checks the database against the signed heads of the backup, and opens its
// log.
func (r *restoring) open(ctx context.Context) (err error) {
	w := r.n.world
	if r.k, err = loadKeys(ctx, r.c, keys.Config{Now: w.wall(), Random: w.random}); err != nil {
		return err
	}
	if err := r.n.openFile(r.c.Data); err != nil {
		return err
	}
	restored, err := r.replica(ctx)
	if err != nil {
		return err
	}
	r.opened, r.known = restored, heads{}
	for _, h := range r.manifest.Lists {
		if err := r.known.add(restored, h.List, []byte(h.Checkpoint)); err != nil {
			return fmt.Errorf("the backup and the keys don't belong together, or one was changed: %w", err)
		}
		lacks, err := restored.CheckHead(ctx, h.List, []byte(h.Checkpoint))
		if err != nil {
			return err
		}
		if n := restored.Len(h.List); lacks != 0 || n != h.Size {
			return fmt.Errorf("list %s of the backup has %d entries, its manifest says %d", h.List, n, h.Size)
		}
	}
	if n := len(restored.Sizes()); n != len(r.manifest.Lists) {
		return fmt.Errorf("the backup has %d lists, its manifest %d", n, len(r.manifest.Lists))
	}
	fmt.Fprintf(r.o.out, "lodd: backup of %s: %d entries in %d lists, every entry and signature checked\n",
		r.manifest.Time.Format("2006-01-02 15:04:05 MST"), r.manifest.Entries(), len(r.manifest.Lists))
	return r.n.openLog(ctx, r.c, r.k)
}

// replica opens what is restored so far as a copy, and checks every entry.
func (r *restoring) replica(ctx context.Context) (*audit.Replica, error) {
	c, err := logConfig(r.n.store, r.k, nil)
	if err != nil {
		return nil, err
	}
	return audit.OpenReplica(ctx, c)
}

// openFile opens the database of a folder, which must exist.
func (n *node) openFile(dir string) error {
	if isReplica(dir) {
		return errors.New("this server is one of a cluster: run this on the one that leads while it runs, or back up etcd (docs/etcd.md)")
	}
	db, err := bolt.Open(filepath.Join(dir, "lodd.db"), bolt.Options{MustExist: true})
	if err != nil {
		return err
	}
	n.store = db
	return nil
}
