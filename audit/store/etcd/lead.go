package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Lead waits until this server leads the group and its copy is complete. Who
// asks [DB.Leader] then gets address, which is where this server is reached.
// The channel is closed when the lead is lost, or the store fails: what was
// built on the store then ends, and is opened again after the next Lead.
//
// It returns an error when ctx is done or the store fails; if the cluster could
// not be used at that moment, it says why. It is not called while an earlier
// lead lasts.
func (d *DB) Lead(ctx context.Context, address string) (lost <-chan struct{}, err error) {
	told := told{}
	for {
		if err := d.failure(); err != nil {
			return nil, err
		}
		lost, err := d.campaign(ctx, address)
		if lost != nil || err != nil && !errors.Is(err, errAway) {
			return lost, err
		}
		d.tell(ctx, told, err)
		if !wait(ctx) {
			return nil, errors.Join(fmt.Errorf("etcd: wait for the lead: %w", ctx.Err()), d.lastCause(), d.failure())
		}
	}
}

// Leader returns the address that the leading server gave, or "" if none leads.
func (d *DB) Leader(ctx context.Context) (string, error) {
	r, err := d.get(ctx, d.leaderKey())
	if err != nil || len(r.Kvs) == 0 {
		return "", err
	}
	return string(r.Kvs[0].Value), nil
}

// campaign tries to become the leader, and returns nil if another is.
func (d *DB) campaign(ctx context.Context, address string) (chan struct{}, error) {
	if other, err := d.Leader(ctx); other != "" || err != nil {
		return nil, err
	}
	asking, cancel := d.request(ctx)
	defer cancel()
	lease, err := d.client.Grant(asking, int64(d.config.Lease/time.Second))
	if err != nil {
		return nil, d.away(ctx, "grant lease", err)
	}
	lost, err := d.win(ctx, lease.ID, address)
	if lost == nil {
		d.revoke(lease.ID)
	}
	return lost, err
}

// win takes the leader's key if nobody has it, and completes the copy: after
// that no other server can write.
func (d *DB) win(ctx context.Context, lease clientv3.LeaseID, address string) (chan struct{}, error) {
	asking, cancel := d.request(ctx)
	defer cancel()
	r, err := d.kv.Txn(asking).
		If(clientv3.Compare(clientv3.CreateRevision(d.leaderKey()), "=", 0)).
		Then(clientv3.OpPut(d.leaderKey(), address, clientv3.WithLease(lease))).Commit()
	if err != nil {
		return nil, d.away(ctx, "take the lead", err)
	}
	if !r.Succeeded {
		return nil, nil
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	beats, err := d.client.KeepAlive(alive, lease)
	if err == nil {
		_, err = d.start(ctx)
	}
	if err != nil {
		stop()
		return nil, err
	}
	reign := func() {
		d.done.Go(func() { d.lookAtQuota(alive) })
		d.reign(beats)
		stop()
		d.revoke(lease)
	}
	return d.enthrone(r.Header.Revision, reign)
}

// enthrone makes this server the leader in its own eyes.
func (d *DB) enthrone(term int64, reign func()) (chan struct{}, error) {
	d.state.Lock()
	defer d.state.Unlock()
	if d.failed != nil {
		return nil, d.failed
	}
	d.term, d.lost = term, make(chan struct{})
	d.done.Go(reign)
	return d.lost, nil
}

// reign returns when the lead is lost: the lease has ended, or this server has
// found that it can't go on.
func (d *DB) reign(beats <-chan *clientv3.LeaseKeepAliveResponse) {
	d.state.RLock()
	lost := d.lost
	d.state.RUnlock()
	for {
		select {
		case <-lost:
			return
		case _, alive := <-beats:
			if !alive {
				d.depose()
				return
			}
		}
	}
}

// leads returns the term that this server leads, or why it can't write.
func (d *DB) leads() (term int64, err error) {
	d.state.RLock()
	defer d.state.RUnlock()
	switch {
	case d.failed != nil:
		return 0, d.failed
	case d.term == 0:
		return 0, errNotLeader
	}
	return d.term, nil
}

// depose makes this server no leader in its own eyes. Others need not be told:
// the comparison stops them or us.
func (d *DB) depose() {
	d.state.Lock()
	defer d.state.Unlock()
	d.abdicate()
}

// abdicate is depose for who holds the state.
func (d *DB) abdicate() {
	if d.term != 0 {
		d.term = 0
		close(d.lost)
	}
}

// revoke gives back a lease, so that another leads at once. If that fails, the
// lease ends by itself.
func (d *DB) revoke(id clientv3.LeaseID) {
	ctx, cancel := d.request(context.Background())
	defer cancel()
	_, _ = d.client.Revoke(ctx, id)
}
