package etcd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/etcd"
)

// A link is what lies between a store and the cluster; commit does what an
// attempt to commit a transaction does there.
type link struct {
	clientv3.KV
	commit func(send func() (*clientv3.TxnResponse, error)) (*clientv3.TxnResponse, error)
}

// Txn outlives its context, so that a test can send it again.
func (l link) Txn(ctx context.Context) clientv3.Txn {
	return &linkTxn{l.KV.Txn(context.WithoutCancel(ctx)), l}
}

type linkTxn struct {
	clientv3.Txn
	link link
}

func (t *linkTxn) If(c ...clientv3.Cmp) clientv3.Txn  { t.Txn = t.Txn.If(c...); return t }
func (t *linkTxn) Then(o ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Then(o...); return t }
func (t *linkTxn) Else(o ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Else(o...); return t }
func (t *linkTxn) Commit() (*clientv3.TxnResponse, error) {
	return t.link.commit(t.Txn.Commit)
}

type send = func() (*clientv3.TxnResponse, error)

// through makes every commit of d go through f.
func through(d *etcd.DB, f func(send) (*clientv3.TxnResponse, error)) {
	d.Between(func(kv clientv3.KV) clientv3.KV { return link{kv, f} })
}

var errLost = errors.New("the answer is lost")

// expire ends the lease of the leader as time does, and he doesn't know.
func (p place) expire(t *testing.T) {
	t.Helper()
	c := raw(t)
	r, err := c.Get(t.Context(), p.key("leader"))
	if err != nil || len(r.Kvs) != 1 {
		t.Fatalf("there is no leader: %v", err)
	}
	if _, err := c.Revoke(t.Context(), clientv3.LeaseID(r.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
}

// leadLong opens a leader that learns late that its lease is gone, as one that
// was paused does.
func (p place) leadLong(t *testing.T) *etcd.DB {
	t.Helper()
	c := p.config(t)
	c.Lease, c.Patience = time.Minute, 5*time.Second
	d, err := etcd.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	lead(t, d)
	return d
}

func TestServerThatDoesNotLeadWritesNothing(t *testing.T) {
	p := newPlace(t)
	leader := p.lead(t)
	other := p.other(t).follow(t)
	for what, err := range map[string]error{
		"Append": other.Append(t.Context(), part("a", 0, "x")),
		"Put":    other.Put(t.Context(), "k", nil),
		"Delete": other.Delete(t.Context(), "k"),
	} {
		if !errors.Is(err, etcd.ErrNotLeader) {
			t.Errorf("%s: %v, want ErrNotLeader", what, err)
		}
	}
	mustAppend(t, leader, part("a", 0, "y"))
	eventually(t, "the copy follows", func() bool { return length(t, other, "a") == 1 })
	if address, err := other.Leader(t.Context()); address != "here" || err != nil {
		t.Errorf("Leader = %q, %v", address, err)
	}
}

func TestAnotherLeadsOnceTheLeaderCloses(t *testing.T) {
	p := newPlace(t)
	first := p.follow(t)
	lost := lead(t, first)
	second := p.other(t).follow(t)
	mustAppend(t, first, part("a", 0, "0"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-lost
	lead(t, second)
	mustAppend(t, second, part("a", 1, "1"))
	if n := length(t, second, "a"); n != 2 {
		t.Errorf("Len = %d, want 2", n)
	}
}

func TestLeaderLearnsThatItsLeaseHasEnded(t *testing.T) {
	p := newPlace(t)
	d := p.follow(t)
	lost := lead(t, d)
	p.expire(t)
	select {
	case <-lost:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on leading")
	}
	if err := d.Append(t.Context(), part("a", 0, "0")); !errors.Is(err, etcd.ErrNotLeader) {
		t.Errorf("Append: %v, want ErrNotLeader", err)
	}
	lead(t, d) // and may lead again
	mustAppend(t, d, part("a", 0, "0"))
}

// The lease is gone and another leads, but the first doesn't know: the
// comparison must stop it, both before the other has written and after.
func TestPausedLeaderCannotWrite(t *testing.T) {
	for name, write := range map[string]bool{"BeforeTheOtherWrote": false, "AfterTheOtherWrote": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			paused := p.leadLong(t)
			mustAppend(t, paused, part("a", 0, "0"))
			p.expire(t)
			other := p.other(t).lead(t)
			if write {
				mustAppend(t, other, part("b", 0, "of the other"))
			}
			if err := paused.Append(t.Context(), part("a", 1, "late")); !errors.Is(err, etcd.ErrNotLeader) {
				t.Errorf("Append: %v, want ErrNotLeader", err)
			}
			if err := paused.Put(t.Context(), "k", []byte("late")); !errors.Is(err, etcd.ErrNotLeader) {
				t.Errorf("Put: %v, want ErrNotLeader", err)
			}
			mustAppend(t, other, part("a", 1, "1"))
			if r, err := other.Read(t.Context(), "a", 1, 2); err != nil || string(r[0]) != "1" {
				t.Errorf("Read = %q, %v", r, err)
			}
		})
	}
}

// A transaction that was on its way while another took the lead comes too late.
func TestTransactionUnderWayComesTooLate(t *testing.T) {
	p := newPlace(t)
	paused := p.leadLong(t)
	through(paused, func(commit send) (*clientv3.TxnResponse, error) {
		p.expire(t)
		mustAppend(t, p.other(t).lead(t), part("a", 0, "of the other"))
		return commit()
	})
	if err := paused.Append(t.Context(), part("a", 0, "late")); !errors.Is(err, etcd.ErrNotLeader) {
		t.Errorf("Append: %v, want ErrNotLeader", err)
	}
	again := p.other(t).follow(t)
	if r, err := again.Read(t.Context(), "a", 0, 1); err != nil || string(r[0]) != "of the other" || length(t, again, "a") != 1 {
		t.Errorf("Read = %q, %v", r, err)
	}
}

// The first attempt was carried out, though nobody said so; the second must
// not happen, and the caller gets his answer.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	p := newPlace(t)
	d := p.lead(t)
	attempts := 0
	through(d, func(commit send) (*clientv3.TxnResponse, error) {
		r, err := commit()
		if attempts++; attempts%2 == 1 {
			return nil, errLost
		}
		return r, err
	})
	mustAppend(t, d, part("a", 0, "0"))
	if err := d.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, d, part("a", 1, "1"))
	if attempts != 6 {
		t.Errorf("%d attempts, want 6", attempts)
	}
	again := p.other(t).follow(t)
	if n := length(t, again, "a"); n != 2 {
		t.Errorf("Len = %d, want 2", n)
	}
	if v, err := again.Get(t.Context(), "k"); string(v) != "v" {
		t.Errorf("Get = %q, %v", v, err)
	}
}

// The network delivers an old transaction once more, after newer ones.
func TestSameTransactionTwiceIsAppliedOnce(t *testing.T) {
	d := newPlace(t).lead(t)
	var old []send
	through(d, func(commit send) (*clientv3.TxnResponse, error) {
		old = append(old, commit)
		return commit()
	})
	mustAppend(t, d, part("a", 0, "0"))
	for _, v := range []string{"first", "second"} {
		if err := d.Put(t.Context(), "k", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	for i, commit := range old {
		if r, err := commit(); err != nil || r.Succeeded {
			t.Errorf("transaction %d happened twice, %v", i, err)
		}
	}
	if v, err := d.Get(t.Context(), "k"); string(v) != "second" {
		t.Errorf("Get = %q, %v", v, err)
	}
}

func TestUnknownOutcomeEndsTheStore(t *testing.T) {
	p := newPlace(t)
	c := p.config(t)
	c.Patience = time.Second
	d, err := etcd.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	lost := lead(t, d)
	through(d, func(commit send) (*clientv3.TxnResponse, error) {
		_, _ = commit()
		return nil, errLost
	})
	if err := d.Append(t.Context(), part("a", 0, "0")); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append: %v, want ErrUnknown", err)
	}
	<-lost
	_, lenErr := d.Len(t.Context(), "a")
	_, leadErr := d.Lead(t.Context(), "here")
	for what, err := range map[string]error{"Len": lenErr, "Lead": leadErr, "Append": d.Append(t.Context(), part("a", 0, "0"))} {
		if !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s afterwards: %v, want ErrUnknown", what, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := length(t, p.lead(t), "a"); n != 1 {
		t.Errorf("Len after opening again = %d, want 1", n)
	}
}

// The first attempt never arrived, but that can't be known once another has
// written: the store must not say "nothing was written".
func TestDoubtThatAnotherLeaderMadeStays(t *testing.T) {
	p := newPlace(t)
	d := p.leadLong(t)
	attempts := 0
	through(d, func(commit send) (*clientv3.TxnResponse, error) {
		if attempts++; attempts == 1 {
			p.expire(t)
			mustAppend(t, p.other(t).lead(t), part("b", 0, "of the other"))
			return nil, errLost
		}
		return commit()
	})
	if err := d.Append(t.Context(), part("a", 0, "0")); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append: %v, want ErrUnknown", err)
	}
}
