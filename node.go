package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/stats"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/vault"
)

// stopWithin is how long calls under way may take after a SIGTERM.
const stopWithin = 10 * time.Second

// A world is what a server has of the world.
type world struct {
	now           func() time.Time // the clock of the trials
	wall          func() time.Time // the clock of certificates
	random, seeds io.Reader
	log           zerolog.Logger
	passwords     authn.PasswordConfig // the zero value outside tests
	limits        server.Limits        // the zero value but for clocks that stand still
	stats         stats.Handler        // nil outside tests
}

// A node is a server on one data folder.
type node struct {
	store    *bolt.DB
	log      *audit.Log
	ledger   *ledger.Ledger
	server   *server.Server
	listener net.Listener
	vault    *vault.Vault
	pin      string
	world    world
}

// open opens the data folder, checks all of the log, and listens. It makes
// the folder's content if there is none.
func open(ctx context.Context, c config, w world) (*node, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &node{world: w}
	if err := n.open(ctx, c); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) open(ctx context.Context, c config) error {
	database := filepath.Join(c.Data, "lodd.db")
	_, err := os.Stat(database)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	k, err := keys.Load(c.Keys, keys.Config{
		Fresh: fresh, Name: c.Name, Hosts: hosts(c), Now: n.world.wall(), Random: n.world.random,
	})
	if err != nil {
		return err
	}
	if n.store, err = bolt.Open(database, bolt.Options{}); err != nil {
		return err
	}
	if err := n.openLedger(ctx, c, k); err != nil {
		return err
	}
	if n.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return err
	}
	return n.openServer(c, k)
}

func (n *node) openLedger(ctx context.Context, c config, k *keys.Keys) error {
	verifier, err := note.NewVerifier(k.LogVerifier)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Checkpoints, 0o700); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	guard := audit.FileGuard{Dir: c.Checkpoints}
	heads, err := guard.Load()
	if err != nil {
		return err
	}
	n.log, err = audit.Open(ctx, audit.Config{
		Store: n.store, Origin: strings.TrimSuffix(verifier.Name(), "/log"), Signer: k.LogSigner, Verifier: verifier,
		Guard: guard,
	})
	if err != nil {
		return err
	}
	if len(heads) == 0 && len(n.log.Lists("")) > 0 && !c.LostCheckpoints {
		return fmt.Errorf("%s holds no signed head though the database has entries: put the folder back; "+
			"without it an older or shortened database cannot be told from the newest, so start with --lost-checkpoints only if it is gone", c.Checkpoints)
	}
	n.vault, err = vault.New(vault.Config{Master: k.Master(), Store: n.store, NotFound: store.ErrNotFound, Random: n.world.random})
	if err != nil {
		return err
	}
	n.ledger, err = ledger.Open(ctx, ledger.Config{Log: n.log, Vault: n.vault, Seeds: n.world.seeds, Random: n.world.random, Now: n.world.now})
	if err != nil {
		return err
	}
	return nil
}

func (n *node) openServer(c config, k *keys.Keys) error {
	addresses := c.Addresses
	if len(addresses) == 0 {
		addresses = []string{n.address()}
	}
	var err error
	n.pin = k.Pin()
	n.server, err = server.New(server.Config{
		Ledger: n.ledger, Log: n.log, Vault: n.vault, Keys: k,
		Credentials: n.store, NotFound: store.ErrNotFound,
		Name: c.Name, Addresses: addresses,
		Passwords: n.world.passwords, Limits: n.world.limits,
		Sessions: authn.SessionConfig{Idle: time.Duration(c.SessionIdle), Absolute: time.Duration(c.SessionLife)},
		Stats:    n.world.stats,
		Now:      n.world.now, Random: n.world.random, Logger: n.world.log,
	})
	return err
}

// run serves until ctx ends. It saves checkpoints beside the store a second
// after a change at the latest.
func (n *node) run(ctx context.Context) error {
	return n.during(ctx, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// during serves while f runs, then lets calls under way finish.
func (n *node) during(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var served error
	var wg sync.WaitGroup
	wg.Go(func() {
		served = n.server.Serve(n.listener)
		cancel() // if it ends by itself, f has no server
	})
	wg.Go(func() { n.guard(ctx) })
	wg.Go(func() { n.watch(ctx, cancel) })
	err := f(ctx)
	cancel()
	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer done()
	n.server.Stop(stopping)
	wg.Wait()
	return errors.Join(err, served, n.lost())
}

// watch ends the server when the log can no longer say what is durable: what it
// would answer from then on may be old. Starting it again reads what is there.
func (n *node) watch(ctx context.Context, stop func()) {
	select {
	case <-ctx.Done():
	case <-n.log.Failed():
		stop()
	}
}

// lost returns an error if the log has failed.
func (n *node) lost() error {
	select {
	case <-n.log.Failed():
		return errors.New("the outcome of a write to the database is not known; start the server again to read what is there")
	default:
		return nil
	}
}

// guard saves the checkpoints of what has changed, once a second, so that a
// store that is rolled back is noticed at the next start. If that fails the
// entries are safe all the same: it is tried again and told in the log.
func (n *node) guard(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := n.log.SaveGuard(ctx); err != nil && ctx.Err() == nil {
				n.world.log.Error().Err(err).Msg("guard")
			}
		}
	}
}

// close closes what is open, in the order in which it depends on one another.
func (n *node) close() error {
	var errs []error
	if n.listener != nil {
		if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) { // Serve has closed it
			errs = append(errs, err)
		}
	}
	if n.ledger != nil {
		n.ledger.Close()
		// Only what the ledger has read and found right is signed.
		errs = append(errs, n.log.SaveGuard(context.Background()))
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}

// hosts returns the host names of every address, for the certificate.
func hosts(c config) []string {
	var out []string
	for _, a := range append(slices.Clone(c.Addresses), c.Listen) {
		if host, _, err := net.SplitHostPort(a); err == nil && host != "" {
			out = append(out, host)
		}
	}
	return out
}

// address returns where the server listens.
func (n *node) address() string { return n.listener.Addr().String() }
