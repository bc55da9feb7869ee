package etcd

import (
	"context"
	"time"
)

// lookEvery is how often the leader asks how full the cluster is.
const lookEvery = time.Minute

// lookAtQuota tells how full the cluster is, now and from time to time, until
// ctx ends.
func (d *DB) lookAtQuota(ctx context.Context) {
	if d.config.Filled == nil {
		return
	}
	tick := time.NewTicker(d.lookEvery)
	defer tick.Stop()
	for {
		if percent, known := d.fullest(ctx); known {
			d.config.Filled(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fullest returns how many percent of its quota the fullest member uses: when
// one of them has reached it, none takes writes. It isn't known if no member
// answers, which others tell, or none names its quota: those before etcd 3.6
// don't, and a quota below zero is none.
func (d *DB) fullest(ctx context.Context) (percent int, known bool) {
	for _, member := range d.config.Endpoints {
		asking, cancel := d.request(ctx)
		r, err := d.client.Status(asking, member)
		cancel()
		if err != nil || r.DbSizeQuota <= 0 {
			continue
		}
		percent, known = max(percent, int(100*r.DbSize/r.DbSizeQuota)), true
	}
	return percent, known
}
