package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// A cluster is three members of etcd in this process.
type cluster struct {
	members   []*embed.Etcd
	endpoints []string
}

func startCluster(dir string) (*cluster, error) {
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

// openLoddEtcd opens the log on the engine of this project for etcd.
func openLoddEtcd(context.Context, string, int) (peer, error) {
	return nil, fmt.Errorf("the engine comes later: %w", errMissing)
}
