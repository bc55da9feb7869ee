package etcd_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/etcd"
	"github.com/lodd-rct/lodd/audit/store/etcd/etcdtest"
)

// complaints are what a server was told of the cluster.
type complaints struct {
	mu  sync.Mutex
	all []string
}

func (c *complaints) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, err.Error())
}

// count returns how many of them say something.
func (c *complaints) count(says string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.all {
		if strings.Contains(text, says) {
			n++
		}
	}
	return n
}

// guarded is a cluster with accounts, of which lodd is one and may write, and
// which takes requests of 100 KiB at most.
func guarded(t *testing.T) (*etcdtest.Cluster, *clientv3.Client) {
	t.Helper()
	c, err := etcdtest.Start(t.TempDir(), func(c *embed.Config) { c.MaxRequestBytes = 100 << 10 })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	config := clientv3.Config{Endpoints: c.Endpoints(), Logger: clientv3.NewCtxClient(t.Context()).GetLogger()}
	open, err := clientv3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	ctx := t.Context()
	_, role := open.RoleAdd(ctx, "writer")
	_, grant := open.RoleGrantPermission(ctx, "writer", "/lodd/", "/lodd0", clientv3.PermissionType(clientv3.PermReadWrite))
	_, root := open.UserAdd(ctx, "root", "root")
	_, rootRole := open.UserGrantRole(ctx, "root", "root")
	_, user := open.UserAdd(ctx, "lodd", "lodd")
	_, userRole := open.UserGrantRole(ctx, "lodd", "writer")
	_, enable := open.AuthEnable(ctx)
	if err := errors.Join(role, grant, root, rootRole, user, userRole, enable); err != nil {
		t.Fatal(err)
	}
	config.Username, config.Password = "root", "root"
	admin, err := clientv3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	return c, admin
}

// What the cluster refuses for good wasn't written: the server says so at once,
// serves on, and writes again once the refusal's cause is gone.
func TestRefusedWriteIsNoDoubt(t *testing.T) {
	c, admin := guarded(t)
	p := newPlace(t)
	config := p.config(t)
	var told complaints
	config.Endpoints, config.User, config.Password, config.Away = c.Endpoints(), "lodd", "lodd", told.add
	config.Lease = time.Minute
	var looks atomic.Int64
	config.Filled = func(int) { looks.Add(1) }
	d, err := etcd.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	lead(t, d)
	mustAppend(t, d, part("a", 0, "0"))
	eventually(t, "how full the cluster is, for which no right is needed", func() bool { return looks.Load() == 1 })

	record := strings.Repeat("x", store.MaxRecord)
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := d.Append(t.Context(), part("a", 1, record, record)); !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append of too much: %v, want ErrFull", err)
	}
	if _, err := admin.UserRevokeRole(t.Context(), "lodd", "writer"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Append(t.Context(), part("a", 1, "1")); !errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("Append without the role: %v, want ErrRefused", err)
		}
	}
	if soon.Err() != nil {
		t.Error("the answers took more than ten seconds")
	}
	if n := told.count("refuses this server's account"); n != 1 {
		t.Errorf("the operator was told %d times, want once", n)
	}
	if n := length(t, d, "a"); n != 1 {
		t.Errorf("Len = %d, want 1", n)
	}
	if _, err := admin.UserGrantRole(t.Context(), "lodd", "writer"); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, d, part("a", 1, "1"))
}

// Who stands by tells why the cluster can't be used, once, and says it again
// when it stops waiting.
func TestStandingByTellsWhatIsWrong(t *testing.T) {
	c, admin := guarded(t)
	config := newPlace(t).config(t)
	var told complaints
	config.Endpoints, config.User, config.Password, config.Away = c.Endpoints(), "lodd", "lodd", told.add
	d, err := etcd.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := admin.UserRevokeRole(t.Context(), "lodd", "writer"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = d.Lead(ctx, "here")
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Errorf("Lead: %v, want the end of waiting and why", err)
	}
	if n := told.count("permission denied"); n < 1 || n > 2 { // by who waits for the lead and by who follows
		t.Errorf("the operator was told %d times", n)
	}
}

// A cluster that has lost its majority is told from one that is silent, and a
// write that none of its members has proposed is no doubt.
func TestLostMajorityIsNamed(t *testing.T) {
	c, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	config := newPlace(t).config(t)
	var told complaints
	config.Endpoints, config.Patience, config.Away = c.Endpoints(), 5*time.Second, told.add
	d, err := etcd.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c.Kill(0)
	c.Kill(1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := d.Lead(ctx, "here")
		ended <- err
	}()
	eventually(t, "the cause", func() bool { return told.count("no leader") > 0 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no leader") {
		t.Errorf("Lead: %v, want why", err)
	}
}

// Refusals that come before a change is proposed leave no doubt, however long.
func TestWriteThatWasNeverProposedIsRefused(t *testing.T) {
	p := newPlace(t)
	config := p.config(t)
	config.Patience = time.Second
	d, err := etcd.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	lead(t, d)
	through(d, func(send) (*clientv3.TxnResponse, error) { return nil, rpctypes.ErrNoLeader })
	if err := d.Append(t.Context(), part("a", 0, "0")); !errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append: %v, want ErrRefused", err)
	}
	refuse := false
	through(d, func(commit send) (*clientv3.TxnResponse, error) { // in doubt, a refusal is no answer
		if refuse {
			return nil, rpctypes.ErrPermissionDenied
		}
		refuse = true
		_, _ = commit()
		return nil, errLost
	})
	if err := d.Append(t.Context(), part("a", 0, "0")); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append: %v, want ErrUnknown", err)
	}
}
