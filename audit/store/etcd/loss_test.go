package etcd_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/etcd"
	"github.com/lodd-rct/lodd/audit/store/etcd/etcdtest"
)

// writers append to a list each, as fast as they can, until stopped. They
// count what was answered.
type writers struct {
	stop     atomic.Bool
	wg       sync.WaitGroup
	answered [4]atomic.Int64
}

func (w *writers) start(t *testing.T, d *etcd.DB) {
	for i := range w.answered {
		w.wg.Go(func() {
			for n := int64(0); !w.stop.Load(); n++ {
				if err := d.Append(t.Context(), part(fmt.Sprint("list", i), n, fmt.Sprint(n))); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				w.answered[i].Store(n + 1)
			}
		})
	}
}

func (w *writers) sum() (n int64) {
	for i := range w.answered {
		n += w.answered[i].Load()
	}
	return n
}

// Whichever member is lost, in the middle of concurrent appends: no append
// fails, nothing that was answered is missing or there twice, and every copy
// is the same.
func TestLostMemberLosesNothing(t *testing.T) {
	for _, which := range []string{"Leader", "Follower"} {
		t.Run(which, func(t *testing.T) {
			p := newPlace(t)
			d := p.lead(t)
			watching := p.other(t).follow(t)
			var w writers
			w.start(t, d)
			eventually(t, "first appends", func() bool { return w.sum() > 100 })

			member := cluster(t).Leader()
			if which == "Follower" {
				member = (member + 1) % 3
			}
			cluster(t).Kill(member)
			now := w.sum()
			eventually(t, "appends with two members", func() bool { return w.sum() > now+100 })
			if err := cluster(t).Restart(member); err != nil {
				t.Fatal(err)
			}
			now = w.sum()
			eventually(t, "appends with three members", func() bool { return w.sum() > now+100 })
			w.stop.Store(true)
			w.wg.Wait()

			for i := range w.answered {
				if n, want := length(t, d, fmt.Sprint("list", i)), w.answered[i].Load(); n != want {
					t.Errorf("list %d has %d records, %d were answered", i, n, want)
				}
			}
			want := content(t, d)
			if diff := cmp.Diff(want, content(t, p.other(t).follow(t))); diff != "" {
				t.Errorf("copy from nothing (-leader +copy):\n%s", diff)
			}
			eventually(t, "the copy that watches", func() bool { return cmp.Equal(want, content(t, watching)) })
		})
	}
}

// At its quota the cluster takes no more: appends say so, nothing is written,
// and reads go on. Room makes it take appends again. The leader is told how full
// the cluster is.
func TestFullClusterOnlyReads(t *testing.T) {
	full, err := etcdtest.Start(t.TempDir(), func(c *embed.Config) { c.QuotaBackendBytes = 4 << 20 })
	if err != nil {
		t.Fatal(err)
	}
	defer full.Stop()
	p := newPlace(t)
	config := p.config(t)
	config.Endpoints = full.Endpoints()
	var percent atomic.Int64
	percent.Store(-1)
	config.Filled = func(n int) { percent.Store(int64(n)) }
	d, err := etcd.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.LookEvery(20 * time.Millisecond)
	if n := percent.Load(); n != -1 {
		t.Errorf("a server that doesn't lead is told of %d %%", n)
	}
	lead(t, d)
	eventually(t, "a cluster with room", func() bool { n := percent.Load(); return n >= 0 && n < 40 })
	mustAppend(t, d, part("a", 0, "0"))

	c, err := clientv3.New(clientv3.Config{Endpoints: full.Endpoints(), Logger: clientv3.NewCtxClient(t.Context()).GetLogger()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := 0; !errors.Is(err, rpctypes.ErrNoSpace); i++ {
		if _, err = c.Put(t.Context(), fmt.Sprint("ballast", i), string(make([]byte, 1<<18))); i > 100 {
			t.Fatalf("the cluster doesn't fill: %v", err)
		}
	}
	for what, err := range map[string]error{
		"Append": d.Append(t.Context(), part("a", 1, "1")),
		"Put":    d.Put(t.Context(), "k", []byte("v")),
	} {
		if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: %v, want ErrFull", what, err)
		}
	}
	if n := length(t, d, "a"); n != 1 {
		t.Errorf("Len = %d, want 1", n)
	}
	eventually(t, "a full cluster", func() bool { return percent.Load() >= 90 })
	makeRoom(t, c)
	for i := 0; percent.Load() >= 40; i++ {
		if i == 100 {
			t.Fatalf("a cluster with room again is %d %% full", percent.Load())
		}
		time.Sleep(100 * time.Millisecond)
		defragment(t, c) // a member that hadn't compacted yet had nothing to give back
	}
	eventually(t, "append with room", func() bool { return d.Append(t.Context(), part("a", 1, "1")) == nil })
}

// defragment has every member give back what is free in its file.
func defragment(t *testing.T, c *clientv3.Client) {
	t.Helper()
	for _, e := range c.Endpoints() {
		if _, err := c.Defragment(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// makeRoom is what an operator does.
func makeRoom(t *testing.T, c *clientv3.Client) {
	t.Helper()
	r, err := c.Delete(t.Context(), "ballast", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compact(t.Context(), r.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	defragment(t, c)
	if _, err := c.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
}
