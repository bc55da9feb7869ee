package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Limits of what a server that stands by passes on.
const (
	// maxForwarded is the most connections at a time.
	maxForwarded = 1024

	// searchEvery and searches say how long a connection waits for a leader: as
	// long as it takes to notice that the last one is gone.
	searchEvery = 200 * time.Millisecond
	searches    = 75
)

// A forwarder passes whole connections on to the server that leads. TLS goes
// through it from end to end.
type forwarder struct {
	leader func(context.Context) (string, error)
	own    string // this server's address
}

// run forwards what the listener accepts until ctx ends and the listener is
// interrupted.
func (f *forwarder) run(ctx context.Context, l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
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

// dial connects to the leader. It returns nil if there is none for long.
func (f *forwarder) dial(ctx context.Context) net.Conn {
	for range searches {
		address, err := f.leader(ctx)
		if err == nil && address != "" && address != f.own {
			d := net.Dialer{Timeout: 2 * time.Second}
			if conn, err := d.DialContext(ctx, "tcp", address); err == nil {
				return conn
			}
		}
		if !pause(ctx) {
			return nil
		}
	}
	return nil
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
