package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/lodd-rct/lodd/audit/store/bolt"
	engine "github.com/lodd-rct/lodd/audit/store/etcd"
)

// A cluster is three members of etcd in this process.
type cluster struct {
	members   []*embed.Etcd
	endpoints []string
}

// startCluster starts members on free ports. Somebody may take one of them
// meanwhile: then it tries others.
func startCluster(dir string) (c *cluster, err error) {
	for try := range 5 {
		c, err = startMembers(filepath.Join(dir, fmt.Sprint(try)))
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return c, err
}

func startMembers(dir string) (*cluster, error) {
	const n = 3
	var peers, clients [n]url.URL
	initial := ""
	for i := range n {
		var err error
		if peers[i], err = freeURL(); err != nil {
			return nil, err
		}
		if clients[i], err = freeURL(); err != nil {
			return nil, err
		}
		initial += fmt.Sprintf(",m%d=%s", i, peers[i].String())
	}
	c := &cluster{}
	for i := range n {
		cfg := embed.NewConfig()
		cfg.Name, cfg.Dir = fmt.Sprintf("m%d", i), filepath.Join(dir, fmt.Sprintf("m%d", i))
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peers[i]}, []url.URL{peers[i]}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{clients[i]}, []url.URL{clients[i]}
		cfg.InitialCluster, cfg.LogLevel = initial[1:], "fatal"
		m, err := embed.StartEtcd(cfg)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.members = append(c.members, m)
		c.endpoints = append(c.endpoints, clients[i].Host)
	}
	for _, m := range c.members {
		select {
		case <-m.Server.ReadyNotify():
		case <-time.After(30 * time.Second):
			return nil, errors.Join(errors.New("etcd isn't ready after 30 s"), c.close())
		}
	}
	return c, nil
}

func freeURL() (url.URL, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}, nil
}

func (c *cluster) close() error {
	for _, m := range c.members {
		m.Close()
	}
	return nil
}

// etcd puts each entry under a key of its own.
type etcd struct {
	cluster *cluster
	client  *clientv3.Client
	next    atomic.Uint64
}

func openEtcd(_ context.Context, dir string, _ int) (peer, error) {
	c, err := startCluster(dir)
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: c.endpoints, DialTimeout: 5 * time.Second})
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &etcd{cluster: c, client: client}, nil
}

func (e *etcd) append(ctx context.Context, _ int, entry []byte) error {
	_, err := e.client.Put(ctx, "/peer/"+string(binary.BigEndian.AppendUint64(nil, e.next.Add(1))), string(entry))
	return err
}

func (e *etcd) close() error { return errors.Join(e.client.Close(), e.cluster.close()) }

// openLoddEtcd opens the log on the engine of this project for etcd, which
// keeps its verified copy on the same disk.
func openLoddEtcd(ctx context.Context, dir string, _ int) (peer, error) {
	c, err := startCluster(filepath.Join(dir, "members"))
	if err != nil {
		return nil, err
	}
	t, err := c.openLog(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &loddEtcd{t, c}, nil
}

func (c *cluster) openLog(ctx context.Context, dir string) (peer, error) {
	replica, err := bolt.Open(filepath.Join(dir, "replica.db"), bolt.Options{})
	if err != nil {
		return nil, err
	}
	db, err := engine.Open(ctx, engine.Config{Endpoints: c.endpoints, Group: "bench", Replica: replica, Random: rand.Reader})
	if err != nil {
		return nil, err
	}
	if _, err := db.Lead(ctx, "bench"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return openTrials(ctx, db, 1)
}

// loddEtcd is the log and its cluster.
type loddEtcd struct {
	peer
	cluster *cluster
}

func (l *loddEtcd) close() error { return errors.Join(l.peer.close(), l.cluster.close()) }
