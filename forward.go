package main

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of what a server that stands by passes on.
const (
	// maxForwarded is the most connections at a time.
	maxForwarded = 1024

	// searchEvery is how often the leader is asked for, and searchFor how long a
	// connection waits for one: as long as it takes to notice that the last one
	// is gone.
	searchEvery = 200 * time.Millisecond
	searchFor   = 15 * time.Second

	// dialFor is how long the leader may take to accept a connection.
	dialFor = 2 * time.Second
)

// A forwarder passes whole connections on to the server that leads. TLS goes
// through it from end to end.
type forwarder struct {
	leader   func(context.Context) (string, error)
	own      string        // this server's address
	patience time.Duration // how long a connection waits for a leader

	known atomic.Pointer[string] // address of the leader; nil before the first answer, "" if none leads
}

// run forwards what the listener accepts until ctx ends and the listener is
// interrupted.
func (f *forwarder) run(ctx context.Context, l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.search(ctx) })
	slots := make(chan struct{}, maxForwarded)
	for ctx.Err() == nil {
		conn, err := l.Accept()
		if err != nil {
			pause(ctx) // no file left, say; if ctx has ended, the loop does
			continue
		}
		select {
		case slots <- struct{}{}:
			wg.Go(func() {
				f.forward(ctx, conn)
				<-slots
			})
		default:
			conn.Close()
		}
	}
}

// forward passes one connection on, until one of its ends is closed or ctx ends.
func (f *forwarder) forward(ctx context.Context, from net.Conn) {
	defer from.Close()
	to := f.dial(ctx)
	if to == nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() {
		from.Close()
		to.Close()
	})()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(to, from)
		to.Close()
	})
	_, _ = io.Copy(from, to)
	from.Close()
	wg.Wait()
}

// search keeps the leader's address until ctx ends, so that one question at a
// time goes to the cluster however many connections wait for the answer.
func (f *forwarder) search(ctx context.Context) {
	for {
		// Without an answer the last one is as good as any.
		if address, err := f.leader(ctx); err == nil {
			f.known.Store(&address)
		}
		if !pause(ctx) {
			return
		}
	}
}

// dial connects to the leader. It returns nil if there is none for long.
func (f *forwarder) dial(ctx context.Context) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	d := net.Dialer{Timeout: dialFor}
	for {
		if address := f.known.Load(); address != nil && *address != "" && *address != f.own {
			if conn, err := d.DialContext(ctx, "tcp", *address); err == nil {
				return conn
			}
		}
		if !pause(ctx) {
			return nil
		}
	}
}

// pause waits a moment, and reports whether ctx goes on.
func pause(ctx context.Context) bool {
	t := time.NewTimer(searchEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
