package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// forwarding runs a forwarder and returns where it listens.
func forwarding(t *testing.T, f *forwarder) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		f.run(ctx, l)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// While none leads, connections wait no longer than the patience lasts, however
// long each question to the cluster takes, and all of them ask one question.
func TestConnectionsWaitTogetherForALeader(t *testing.T) {
	var asking, most atomic.Int64
	address := forwarding(t, &forwarder{patience: time.Second, leader: func(ctx context.Context) (string, error) {
		defer asking.Add(-1)
		most.Store(max(most.Load(), asking.Add(1)))
		select {
		case <-ctx.Done():
		case <-time.After(700 * time.Millisecond): // as in an election
		}
		return "", errors.New("no answer")
	}})
	soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 20 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		wg.Go(func() { _, _ = io.Copy(io.Discard, conn) }) // until it is closed
	}
	wg.Wait()
	if soon.Err() != nil {
		t.Error("connections waited for more than five seconds, want one")
	}
	if most.Load() != 1 {
		t.Errorf("%d questions at a time, want 1", most.Load())
	}
}

// A connection reaches the leader, also when the cluster gives no answer for a
// while after it has named it.
func TestConnectionReachesTheLeader(t *testing.T) {
	leader, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	go func() {
		for {
			conn, err := leader.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "leader")
			conn.Close()
		}
	}()
	var asked atomic.Int64
	address := forwarding(t, &forwarder{patience: 5 * time.Second, leader: func(context.Context) (string, error) {
		if asked.Add(1) == 1 {
			return leader.Addr().String(), nil
		}
		return "", errors.New("no answer")
	}})
	for range 2 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if b, err := io.ReadAll(conn); string(b) != "leader" {
			t.Errorf("read %q, %v", b, err)
		}
		time.Sleep(2 * searchEvery)
	}
}
