package server

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/peer"

	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// Limits bound how many requests one caller may send. A caller is an account,
// or an address before it has signed in; a request counts as ten then, because
// a password is to be hashed and a refusal is an entry.
type Limits struct {
	PerSecond int // in the long run; default 200
	Burst     int // at once, at least 10; default 1,000
}

// strangerCost is what a request counts before signing in.
const strangerCost = 10

// maxCallers bounds the callers that are counted at a time.
const maxCallers = 100_000

// A meter counts requests. Each caller has a bucket of tokens that fills up
// with time; a request takes some.
type meter struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex // guards buckets
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newMeter(l Limits, now func() time.Time) *meter {
	if l.PerSecond == 0 {
		l.PerSecond = 200
	}
	if l.Burst == 0 {
		l.Burst = 1000
	}
	return &meter{limits: l, now: now, buckets: map[string]bucket{}}
}

// check is a [check] that refuses a caller's requests beyond the limits.
func (m *meter) check(ctx context.Context, _ string, _ any) (context.Context, error) {
	who, cost := caller(ctx)
	if !m.take(who, cost) {
		return nil, rpcerr.Wire(rpcerr.ErrLimit)
	}
	return ctx, nil
}

// caller returns the account, or the host that calls, and what a request of it
// costs.
func caller(ctx context.Context) (who string, cost float64) {
	if p, ok := authn.FromContext(ctx); ok {
		return "user " + p.User, 1
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", strangerCost
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		host = p.Addr.String()
	}
	return "host " + host, strangerCost
}

func (m *meter) take(caller string, cost float64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, full := m.now(), float64(m.limits.Burst)
	b, known := m.buckets[caller]
	if !known {
		m.makeRoom(now)
		b = bucket{full, now}
	}
	b.tokens = min(full, b.tokens+m.gained(b, now))
	b.at = now
	enough := b.tokens >= cost
	if enough {
		b.tokens -= cost
	}
	m.buckets[caller] = b
	return enough
}

// gained returns the tokens that came with time; a clock that steps back takes
// none away.
func (m *meter) gained(b bucket, now time.Time) float64 {
	return max(0, now.Sub(b.at).Seconds()) * float64(m.limits.PerSecond)
}

// makeRoom keeps the number of callers bounded: of a few taken at random it
// forgets one whose bucket is full again, which changes nothing for it, or else
// the last.
func (m *meter) makeRoom(now time.Time) {
	if len(m.buckets) < maxCallers {
		return
	}
	victim, seen := "", 0
	for c, b := range m.buckets {
		victim = c
		if seen++; seen == 16 || b.tokens+m.gained(b, now) >= float64(m.limits.Burst) {
			break
		}
	}
	delete(m.buckets, victim)
}
