// Package etcdtest runs an etcd cluster of three members inside a test.
package etcdtest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// members is how many members a cluster has: one may be lost.
const members = 3

// startWithin is how long a cluster may take to elect its first leader.
const startWithin = 30 * time.Second

// A Cluster is three members on loopback. Its methods must not be called
// concurrently.
type Cluster struct {
	configs [members]*embed.Config
	running [members]*embed.Etcd
}

// Config changes the configuration of a member before it starts.
type Config func(*embed.Config)

// Start starts a cluster whose members keep their data below dir, and returns
// when it has a leader. If another program takes an address before a member does,
// it tries others.
func Start(dir string, change ...Config) (*Cluster, error) {
	for attempt := 1; ; attempt++ {
		c, err := start(filepath.Join(dir, strconv.Itoa(attempt)), change)
		if attempt == 5 || !errors.Is(err, syscall.EADDRINUSE) {
			return c, err
		}
	}
}

func start(dir string, change []Config) (*Cluster, error) {
	c := &Cluster{}
	peers := make([]string, members)
	for i := range members {
		cfg := embed.NewConfig()
		cfg.Name = fmt.Sprintf("m%d", i)
		cfg.Dir = filepath.Join(dir, cfg.Name)
		cfg.TickMs, cfg.ElectionMs = 50, 500 // a member is missed soon
		cfg.LogLevel, cfg.LogOutputs = "fatal", []string{os.DevNull}
		client, peer, err := freeURLs()
		if err != nil {
			return nil, err
		}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		peers[i] = cfg.Name + "=" + peer.String()
		for _, f := range change {
			f(cfg)
		}
		c.configs[i] = cfg
	}
	errs := make(chan error, members)
	for i, cfg := range c.configs {
		cfg.InitialCluster = strings.Join(peers, ",")
		go func() { errs <- c.Restart(i) }() // none is ready before two are
	}
	var err error
	for range members {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// freeURLs returns two addresses on which nobody listens.
func freeURLs() (client, peer url.URL, err error) {
	for _, u := range []*url.URL{&client, &peer} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return client, peer, err
		}
		defer l.Close() // both are taken until both are known
		*u = url.URL{Scheme: "http", Host: l.Addr().String()}
	}
	return client, peer, nil
}

// Restart starts a member that is down, and returns when it serves.
func (c *Cluster) Restart(i int) error {
	e, err := embed.StartEtcd(c.configs[i])
	if err != nil {
		return fmt.Errorf("etcdtest: start member %d: %w", i, err)
	}
	c.running[i] = e
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcdtest: member %d: %w", i, err)
	case <-time.After(startWithin):
		return fmt.Errorf("etcdtest: member %d is not ready", i)
	}
}

// Kill ends a member without letting it hand over what it leads. For some
// seconds its clients find it silent; then their connections break.
func (c *Cluster) Kill(i int) {
	if e := c.running[i]; e != nil {
		c.running[i] = nil
		e.Server.HardStop()
		e.Close()
	}
}

// Leader returns the member that leads the consensus, or -1.
func (c *Cluster) Leader() int {
	for i, e := range c.running {
		if e != nil && e.Server.Leader() == e.Server.MemberID() {
			return i
		}
	}
	return -1
}

// Endpoints returns the addresses of all members, also of those that are down.
func (c *Cluster) Endpoints() []string {
	var out []string
	for _, cfg := range c.configs {
		out = append(out, cfg.ListenClientUrls[0].String())
	}
	return out
}

// Stop ends the cluster.
func (c *Cluster) Stop() {
	var wg sync.WaitGroup // a member waits some seconds for its clients
	for i := range c.running {
		wg.Go(func() { c.Kill(i) })
	}
	wg.Wait()
}
