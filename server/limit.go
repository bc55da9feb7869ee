package server

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/peer"

	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// Limits bound what one caller may cost. A caller is an account, or a host
// before it has signed in: whoever it is may make the server hash passwords,
// which costs more than all else, so that the bounds are lower. The zero value of
// a field is its default.
type Limits struct {
	PerSecond int // requests of an account, in the long run; default 200
	Burst     int // requests of an account at once; default 1,000

	StrangersPerSecond int // requests of a host, in the long run; default a fortieth of PerSecond, so 5
	StrangersBurst     int // requests of a host at once; default a fiftieth of Burst, so 20

	CostlyPerMinute int // calls of one costly method by an account, in the long run; default six tenths of PerSecond, so 120
	CostlyBurst     int // calls of one costly method by an account at once; default a tenth of Burst, so 100

	Streams        int // open streams of all accounts; default 256
	StreamsPerUser int // open streams of an account, or of a machine that follows; default 16

	Call     time.Duration // the longest time of a call with one answer; default 60 seconds
	SlowCall time.Duration // the same for the few that may take longer, such as a lock; default 10 minutes
	Stream   time.Duration // the longest life of a stream, but that of a machine which follows; default an hour
	Message  time.Duration // the longest time a client may take to send a request, or to take one message; default 2 minutes
}

// withDefaults returns the limits with what isn't set filled in.
func (l Limits) withDefaults() Limits {
	l.PerSecond = cmp.Or(l.PerSecond, 200)
	l.Burst = cmp.Or(l.Burst, 1000)
	l.StrangersPerSecond = cmp.Or(l.StrangersPerSecond, l.PerSecond/40, 1)
	l.StrangersBurst = cmp.Or(l.StrangersBurst, l.Burst/50, 1)
	l.CostlyPerMinute = cmp.Or(l.CostlyPerMinute, l.PerSecond*6/10, 1)
	l.CostlyBurst = cmp.Or(l.CostlyBurst, l.Burst/10, 1)
	l.Streams = cmp.Or(l.Streams, 256)
	l.StreamsPerUser = cmp.Or(l.StreamsPerUser, 16)
	l.Call = cmp.Or(l.Call, time.Minute)
	l.SlowCall = cmp.Or(l.SlowCall, 10*time.Minute)
	l.Stream = cmp.Or(l.Stream, time.Hour)
	l.Message = cmp.Or(l.Message, 2*time.Minute)
	return l
}

// ok reports whether no limit is negative.
func (l Limits) ok() bool {
	least := slices.Min([]int{
		l.PerSecond, l.Burst, l.StrangersPerSecond, l.StrangersBurst, l.CostlyPerMinute, l.CostlyBurst, l.Streams, l.StreamsPerUser,
	})
	return least >= 0 && min(l.Call, l.SlowCall, l.Stream, l.Message) >= 0
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
// forgotten for them. What they may call is costly, and their buckets are as small;
// a host has one for each class of methods, so that one which guesses passwords
// doesn't make a server look ill.
func limit(l Limits, now func() time.Time) check {
	l = l.withDefaults()
	accounts := newMeter(float64(l.PerSecond), l.Burst, now)
	hosts := newMeter(float64(l.StrangersPerSecond), l.StrangersBurst, now)
	costs := newMeter(float64(l.CostlyPerMinute)/60, l.CostlyBurst, now)
	return func(ctx context.Context, method string, _ any) (context.Context, error) {
		wait := time.Duration(0)
		p, ok := authn.FromContext(ctx)
		switch {
		case !ok:
			wait = hosts.take(classOf(method) + " " + host(ctx))
		case costly(method):
			wait = costs.take(p.User + " " + method)
		}
		if ok && wait == 0 {
			wait = accounts.take(p.User)
		}
		if wait > 0 {
			return nil, rpcerr.Wire(&rpcerr.LimitError{For: wait})
		}
		return ctx, nil
	}
}

func newMeter(perSecond float64, burst int, now func() time.Time) *meter {
	return &meter{perSecond: perSecond, burst: float64(burst), now: now, buckets: map[string]bucket{}}
}

// host returns the host that calls: its address, or of one of version 6 the
// network of 64 bits, which is the least that anybody is given and whose
// addresses they take as they like.
//
// Source: RFC 6177 (2011), section 2.
func host(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	at, err := netip.ParseAddrPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}

// take takes a token. If there is none it returns how long it will be until
// there is one.
func (m *meter) take(caller string) (wait time.Duration) {
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
	if b.tokens >= 1 {
		b.tokens--
	} else {
		missing := (1 - b.tokens) / m.perSecond * float64(time.Second)
		wait = max(time.Duration(missing), time.Millisecond)
	}
	m.buckets[caller] = b
	return wait
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
