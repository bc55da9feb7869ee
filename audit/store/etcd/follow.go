package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
)

// page is how many keys are read at once: with the largest batches 90 MiB.
const page = 64

// follow keeps the copy up to date from revision rev on. When the watch breaks
// off, or history that it still needs is compacted, it compares anew.
func (d *DB) follow(ctx context.Context, rev int64) {
	told := told{}
	for {
		err := d.watch(ctx, rev+1)
		for errors.Is(err, errAway) && wait(ctx) {
			rev, err = d.sync(ctx)
			d.tell(ctx, told, err)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			_ = d.fail(err)
			return
		}
	}
}

// watch applies what changes from revision rev on, until the watch ends.
func (d *DB) watch(ctx context.Context, rev int64) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for r := range d.client.Watch(ctx, d.prefix, clientv3.WithPrefix(), clientv3.WithRev(rev)) {
		if err := r.Err(); err != nil {
			return fmt.Errorf("%w: watch: %w", errAway, err)
		}
		for events := r.Events; len(events) > 0; {
			n := slices.IndexFunc(events, func(e *clientv3.Event) bool { return e.Kv.ModRevision != events[0].Kv.ModRevision })
			if n < 0 {
				n = len(events)
			}
			if err := d.revision(events[:n]); err != nil {
				return err
			}
			events = events[n:]
		}
	}
	return fmt.Errorf("%w: the watch has ended", errAway)
}

// revision applies the events of one revision.
func (d *DB) revision(events []*clientv3.Event) error {
	c := change{rev: events[0].Kv.ModRevision}
	var seen []string
	for _, e := range events {
		name := strings.TrimPrefix(string(e.Kv.Key), d.prefix)
		kind, rest, below := strings.Cut(name, "/")
		if kind == "leader" {
			continue
		}
		if below == (kind == "head") { // none of the keys that Lodd writes
			kind = fmt.Sprintf("%q", name)
		}
		seen = append(seen, kind)
		if err := d.event(&c, e, rest); err != nil {
			return err
		}
	}
	// Whoever writes by the rules writes one of two things with the head.
	slices.Sort(seen)
	switch what := strings.Join(seen, " "); {
	case len(seen) == 0 || d.has(c.rev):
		return nil
	case what != "b head" && what != "head m":
		return d.damage("revision %d changes %s, which Lodd never does", c.rev, what)
	}
	return d.apply(c)
}

// has reports whether the copy is complete up to a revision.
func (d *DB) has(rev int64) bool {
	d.applying.Lock()
	defer d.applying.Unlock()
	return rev <= d.applied
}

// event adds to a change what one event says.
func (d *DB) event(c *change, e *clientv3.Event, name string) (err error) {
	switch key := string(e.Kv.Key); {
	case key == d.headKey():
		c.head, err = decodeHead(e.Kv.Value)
	case strings.HasPrefix(key, d.prefix+"b/"):
		c.batch, err = decodeBatch(e.Kv.Value)
		if err == nil && key != d.batchKey(c.batch.number) {
			err = fmt.Errorf("batch %d has the key of another", c.batch.number)
		}
	case strings.HasPrefix(key, d.prefix+"m/") && e.Type == clientv3.EventTypePut:
		c.key = name
		c.value, err = unsealed(name, e.Kv.Value)
	default:
		c.key = name
	}
	if err != nil {
		return d.damage("revision %d: %v", c.rev, err)
	}
	return nil
}

// sync compares the copy with the cluster and brings it up to date. It returns
// the revision that the copy then holds.
func (d *DB) sync(ctx context.Context) (rev int64, err error) {
	d.applying.Lock()
	defer d.applying.Unlock()
	at, err := d.reached(ctx)
	if err != nil {
		return 0, err
	}
	r, err := d.get(ctx, d.headKey())
	if err != nil {
		return 0, err
	}
	var h head
	var headRev int64
	if len(r.Kvs) > 0 {
		headRev = r.Kvs[0].ModRevision
		if h, err = decodeHead(r.Kvs[0].Value); err != nil {
			return 0, d.damage("%v", err)
		}
	}
	rev = r.Header.Revision
	if err := d.syncBatches(ctx, at, h, rev); err != nil {
		return 0, err
	}
	if err := d.syncValues(ctx, h, rev); err != nil {
		return 0, err
	}
	d.head, d.headRev, d.applied = h, headRev, rev
	return rev, nil
}

// syncBatches adds the batches that the copy, which is at at, doesn't have.
func (d *DB) syncBatches(ctx context.Context, at, to head, rev int64) error {
	if at.batches > to.batches {
		return d.damage("it has %d batches, but this server's copy has %d: it is another group, or an older backup of the cluster; bring back the newest", to.batches, at.batches)
	}
	for at.batches < to.batches {
		r, err := d.get(ctx, d.batchKey(at.batches), clientv3.WithRange(d.batchKey(to.batches)), clientv3.WithLimit(page), clientv3.WithRev(rev))
		if err != nil {
			return err
		}
		var batches []*batch
		for i, kv := range r.Kvs {
			b, err := decodeBatch(kv.Value)
			if err != nil {
				return d.damage("batch %d: %v", at.batches+int64(i), err)
			}
			batches = append(batches, b)
		}
		if len(batches) == 0 {
			return d.damage("batch %d is missing; begin with the copy of another server", at.batches)
		}
		if err := d.add(ctx, at, batches); err != nil {
			return err
		}
		at.batches += int64(len(batches))
		at.chain = batches[len(batches)-1].hash
	}
	if at.chain != to.chain {
		return d.damage("batch %d isn't the one that the head, or this server's copy, names", at.batches-1)
	}
	return nil
}

// syncValues makes the map of the copy that of the cluster. What was deleted
// while this server was away goes here.
func (d *DB) syncValues(ctx context.Context, h head, rev int64) error {
	gone, err := d.replica.Keys(ctx, "")
	if err != nil {
		return err
	}
	var n int64
	for from, more := d.valueKey(""), true; more; {
		r, err := d.get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(d.valueKey(""))), clientv3.WithLimit(page), clientv3.WithRev(rev))
		if err != nil {
			return err
		}
		for _, kv := range r.Kvs {
			key := strings.TrimPrefix(string(kv.Key), d.valueKey(""))
			if err := d.syncValue(ctx, key, kv.Value); err != nil {
				return err
			}
			if i, ok := slices.BinarySearch(gone, key); ok {
				gone = slices.Delete(gone, i, i+1)
			}
			n, from = n+1, string(kv.Key)+"\x00"
		}
		more = r.More
	}
	if n != h.values {
		return d.damage("it has %d values in its map, but the head counts %d", n, h.values)
	}
	for _, key := range gone {
		if err := d.replica.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) syncValue(ctx context.Context, key string, b []byte) error {
	value, err := unsealed(key, b)
	if err != nil {
		return d.damage("%v", err)
	}
	have, err := d.replica.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !bytes.Equal(have, value):
		return d.replica.Put(ctx, key, value)
	default:
		return err
	}
}
