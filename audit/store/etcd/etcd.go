package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
)

var (
	errClosed = errors.New("etcd: store is closed")

	// errNotLeader is wrapped by the error of a write when this server doesn't
	// lead, or leads no more. Nothing was written.
	errNotLeader = errors.New("etcd: this server does not lead")

	// errAway is wrapped by what goes wrong between here and the cluster, and
	// may go right the next time: there is no answer, or it is a refusal that
	// an operator can put right.
	errAway = errors.New("etcd: the cluster can't be used")
)

// Config says which group of keys a store is, and where the copy is kept.
type Config struct {
	// Endpoints are the members of the cluster: "https://host:port", or
	// "http://host:port" without TLS. When one is lost, calls go to others.
	Endpoints []string

	// Group names the store in the cluster: letters, digits and - _ . only.
	Group string

	// TLS is how to reach endpoints with https; nil means the system's
	// authorities and no certificate of one's own.
	TLS *tls.Config

	// User and Password are an account of the cluster, if it wants one.
	User, Password string

	// Replica holds this server's copy: an empty store, or that of an earlier
	// start. The DB is its only user from then on, and closes it.
	Replica store.Store

	// Random is the source of the nonces.
	Random io.Reader

	// Lease is how long the lead outlives a server that dies, in whole
	// seconds. It must be longer than an election of the cluster takes. 0 is
	// ten seconds.
	Lease time.Duration

	// Patience is how long a write is repeated while the cluster doesn't
	// answer, until its outcome counts as unknown. 0 is 15 seconds.
	Patience time.Duration

	// Away is told why the cluster can't be used, each cause once until it can
	// be used again; what failed is repeated meanwhile. It may be called
	// concurrently, and must not call the DB. It may be nil.
	Away func(error)

	// Filled is told how many percent of its quota the cluster uses, when this
	// server gets the lead and every minute while it leads; at 100 the cluster
	// takes no more writes. It is not told if the members don't say what their
	// quota is, as those before etcd 3.6. It is not called concurrently, and
	// must not call the DB. It may be nil.
	Filled func(percent int)
}

const (
	defaultLease    = 10 * time.Second
	defaultPatience = 15 * time.Second

	// A request gets this part of the patience, so that another member is
	// asked before it is at its end.
	tries = 5

	// The client repeats a request no more often than it needs to sign in
	// again. Whoever asks repeats the rest, and so learns why it failed: the
	// client itself would only say that time was up.
	clientTries = 2

	// pause lies between two attempts.
	pause = 100 * time.Millisecond
)

// A DB is a [store.Store] in a cluster. It reads from its own copy; it writes
// only while it leads, see [DB.Lead].
type DB struct {
	prefix  string
	config  Config
	client  *clientv3.Client
	kv      clientv3.KV // of client; tests put faults between
	replica *tail

	lookEvery time.Duration // how often the leader looks at the quota

	cause atomic.Pointer[error] // why the cluster couldn't be used last, nil if it could

	stop context.CancelFunc // of what follows the cluster
	done sync.WaitGroup     // what runs in the background

	writing sync.Mutex // one transaction at a time; guards told
	told    told       // of writes

	applying sync.Mutex // guards the fields below; held while the copy changes
	head     head       // what the copy holds
	headRev  int64      // revision at which etcd's head was written, 0 without one
	applied  int64      // revision up to which the copy is complete

	state  sync.RWMutex  // guards the fields below
	term   int64         // creation revision of our leader's key, 0 if we don't lead
	lost   chan struct{} // closed when we lead no more
	failed error         // why the store serves nothing more
}

// Open connects to the cluster and brings the copy up to date, which takes as
// long as reading all of the group if the copy is empty. Then the copy follows
// the cluster until Close.
//
// The error wraps a *[store.DamageError] if the group isn't what was written,
// or isn't a continuation of the copy. The replica is closed on an error too.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Replica == nil || c.Random == nil {
		return nil, errors.New("etcd: Replica and Random are needed")
	}
	d, err := connect(c)
	if err != nil {
		return nil, errors.Join(err, c.Replica.Close())
	}
	rev, err := d.start(ctx)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	ctx, d.stop = context.WithCancel(context.WithoutCancel(ctx))
	d.done.Go(func() { d.follow(ctx, rev) })
	return d, nil
}

func connect(c Config) (*DB, error) {
	bad := strings.IndexFunc(c.Group, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if c.Group == "" || bad >= 0 {
		return nil, fmt.Errorf("etcd: group %q: want letters, digits and - _ . only", c.Group)
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: c.Endpoints, TLS: c.TLS, Username: c.User, Password: c.Password,
		DialTimeout: c.Patience, MaxUnaryRetries: clientTries,
		// A member that hangs is noticed by this; etcd refuses to be asked
		// more often than every five seconds.
		DialKeepAliveTime: 6 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		// The client would print what it repeats. What matters is in the errors.
		Logger: clientv3.NewCtxClient(context.Background()).GetLogger(),
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: connect: %w", err)
	}
	d := &DB{prefix: "/lodd/" + c.Group + "/", config: c, client: client, kv: client, lookEvery: lookEvery, stop: func() {}, told: told{}}
	d.replica = newTail(c.Replica, func(err error) { _ = d.unknown(err) })
	return d, nil
}

// start brings the copy up to date. It tries more than once: a member may be
// away, and history may be compacted while the copy reads.
func (d *DB) start(ctx context.Context) (rev int64, err error) {
	patient, cancel := context.WithTimeout(ctx, d.config.Patience)
	defer cancel()
	for n := 1; ; n++ {
		rev, err = d.sync(ctx)
		if !errors.Is(err, errAway) || n >= tries && patient.Err() != nil || !wait(ctx) {
			return rev, err
		}
	}
}

// wait waits a moment, and reports whether ctx goes on.
func wait(ctx context.Context) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// request limits one request, so that a member that hangs isn't all. A member
// that has lost the others says so at once.
func (d *DB) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(clientv3.WithRequireLeader(ctx), d.config.Patience/tries)
}

// get asks the cluster, not only one member of it.
func (d *DB) get(ctx context.Context, key string, o ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	asking, cancel := d.request(ctx)
	defer cancel()
	r, err := d.kv.Get(asking, key, o...)
	if err != nil {
		return nil, d.away(ctx, "read", err)
	}
	return r, nil
}

func (d *DB) headKey() string            { return d.prefix + "head" }
func (d *DB) leaderKey() string          { return d.prefix + "leader" }
func (d *DB) batchKey(n int64) string    { return d.prefix + "b/" + string(indexKey(n)) }
func (d *DB) valueKey(key string) string { return d.prefix + "m/" + key }

// failure returns why the store serves nothing more, or nil.
func (d *DB) failure() error {
	d.state.RLock()
	defer d.state.RUnlock()
	return d.failed
}

// fail makes the store serve nothing more. The first reason stays.
func (d *DB) fail(cause error) error {
	d.state.Lock()
	defer d.state.Unlock()
	if d.failed == nil {
		d.failed = cause
	}
	d.abdicate()
	return d.failed
}

// Close waits for a write under way, gives up the lead and closes the copy.
func (d *DB) Close() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.state.Lock()
	was := d.failed
	d.failed = errClosed
	d.abdicate()
	d.state.Unlock()
	if errors.Is(was, errClosed) {
		return nil
	}
	d.stop()
	d.done.Wait()
	return errors.Join(ignoreCanceled(d.client.Close()), d.replica.Close())
}

// ignoreCanceled drops what the client says of its own end.
func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
