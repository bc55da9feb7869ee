package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
)

// testBallast is the ballast of servers on small disks.
const testBallast = 1 << 20

// A tightRig is a server on a small disk of its own.
type tightRig struct {
	*rig
	disk string
	logs *bytes.Buffer
}

func newTightRig(t *testing.T) *tightRig {
	t.Helper()
	r := &tightRig{rig: &rig{t: t}, disk: storetest.SmallDisk(t, "24m")}
	r.data = filepath.Join(r.disk, "data")
	r.config = config{Data: r.data, Listen: "127.0.0.1:0", Name: "tight", SignIn: signInConfig{SecondFactor: factorOff}}
	r.open()
	t.Cleanup(func() { r.must(r.n.close()) })
	return r
}

// open opens the server without running it, so that nothing looks at the disk
// and nothing saves heads but what the test does.
func (r *tightRig) open() {
	r.t.Helper()
	r.logs = &bytes.Buffer{}
	var err error
	r.n, err = open(r.t.Context(), r.config, world{
		now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.New(r.logs), space: diskSpace,
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, limits: server.Limits{PerSecond: 1e9, Burst: 1e9},
	})
	r.must(err)
	r.n.room.size = testBallast
	r.n.room.look()
}

// fill leaves no byte on the disk. The file is part of the test's own.
func (r *tightRig) fill(name string) {
	r.t.Helper()
	f, err := os.Create(filepath.Join(r.disk, name))
	r.must(err)
	defer f.Close()
	for _, size := range []int{64 << 10, 4096} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !strings.Contains(err.Error(), "no space left") {
			r.t.Fatal(err)
		}
	}
}

func (r *tightRig) free(name string) {
	r.t.Helper()
	r.must(os.Remove(filepath.Join(r.disk, name)))
}

func (r *tightRig) wantBallast(want bool) {
	r.t.Helper()
	info, err := os.Stat(r.n.room.path())
	switch {
	case !want && errors.Is(err, fs.ErrNotExist):
	case !want || err != nil:
		r.t.Errorf("ballast: %v, want none: %t", err, !want)
	case info.Size() != testBallast || !allocated(info):
		r.t.Errorf("ballast of %d bytes, allocated: %t", info.Size(), allocated(info))
	}
}

// A full disk stops nobody at first: the ballast makes room, and new trials alone
// are refused. Once that is used up as well nothing is written and it is said so;
// and once there is room again all goes on, without a restart.
func TestBallastCarriesRandomizationsOverAFullDisk(t *testing.T) {
	r := newTightRig(t)
	r.setUp()
	r.randomize(2)
	r.wantBallast(true)

	r.fill("first")
	r.randomize(20)
	r.wantBallast(false)
	if !r.n.room.low() || strings.Count(r.logs.String(), "the disk is full") != 1 {
		t.Errorf("low: %t, told:\n%s", r.n.room.low(), r.logs)
	}
	r.fill("second")
	allocated := func() int { return len(r.lists()[rigTrial+"/allocation"]) }
	before, done, err := allocated(), 0, error(nil)
	for ; err == nil && done < 5000; done++ { // the database has a little room of its own
		_, err = r.tryRandomize()
	}
	if n := allocated() - before; !errors.Is(err, ledger.ErrFull) || n != done-1 {
		t.Fatalf("randomization %d: %v, want %v; %d are in the log", done, err, ledger.ErrFull, n)
	}
	if _, err := r.tryRandomize(); !errors.Is(err, ledger.ErrFull) || allocated()-before != done-1 {
		t.Errorf("after that: %v, want %v; %d are in the log", err, ledger.ErrFull, allocated()-before)
	}
	r.free("second")
	r.randomize(1)
	if r.n.room.look(); !r.n.room.low() {
		t.Error("a disk without ballast has room")
	}
	r.free("first")
	r.n.room.look()
	r.wantBallast(true)
	if r.randomize(1); r.n.room.low() {
		t.Error("there is no room")
	}
}

// A server that stops on a full disk saves what it signs, and finds at its next
// start all that it has answered.
func TestStopOnAFullDiskIsClean(t *testing.T) {
	r := newTightRig(t)
	r.setUp()
	r.randomize(5)
	entries := len(r.lists()[rigTrial+"/conduct"])
	r.fill("all")
	r.must(r.n.close())
	heads, err := audit.FileGuard{Dir: r.n.checkpoints}.Load()
	r.must(err)
	for _, list := range []string{"/conduct", "/allocation"} {
		if heads[rigTrial+list] == nil {
			t.Errorf("no head of %s was saved", list)
		}
	}
	r.open() // the disk is as full as it was
	r.wantBallast(false)
	if n := len(r.lists()[rigTrial+"/conduct"]); n != entries {
		t.Errorf("%d entries, want %d", n, entries)
	}
	r.randomize(1)
}

// Data can be destroyed on a full disk.
func TestErasureOnAFullDisk(t *testing.T) {
	r := newTightRig(t)
	r.setUp()
	p := r.randomize(1)
	r.fill("all")
	r.erase(p)
	value, err := r.n.values.Get(t.Context(), "key/"+rigTrial+"/participant/"+string(p))
	if err != nil || string(value) != "\x00" {
		t.Errorf("the key is %d bytes, %v; want none", len(value), err)
	}
	r.wantBallast(false)
}
