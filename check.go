package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/vault"
)

// checkCommand is the command that checks a data folder.
func checkCommand() *cobra.Command {
	var flags, c config
	var file string
	cmd := &cobra.Command{
		Use:   "check --data DIR",
		Short: "Check all of a stopped server's data folder, and change nothing in it",
		Long: `Check all of a stopped server's data folder, and change nothing in it.

It checks every page and record of the database, every entry against the hash
tree of its list, and, if the keys are there, the signed heads, the code of each
entry and the rules of the trials. For each list it prints the number of entries
and the root of the tree to which they add up. If something is damaged it names
the first bad entry, says what to do, and exits with 1.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			if c, err = settings(file, flags); err != nil {
				return err
			}
			return inUse("--data", c.Data)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return checkFolder(cmd.Context(), c, cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `FILE` (TOML) of the server")
	cmd.Flags().StringVar(&flags.Data, "data", "", "`DIR` of database and keys")
	cmd.Flags().StringVar(&flags.Keys, "keys", "", "`DIR` of the keys (default keys in the data folder)")
	cmd.Flags().StringVar(&flags.Checkpoints, "checkpoints", "", "`DIR` of the signed heads (default checkpoints in the data folder)")
	masterKeyFlags(cmd.Flags(), &flags.MasterKey)
	return cmd
}

// checkFolder checks what lodd check says, and writes what it found to out.
func checkFolder(ctx context.Context, c config, out io.Writer) error {
	database := filepath.Join(c.Data, "lodd.db")
	replica := isReplica(c.Data)
	if replica {
		database = filepath.Join(c.Data, "replica.db")
	}
	db, err := bolt.Open(database, bolt.Options{ReadOnly: true})
	if err != nil {
		return advised(c.Data, err)
	}
	defer db.Close()
	heads, err := audit.Inspect(ctx, db)
	printHeads(out, heads)
	if err != nil {
		return advised(c.Data, err)
	}
	if _, err := os.Stat(c.Keys); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(out, "\n%s holds no keys: the signed heads, the codes of entries and the rules were not checked\n", c.Keys)
		return nil
	}
	k, err := loadKeys(ctx, c, keys.Config{Now: wall(), Random: barren{}})
	if err != nil {
		return err
	}
	f := folder{store: &dryStore{Store: db}, keys: k, replica: replica}
	return f.check(ctx, c, out)
}

func printHeads(out io.Writer, heads []audit.Head) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, h := range heads {
		fmt.Fprintf(table, "%s\t%d entries\troot %s\tadds up\n", h.List, h.Size, h.Root)
	}
	table.Flush()
}

// A folder is a data folder whose keys are there.
type folder struct {
	store   store.Store
	keys    *keys.Keys
	replica bool // of a server in a cluster
}

// check checks what can't be checked without keys.
func (f folder) check(ctx context.Context, c config, out io.Writer) error {
	s, k := f.store, f.keys
	file := audit.FileGuard{Dir: c.Checkpoints}
	signed, err := file.Load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := hasEntries(ctx, s)
	if err != nil {
		return err
	}
	if !entries {
		fmt.Fprintln(out, "the database has no entries")
	}
	switch {
	case len(signed) == 0 && !entries:
		return nil
	case len(signed) == 0 && !f.replica:
		return fmt.Errorf("%s holds no signed head though the database has entries: put the folder back; "+
			"without it an older or shortened database cannot be told from the newest", c.Checkpoints)
	}
	var guard audit.Guard // none on a server that has never led
	heads := "this server has never led: no signed heads to compare"
	if len(signed) > 0 {
		guard, heads = file, fmt.Sprintf("the signed heads of %d lists agree with the database", len(signed))
	}
	logged, err := logConfig(s, k, guard)
	if err != nil {
		return err
	}
	logged.FullCheck = 1 // the entries are checked already
	log, err := audit.Open(ctx, logged)
	if err != nil {
		return advised(c.Data, headsAdvised(c, err))
	}
	defer log.Close()
	fmt.Fprintf(out, "\n%s\n", heads)
	v, err := vault.New(vault.Config{Master: k.Master(), Store: s, NotFound: store.ErrNotFound, Random: barren{}})
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, ledger.Config{Log: log, Vault: v, Seeds: barren{}, Random: barren{}, Now: wall})
	if err != nil {
		return advised(c.Data, err)
	}
	l.Close()
	fmt.Fprintln(out, "every entry bears this server's code and follows from those before it")
	return nil
}

// A dryStore is a store in which nothing is changed: what the reader of a log
// would put right, such as a key that was to be destroyed, is only remembered.
type dryStore struct {
	store.Store

	mu  sync.Mutex // guards put
	put map[string][]byte
}

// Get implements [store.Store].
func (s *dryStore) Get(ctx context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	value, ok := s.put[key]
	s.mu.Unlock()
	if ok {
		return value, nil
	}
	return s.Store.Get(ctx, key)
}

// Put implements [store.Store].
func (s *dryStore) Put(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.put == nil {
		s.put = map[string][]byte{}
	}
	s.put[key] = value
	return nil
}

// barren is a source of random bytes for what must not need any.
type barren struct{}

func (barren) Read([]byte) (int, error) {
	return 0, errors.New("a check draws no random bytes")
}

// checks verifies the whole log once a day, on one core beside the work, and at
// once if it was too large to be verified before the start. Damage stops the log,
// and with it the server.
func (n *node) checks(ctx context.Context) {
	if n.log.Unchecked() > 0 {
		n.check(ctx)
	}
	tick := time.NewTicker(n.checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.check(ctx)
		}
	}
}

// check verifies the log once and says so in one line.
func (n *node) check(ctx context.Context) {
	begin := n.world.wall()
	entries, err := n.log.Check(ctx)
	switch {
	case ctx.Err() != nil: // the server stops
	case err != nil:
		n.world.log.Error().Err(err).Msg("check")
	default:
		n.world.log.Info().Int64("entries", entries).Int64("elapsed_ms", n.world.wall().Sub(begin).Milliseconds()).Msg("check")
	}
}
