package main

import (
	"bufio"
	"context"
	cryptorand "crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/follower"
)

// Server and follower may be killed whenever and however often: in the end the
// copy is what the server has, entry for entry and key for key.
func TestFollowerSurvivesKills(t *testing.T) {
	lives := 4
	if testing.Short() {
		lives = 2
	}
	k, copied := recruit(t, 60*lives, killBlocks, ""), filepath.Join(t.TempDir(), "copy")
	k.must(os.MkdirAll(copied, 0o700))
	_, pin, err := follower.Key(filepath.Join(copied, "follow.key"), cryptorand.Reader, wall())
	k.must(err)
	w := &followedWorld{killed: k, copied: copied, pin: pin, address: vacantAddress(t)}
	followers := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(followers)
		w.killFollowers(ctx)
	}()
	for range lives {
		w.live()
	}
	cancel()
	<-followers

	server := w.serve()
	follower := w.follow()
	follower.until("verified up to")
	follower.end(os.Interrupt)
	server.end(os.Interrupt)
	if !strings.Contains(follower.text(), "lodd: stopped; verified up to") {
		t.Errorf("the follower did not end well:\n%s", follower.text())
	}
	got, want := contentOf(t, copied), contentOf(t, k.dir)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copy differs:\n%s", diff)
	}
	if n := len(want.Lists["KILL/allocation"]); n < lives {
		t.Errorf("%d allocations in %d lives: the test has lost its power", n, lives)
	}
}

// A followedWorld is a server that is killed, and followers that are.
type followedWorld struct {
	*killed
	copied, pin, address string
}

func vacantAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A child is a process of this program and what it has printed.
type child struct {
	t       *testing.T
	process *os.Process
	ended   chan struct{}
	lines   chan string

	mu   sync.Mutex // guards said
	said []string
}

// begin starts the program.
func begin(t *testing.T, args ...string) *child {
	t.Helper()
	path, err := exec.LookPath("lodd")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, process: cmd.Process, ended: make(chan struct{}), lines: make(chan string, 1000)}
	go func() {
		c.read(stderr)
		_ = cmd.Wait() // it may have been killed
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = c.process.Kill()
		<-c.ended
	})
	return c
}

func (c *child) read(r io.Reader) {
	for s := bufio.NewScanner(r); s.Scan(); {
		c.mu.Lock()
		c.said = append(c.said, s.Text())
		c.mu.Unlock()
		select {
		case c.lines <- s.Text():
		default: // nobody waits for it
		}
	}
}

func (c *child) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.said, "\n")
}

// until waits for a line that holds text.
func (c *child) until(text string) {
	c.t.Helper()
	for timeout := time.After(60 * time.Second); ; {
		select {
		case line := <-c.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-timeout:
			c.t.Fatalf("it doesn't say %q within a minute, but:\n%s", text, c.text())
		}
	}
}

func (c *child) end(sig os.Signal) {
	c.t.Helper()
	_ = c.process.Signal(sig) // it may be gone already
	select {
	case <-c.ended:
	case <-time.After(30 * time.Second):
		c.t.Fatalf("it did not end after %v", sig)
	}
}

func (w *followedWorld) serve() *child {
	c := begin(w.T, "serve", "--data", w.dir, "--listen", w.address, "--follower", w.pin, "--second-factor", "off")
	c.until("lodd: ready")
	return c
}

func (w *followedWorld) follow() *child {
	return begin(w.T, "follow", "--server", w.address, "--pin", w.killed.pin, "--data", w.copied)
}

// live randomizes until the server is killed.
func (w *followedWorld) live() {
	server := w.serve()
	c := w.dial(w.address, w.signIn(w.address, "tove"))
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for i := caller; i < len(w.people) && ctx.Err() == nil; i += 4 {
				if p := w.people[i]; p.receipt == nil {
					if r, err := randomize(ctx, c, p); err == nil {
						p.receipt = r
					}
				}
			}
		})
	}
	<-time.After(time.Duration(300+w.random.IntN(500)) * time.Millisecond)
	server.end(os.Kill)
	cancel()
	wg.Wait()
}

// killFollowers starts a follower again and again, and kills it.
func (w *followedWorld) killFollowers(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		c := w.follow()
		select {
		case <-time.After(time.Duration(100+i*137%700) * time.Millisecond):
		case <-ctx.Done():
		}
		c.end(os.Kill)
		if said := c.text(); strings.Contains(said, "not what it was") || strings.Contains(said, "panic") {
			w.Errorf("the follower refuses its own server, or worse:\n%s", said)
			return
		}
	}
}
