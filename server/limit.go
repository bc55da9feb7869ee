package server

import (
	"cmp"
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/peer"

	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// Limits bound how many requests one caller may send. A caller is an account,
// or a host before it has signed in: whoever it is may make the server hash
// passwords, which costs more than all else, so that the bounds are lower.
type Limits struct {
	PerSecond int // of an account, in the long run; default 200
	Burst     int // of an account at once; default 1,000

	StrangersPerSecond int // of a host, in the long run; default a fortieth of PerSecond, so 5
	StrangersBurst     int // of a host at once; default a fiftieth of Burst, so 20
}

// withDefaults returns the limits with what isn't set filled in.
func (l Limits) withDefaults() Limits {
	l.PerSecond = cmp.Or(l.PerSecond, 200)
	l.Burst = cmp.Or(l.Burst, 1000)
	l.StrangersPerSecond = cmp.Or(l.StrangersPerSecond, l.PerSecond/40, 1)
	l.StrangersBurst = cmp.Or(l.StrangersBurst, l.Burst/50, 1)
	return l
}

// ok reports whether no limit is negative.
func (l Limits) ok() bool {
	return min(l.PerSecond, l.Burst, l.StrangersPerSecond, l.StrangersBurst) >= 0
}

// maxCallers bounds the callers that are counted at a time.
const maxCallers = 100_000

// A meter counts the requests of callers of one sort. Each has a bucket of
// tokens that fills up with time; a request takes one.
type meter struct {
	perSecond, burst float64
	now              func() time.Time

	mu      sync.Mutex // guards buckets
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// limit returns a [check] that refuses a caller's requests beyond the limits.
// Strangers have buckets of their own: however many hosts call, no account is
// forgotten for them.
func limit(l Limits, now func() time.Time) check {
	l = l.withDefaults()
	accounts, hosts := newMeter(l.PerSecond, l.Burst, now), newMeter(l.StrangersPerSecond, l.StrangersBurst, now)
	return func(ctx context.Context, _ string, _ any) (context.Context, error) {
		m, who := hosts, host(ctx)
		if p, ok := authn.FromContext(ctx); ok {
			m, who = accounts, p.User
		}
		if !m.take(who) {
			return nil, rpcerr.Wire(rpcerr.ErrLimit)
		}
		return ctx, nil
	}
}

func newMeter(perSecond, burst int, now func() time.Time) *meter {
	return &meter{perSecond: float64(perSecond), burst: float64(burst), now: now, buckets: map[string]bucket{}}
}

// host returns the host that calls.
func host(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	return host
}

func (m *meter) take(caller string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	b, known := m.buckets[caller]
	if !known {
		m.makeRoom(now)
		b = bucket{m.burst, now}
	}
	b.tokens = min(m.burst, b.tokens+m.gained(b, now))
	b.at = now
	enough := b.tokens >= 1
	if enough {
		b.tokens--
	}
	m.buckets[caller] = b
	return enough
}

// gained returns the tokens that came with time; a clock that steps back takes
// none away.
func (m *meter) gained(b bucket, now time.Time) float64 {
	return max(0, now.Sub(b.at).Seconds()) * m.perSecond
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
		if seen++; seen == 16 || b.tokens+m.gained(b, now) >= m.burst {
			break
		}
	}
	delete(m.buckets, victim)
}
