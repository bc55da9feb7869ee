package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/follower"
)

// newFollowedRig returns a server that lists the follower whose folder is copied.
func newFollowedRig(t *testing.T) (r *rig, copied string) {
	t.Helper()
	r, copied = newRig(t), filepath.Join(t.TempDir(), "copy")
	r.must(os.MkdirAll(copied, 0o700))
	_, pin, err := follower.Key(filepath.Join(copied, "follow.key"), rand.Reader, wall())
	r.must(err)
	r.stop()
	r.config.Followers = []string{pin}
	r.start(r.data)
	return r, copied
}

// A copying is a follower on its way.
type copying struct {
	rig  *rig
	stop func() error // ends it and returns its error
	out  *lockedBuffer
	size chan int64 // entries that it has verified

	ended chan struct{} // closed when it has ended
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// follow starts a follower of the running server.
func (r *rig) follow(copied string) *copying {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	f := &copying{rig: r, out: &lockedBuffer{}, size: make(chan int64, 1), ended: make(chan struct{})}
	c := follower.Config{
		Server: r.n.address(), Pin: r.n.pin, Data: copied, Out: f.out, Now: wall, Random: rand.Reader, Wait: 10 * time.Millisecond,
		Verified: func(n int64) {
			select {
			case <-f.size: // the newest alone is of interest
			default:
			}
			f.size <- n
		},
	}
	var err error
	go func() {
		defer close(f.ended)
		err = follower.Run(ctx, c)
	}()
	f.stop = func() error {
		cancel()
		<-f.ended
		return err
	}
	r.t.Cleanup(func() { f.stop() })
	return f
}

// reach waits until the follower has n entries.
func (f *copying) reach(n int64) {
	f.rig.t.Helper()
	for timeout := time.After(60 * time.Second); ; {
		select {
		case have := <-f.size:
			if have >= n {
				return
			}
		case <-timeout:
			f.rig.t.Fatalf("the follower doesn't reach %d entries; it says:\n%s", n, f.out)
		}
	}
}

// says waits until the follower has said something.
func (f *copying) says(text string) {
	f.rig.t.Helper()
	for begin := wall(); !strings.Contains(f.out.String(), text); time.Sleep(5 * time.Millisecond) {
		if wall().Sub(begin) > 60*time.Second {
			f.rig.t.Fatalf("the follower doesn't say %q, but:\n%s", text, f.out)
		}
	}
}

// until follows until a value of the copy is what is wanted, "" if it is to be
// gone, and returns the last follower. That a key is destroyed comes after the
// entries, with nothing that tells when: each follower is given twice the time
// of the one before, so that a slow machine gets there, too.
func (r *rig) until(copied, key, want string) *copying {
	r.t.Helper()
	for patience := 10 * time.Millisecond; patience < time.Minute; patience *= 2 {
		f := r.follow(copied)
		f.reach(r.entries())
		time.Sleep(patience)
		r.must(f.stop())
		if contentOf(r.t, copied).Values[key] == want {
			return f
		}
	}
	r.t.Fatal("the copy keeps another value")
	return nil
}

func (r *rig) entries() (n int64) {
	for _, size := range r.n.log.Sizes() {
		n += size
	}
	return n
}

// A content is all that a store holds: lists and map.
type content struct {
	Lists  map[string][]string
	Values map[string]string
}

// contentOf returns the content of a stopped server or follower.
func contentOf(t *testing.T, dir string) content {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "lodd.db"), bolt.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := content{map[string][]string{}, map[string]string{}}
	names, err := db.Lists(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range names {
		n, err := db.Len(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		records, err := db.Read(t.Context(), list, 0, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			c.Lists[list] = append(c.Lists[list], string(r))
		}
	}
	keys, err := db.Keys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		value, err := db.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		c.Values[key] = string(value)
	}
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// end waits until the follower ends by itself.
func (f *copying) end() error {
	f.rig.t.Helper()
	select {
	case <-f.ended:
		return f.stop()
	case <-time.After(60 * time.Second):
		f.rig.t.Fatalf("the follower goes on; it says:\n%s", f.out)
		return nil
	}
}

// makeCopy makes the folder of a follower that holds the first entries of lists.
func makeCopy(t *testing.T, dir string, c audit.Config, lists map[string][][]byte, cut map[string]int, values map[string]string) {
	t.Helper()
	guard := audit.FileGuard{Dir: filepath.Join(dir, "checkpoints")}
	db := must(bolt.Open(filepath.Join(dir, "lodd.db"), bolt.Options{}))
	defer db.Close()
	if err := os.MkdirAll(guard.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		if err := db.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	c.Store, c.Guard = db, guard
	log := must(audit.Open(t.Context(), c))
	defer log.Close()
	for _, list := range slices.Sorted(maps.Keys(cut)) {
		if _, err := log.Append(t.Context(), audit.Part{List: list, Entries: lists[list][:cut[list]]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.SaveGuard(t.Context()); err != nil {
		t.Fatal(err)
	}
}
