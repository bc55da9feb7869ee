package etcd_test

import (
	cryptorand "crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/etcd"
	"github.com/lodd-rct/lodd/audit/store/etcd/etcdtest"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

var (
	// shared is the cluster of all tests of the package; each has groups of
	// its own. A worker that only fuzzes starts none.
	shared struct {
		once    sync.Once
		dir     string
		cluster *etcdtest.Cluster
	}
	groups atomic.Int64 // so many there are
)

func cluster(t testing.TB) *etcdtest.Cluster {
	t.Helper()
	shared.once.Do(func() {
		var err error
		if shared.cluster, err = etcdtest.Start(shared.dir); err != nil {
			t.Error(err)
		}
	})
	if shared.cluster == nil {
		t.Fatal("there is no cluster")
	}
	return shared.cluster
}

func TestMain(m *testing.M) {
	var err error
	if shared.dir, err = os.MkdirTemp("", "lodd-etcd"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(shared.dir)
	m.Run()
	if shared.cluster != nil {
		shared.cluster.Stop()
	}
}

// A place is one server: where its copy lies, and which group it is of.
type place struct{ group, path string }

func newPlace(t testing.TB) place {
	group := fmt.Sprintf("group-%d", groups.Add(1)) // a benchmark runs more than once
	return place{group, filepath.Join(t.TempDir(), "copy.db")}
}

// other is another server of the same group.
func (p place) other(t testing.TB) place {
	return place{p.group, filepath.Join(t.TempDir(), "copy.db")}
}

func (p place) key(name string) string { return "/lodd/" + p.group + "/" + name }

func (p place) config(t testing.TB) etcd.Config {
	t.Helper()
	replica, err := bolt.Open(p.path, bolt.Options{InitialMmapSize: 1 << 22})
	if err != nil {
		t.Fatal(err)
	}
	return etcd.Config{
		Endpoints: cluster(t).Endpoints(), Group: p.group, Replica: replica, Random: cryptorand.Reader,
		Lease: 5 * time.Second, // a busy machine keeps it
	}
}

// follow opens a server that doesn't lead.
func (p place) follow(t testing.TB) *etcd.DB {
	t.Helper()
	d, err := etcd.Open(t.Context(), p.config(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

// lead opens a server that leads.
func (p place) lead(t testing.TB) *etcd.DB {
	t.Helper()
	d := p.follow(t)
	lead(t, d)
	return d
}

func lead(t testing.TB, d *etcd.DB) (lost <-chan struct{}) {
	t.Helper()
	lost, err := d.Lead(t.Context(), "here")
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// raw returns a client that keeps no rules.
func raw(t testing.TB) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: cluster(t).Endpoints(), Logger: clientv3.NewCtxClient(t.Context()).GetLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func part(list string, at int64, records ...string) store.Part {
	p := store.Part{List: list, At: at}
	for _, r := range records {
		p.Records = append(p.Records, []byte(r))
	}
	return p
}

func mustAppend(t testing.TB, d *etcd.DB, parts ...store.Part) {
	t.Helper()
	if err := d.Append(t.Context(), parts...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// eventually waits for what another server does by itself.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 3000 { // fifteen seconds
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatalf("%s: it never came", what)
}

func length(t testing.TB, d *etcd.DB, list string) int64 {
	t.Helper()
	n, err := d.Len(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEtcdKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Open {
		p := newPlace(t)
		return func(t testing.TB) store.Store { return p.lead(t) }
	})
}

// Whatever is done with it, a store in a cluster answers as one in memory does.
func TestEtcdIsItsModel(t *testing.T) {
	fewer(t, 20)
	rapid.Check(t, func(rt *rapid.T) {
		p := newPlace(t)
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }
		if err := storetest.Model(t, func(t testing.TB) store.Store { return p.lead(t) }, 20, draw); err != nil {
			rt.Fatal(err)
		}
	})
}

// fewer lets rapid check something n times, unless somebody says how often: a
// store in a cluster takes two tenths of a second.
func fewer(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	many := checks.Value.String()
	if many != checks.DefValue || os.Getenv("LODD_LONG") != "" {
		return
	}
	t.Cleanup(func() { _ = checks.Value.Set(many) }) // it was its value before
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}
