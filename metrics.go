package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/telemetry"
)

// checkMetrics refuses an address of the page of metrics that other machines reach:
// the page knows neither a session nor TLS. Whoever wants it elsewhere lets a
// program on this machine collect it.
func checkMetrics(address string) error {
	if address == "" {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return fmt.Errorf("metrics %q: want an address of this machine alone with a port, for example 127.0.0.1:9090", address)
	}
	return nil
}

// A page is where the metrics of a server are read. The zero page is none.
type page struct {
	registry *prometheus.Registry
	metrics  *telemetry.Metrics
	listener net.Listener
}

// newPage listens on an address of this machine. An empty one gives no page, and
// nothing is counted.
func newPage(ctx context.Context, address string) (page, error) {
	if address == "" {
		return page{}, nil
	}
	p := page{registry: prometheus.NewRegistry()}
	var err error
	if p.metrics, err = telemetry.New(p.registry); err != nil {
		return page{}, err
	}
	if p.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
		return page{}, fmt.Errorf("metrics: %w", err)
	}
	return p, nil
}

// serve answers GET /metrics until ctx ends.
func (p page) serve(ctx context.Context) error {
	if p.listener == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", telemetry.Page(p.registry))
	s := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// showMetrics answers until ctx ends. A server whose page fails serves all the same.
func (n *node) showMetrics(ctx context.Context) {
	err := n.watchQuota()
	if err == nil {
		err = n.page.serve(ctx)
	}
	if err != nil && ctx.Err() == nil {
		n.world.log.Error().Err(err).Msg("metrics")
	}
}

// watchQuota shows how full the etcd cluster is, if there is one.
func (n *node) watchQuota() error {
	if n.member == nil {
		return nil
	}
	return n.page.metrics.WatchQuota(n.member.percent.Load)
}

// close frees the address of a page that was never served.
func (p page) close() error {
	if p.listener == nil {
		return nil
	}
	if err := p.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// A timed store tells how long it takes until a write is durable.
type timed struct {
	store.Store
	now     func() time.Time
	metrics *telemetry.Metrics
}

// timing returns s, timed if there is a page to tell it.
func (p page) timing(s store.Store, now func() time.Time) store.Store {
	if p.metrics == nil {
		return s
	}
	return timed{s, now, p.metrics}
}

// Append implements [store.Store].
func (s timed) Append(ctx context.Context, parts ...store.Part) error {
	start := s.now()
	err := s.Store.Append(ctx, parts...)
	if err == nil {
		s.metrics.Wrote(s.now().Sub(start))
	}
	return err
}
