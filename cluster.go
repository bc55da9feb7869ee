package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/etcd"
	"github.com/lodd-rct/lodd/server/keys"
)

// An etcdConfig is how servers reach their etcd cluster.
type etcdConfig struct {
	// CA is a file with the authority's certificate of the members. Without it
	// members are reached without TLS, which is allowed on this machine only.
	CA string `toml:"ca"`
	// Cert and Key are files with this server's own certificate, if the members
	// want one.
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
	// User is an account of the cluster, and PasswordFile holds its password,
	// if the cluster wants one.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
}

// pinKey is where a group keeps the pin of the keys that all its servers have.
const pinKey = "cluster/pin"

// A membership is that of a server which is one of several on an etcd cluster.
type membership struct {
	db   *etcd.DB
	lost <-chan struct{} // closed when it leads no more

	percent atomic.Int64 // of its quota that the cluster uses, as far as it is known
}

// checkStore reports what cannot be right about a store in a cluster.
func (c *config) checkStore() error {
	if c.Store == "" {
		return nil
	}
	if c.Advertise == "" {
		c.Advertise = c.Listen
	}
	host, _, err := net.SplitHostPort(c.Advertise)
	if err != nil {
		return fmt.Errorf("advertise %q: want host:port", c.Advertise)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("%q is no address at which the other servers reach this one: give --advertise HOST:PORT", c.Advertise)
	}
	_, err = c.cluster()
	return err
}

// cluster returns how the store's cluster is reached.
func (c *config) cluster() (etcd.Config, error) {
	const want = "want etcd://HOST:PORT,HOST:PORT,HOST:PORT/GROUP"
	members, group, ok := strings.Cut(strings.TrimPrefix(c.Store, "etcd://"), "/")
	if !ok || !strings.HasPrefix(c.Store, "etcd://") {
		return etcd.Config{}, fmt.Errorf("store %q: %s", c.Store, want)
	}
	out := etcd.Config{Group: group, User: c.Etcd.User}
	for _, member := range strings.Split(members, ",") {
		host, _, err := net.SplitHostPort(member)
		if err != nil || host == "" {
			return out, fmt.Errorf("store %q: %q is no member: %s", c.Store, member, want)
		}
		scheme := "https://"
		if c.Etcd.CA == "" {
			scheme = "http://"
			if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
				return out, fmt.Errorf("store %q: %s is another machine, to which entries travel encrypted only: name the cluster's authority as ca in [etcd]", c.Store, host)
			}
		}
		out.Endpoints = append(out.Endpoints, scheme+member)
	}
	var err error
	out.TLS, out.Password, err = c.Etcd.load()
	return out, err
}

// load reads the files that the configuration names.
func (c etcdConfig) load() (t *tls.Config, password string, err error) {
	if c.PasswordFile != "" {
		b, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return nil, "", fmt.Errorf("etcd: password: %w", err)
		}
		password = strings.TrimSpace(string(b))
	}
	if c.CA == "" {
		return nil, password, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, "", fmt.Errorf("etcd: ca: %w", err)
	}
	t = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, "", fmt.Errorf("etcd: ca: %s holds no certificate", c.CA)
	}
	if c.Cert != "" || c.Key != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, "", fmt.Errorf("etcd: cert: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, password, nil
}

// join opens the store of a cluster and stands by until this server leads.
// Connections that come meanwhile are passed on to the server that does.
func (n *node) join(ctx context.Context, c config) (*keys.Keys, error) {
	if _, err := os.Stat(filepath.Join(c.Data, "lodd.db")); err == nil {
		return nil, fmt.Errorf("%s holds the database of a server that stands alone: give the cluster another data folder", c.Data)
	}
	at, err := c.cluster()
	if err != nil {
		return nil, err
	}
	at.Random = n.world.random
	at.Away = func(err error) { n.world.log.Warn().Err(err).Msg("etcd") }
	at.Filled = n.filled
	replica, err := bolt.Open(filepath.Join(c.Data, "replica.db"), bolt.Options{})
	if err != nil {
		return nil, err
	}
	at.Replica = n.room.over(replica)
	db, err := etcd.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	n.store, n.member = db, &membership{db: db}
	fresh, err := empty(ctx, db)
	if err != nil {
		return nil, err
	}
	if kept, err := keys.Stat(c.Keys); err == nil && len(kept) == 0 && !fresh {
		return nil, fmt.Errorf("there is no master key in %s, and the cluster has one already: copy the keys folder from a server that has led", c.Keys)
	}
	k, err := n.loadKeys(ctx, c, fresh)
	if err != nil {
		return nil, err
	}
	if err := n.listen(c); err != nil {
		return nil, err
	}
	if err := n.standBy(ctx, c, k); err != nil {
		return nil, err
	}
	return k, n.claim(ctx, k)
}

// alarmAt is the percentage of the cluster's quota from which on the log warns.
const alarmAt = 60

// filled notes how full the cluster is, and warns of it, and again with every
// tenth of the quota.
func (n *node) filled(percent int) {
	was := int(n.member.percent.Swap(int64(percent)))
	if percent >= alarmAt && percent/10 > was/10 {
		n.world.log.Warn().Int("percent", percent).Msg("the quota of the etcd cluster is filling: raise it, or make room; at 100 percent nothing more is written")
	}
}

// empty reports whether a group holds nothing yet, so that keys may be made.
func empty(ctx context.Context, db *etcd.DB) (bool, error) {
	lists, err := db.Lists(ctx, "")
	if err != nil {
		return false, err
	}
	values, err := db.Keys(ctx, "")
	return len(lists)+len(values) == 0, err
}

// standBy waits for the lead, and passes connections on meanwhile.
func (n *node) standBy(ctx context.Context, c config, k *keys.Keys) (err error) {
	address := c.Advertise
	if _, port, _ := net.SplitHostPort(address); port == "0" { // any port; now it is known which
		address = n.address()
	}
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := forwarder{leader: n.member.db.Leader, own: address, patience: searchFor}
	var wg sync.WaitGroup
	wg.Go(func() { f.run(waiting, n.listener) })
	wg.Go(func() {
		if err := n.compareKeys(waiting, k); err != nil {
			stop(err)
		}
	})
	n.world.log.Info().Str("address", n.address()).Msg("standing by")
	n.member.lost, err = n.member.db.Lead(waiting, address)
	if err != nil {
		err = waitEnded(context.Cause(waiting), err)
	}
	stop(nil)
	l := n.listener.(*net.TCPListener)
	interrupted := l.SetDeadline(time.Unix(1, 0)) // the past
	wg.Wait()
	return errors.Join(err, interrupted, l.SetDeadline(time.Time{}))
}

// waitEnded says why a server waits for the lead no more, of which Lead gave
// err: it was stopped, has other keys, or its store has failed.
func waitEnded(cause, err error) error {
	_, damaged := errors.AsType[*store.DamageError](err)
	switch {
	case cause == nil || damaged || errors.Is(err, store.ErrUnknown) || !errors.Is(err, context.Canceled):
		return err
	case errors.Is(cause, context.Canceled):
		return errStoodBy
	default:
		return cause
	}
}

// compareKeys returns an error once the group turns out to be of other keys.
func (n *node) compareKeys(ctx context.Context, k *keys.Keys) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if known, err := n.samePin(ctx, k); known || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// samePin reports whether the group names its keys, and returns an error if
// they are not those of this server.
func (n *node) samePin(ctx context.Context, k *keys.Keys) (known bool, err error) {
	pin, err := n.member.db.Get(ctx, pinKey)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err == nil && string(pin) != k.Pin() {
		err = errors.New("the keys of this server are not those of the cluster: stop it, and copy the keys folder from a server that has led")
	}
	return err == nil, err
}

// claim writes into a new group which keys are its own.
func (n *node) claim(ctx context.Context, k *keys.Keys) error {
	if known, err := n.samePin(ctx, k); known || err != nil {
		return err
	}
	return n.member.db.Put(ctx, pinKey, []byte(k.Pin()))
}

// deposed is closed when a server of a cluster leads no more. Of one that
// stands alone it is nil.
func (n *node) deposed() <-chan struct{} {
	if n.member == nil {
		return nil
	}
	return n.member.lost
}

// errStoodBy ends a server that was stopped before it led.
var errStoodBy = errors.New("the server was stopped while it stood by")

// errDeposed ends a server of a cluster that leads no more.
var errDeposed = errors.New("this server leads no more: another does, or the cluster can't be reached; start it again, and it stands by")
