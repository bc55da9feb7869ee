package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc/stats"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/outbox"
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
	// space says how much room the disk of a folder has; nil watches no disk.
	space func(dir string) (space, error)
	// address is nil outside tests: it says what address for notices an account has.
	address func(ctx context.Context, user string) (string, bool, error)
}

// A node is a server on one data folder.
type node struct {
	store    store.Store
	member   *membership // nil if the server stands alone
	log      *audit.Log
	ledger   *ledger.Ledger
	server   *server.Server
	listener net.Listener
	vault    *vault.Vault
	values   *audit.Values // the map of store, through which all write it
	logged   audit.Config  // what log was opened with
	data     string        // the data folder
	// checkpoints is the folder of the signed heads.
	checkpoints string
	// checkEvery is how often all of the log is checked.
	checkEvery time.Duration
	pin        string
	page       page  // of metrics
	room       *room // of the data folder; nil if its disk isn't watched
	outbox     *outbox.Outbox
	world      world
}

// open opens the data folder, checks all of the log, and listens. It makes
// the folder's content if there is none.
func open(ctx context.Context, c config, w world) (*node, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &node{world: w, data: c.Data, checkpoints: c.Checkpoints, checkEvery: time.Duration(c.CheckEvery)}
	err := n.open(ctx, c)
	if err == nil {
		return n, nil
	}
	closed := n.close()
	if errors.Is(err, errStoodBy) && closed != nil {
		return nil, closed // which is more than that it was stopped
	}
	return nil, errors.Join(advised(c.Data, err), closed)
}

func (n *node) open(ctx context.Context, c config) error {
	if inUse("data", c.Data) != nil { // nothing is made for a server that can't listen
		if err := n.listen(c); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	n.room = newRoom(n.world, c.Data)
	k, err := n.openStore(ctx, c)
	if err != nil {
		return err
	}
	n.room.look() // now that no other process can have the folder
	if n.page, err = newPage(ctx, c.Metrics); err != nil {
		return err
	}
	n.store = n.page.timing(n.store, n.world.wall)
	if err := n.openLog(ctx, c, k); err != nil {
		return err
	}
	if err := n.openLedger(ctx, k); err != nil {
		return err
	}
	if err := n.firstHead(ctx, c); err != nil {
		return err
	}
	if err := n.takeUnsealed(ctx, c.Checkpoints); err != nil {
		return err
	}
	if err := n.listen(c); err != nil {
		return err
	}
	if err := n.openServer(c, k); err != nil {
		return err
	}
	return n.openOutbox(ctx, c.Notices)
}

// openStore opens the store and loads the keys of what it holds.
func (n *node) openStore(ctx context.Context, c config) (*keys.Keys, error) {
	if c.Store != "" {
		return n.join(ctx, c)
	}
	if isReplica(c.Data) {
		return nil, fmt.Errorf("%s is the data folder of a server in a cluster: name the cluster with --store", c.Data)
	}
	database := filepath.Join(c.Data, "lodd.db")
	_, err := os.Stat(database)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		n.warnReused(c)
	}
	k, err := n.loadKeys(ctx, c, fresh)
	if err != nil {
		return nil, err
	}
	db, err := bolt.Open(database, bolt.Options{})
	if err != nil {
		return nil, err
	}
	n.store = n.room.over(db)
	return k, nil
}

func (n *node) loadKeys(ctx context.Context, c config, fresh bool) (*keys.Keys, error) {
	return loadKeys(ctx, c, keys.Config{
		Fresh: fresh, Name: c.Name, Hosts: hosts(c), Now: n.world.wall(), Random: n.world.random,
	})
}

// openLog opens the log in the store and compares it with the heads that it
// signed last.
func (n *node) openLog(ctx context.Context, c config, k *keys.Keys) error {
	if err := n.needHeads(ctx, c); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Checkpoints, 0o700); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	var err error
	if n.logged, err = logConfig(n.store, k, audit.FileGuard{Dir: c.Checkpoints}); err != nil {
		return err
	}
	n.log, err = audit.Open(ctx, n.logged)
	return headsAdvised(c, err)
}

// openLedger reads the log and checks that this server wrote it.
func (n *node) openLedger(ctx context.Context, k *keys.Keys) (err error) {
	n.values = audit.NewValues(n.store)
	n.vault, err = vault.New(vault.Config{Master: k.Master(), Store: n.values, NotFound: store.ErrNotFound, Random: n.world.random})
	if err != nil {
		return err
	}
	n.ledger, err = ledger.Open(ctx, ledger.Config{Log: n.log, Vault: n.vault, Seeds: n.world.seeds, Random: n.world.random, Now: n.world.now})
	return err
}

func (n *node) openServer(c config, k *keys.Keys) error {
	addresses := c.Addresses
	if len(addresses) == 0 {
		addresses = []string{n.address()}
	}
	witnesses, err := c.witnesses()
	if err != nil {
		return err
	}
	n.pin = k.Pin()
	n.server, err = server.New(server.Config{
		Ledger: n.ledger, Log: n.log, Vault: n.vault, Keys: k,
		Credentials: n.values, NotFound: store.ErrNotFound, Witnesses: witnesses,
		Followers: c.Followers, Values: n.values,
		Name: c.Name, Addresses: addresses, SignIn: c.signIn(), DiskLow: n.room.low, Fenced: n.fenced,
		Passwords: n.world.passwords, Limits: cmp.Or(n.world.limits, c.Limits.limits()), Metrics: n.page.metrics,
		Sessions: authn.SessionConfig{Idle: time.Duration(c.SessionIdle), Absolute: time.Duration(c.SessionLife)},
		Stats:    n.world.stats,
		Now:      n.world.now, Random: n.world.random, Logger: n.world.log,
	})
	return err
}

// run serves until ctx ends, also what the machine's own operator asks for. It
// saves checkpoints beside the store a second after a change at the latest.
func (n *node) run(ctx context.Context) error { return n.during(ctx, n.control) }

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
	wg.Go(func() { n.notices(ctx) })
	wg.Go(func() { n.checks(ctx) })
	wg.Go(func() { n.rooms(ctx) })
	wg.Go(func() { n.showMetrics(ctx) })
	wg.Go(func() { n.watch(ctx, cancel) })
	err := f(ctx)
	cancel()
	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer done()
	n.server.Stop(stopping)
	wg.Wait()
	return errors.Join(err, served, n.lost())
}

// watch ends the server when the log can no longer say what is durable, or
// another server of the cluster may lead: what it would answer from then on may
// be old. Starting it again reads what is there.
func (n *node) watch(ctx context.Context, stop func()) {
	select {
	case <-ctx.Done():
	case <-n.log.Failed():
		stop()
	case <-n.deposed():
		stop()
	}
}

// lost returns an error if the log has failed.
func (n *node) lost() error {
	select {
	case <-n.deposed():
		return errDeposed
	case <-n.log.Failed():
		if err := n.log.Err(); !errors.Is(err, store.ErrUnknown) {
			return advised(n.data, err)
		}
		return errors.New("the outcome of a write to the database is not known; start the server again to read what is there")
	default:
		return nil
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
	errs = append(errs, n.page.close())
	if n.ledger != nil {
		n.ledger.Close()
		n.room.makeWay() // for what follows
		// Only what the ledger has read and found right is signed.
		errs = append(errs, n.log.SaveGuard(context.Background()))
		if n.server != nil {
			_, err := n.keepUnsealed(context.Background(), n.checkpoints, 0)
			errs = append(errs, err)
		}
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}
