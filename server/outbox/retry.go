package outbox

import "time"

// The distance of two tries, which doubles from one to the next.
const (
	retryFirst = 5 * time.Second
	retryLast  = 15 * time.Minute
)

// A retry says when something that failed is tried again. The zero retry is of
// what never failed.
type retry struct {
	first, next time.Time
	wait        time.Duration
}

func (r retry) ready(now time.Time) bool {
	return !now.Before(r.next) || r.next.Sub(now) > retryLast // the clock was set back
}

// after returns the retry after one more try, which failed or not.
func (r retry) after(err error, now time.Time) retry {
	if err == nil {
		return retry{}
	}
	if r.wait == 0 {
		r.first, r.wait = now, retryFirst/2
	}
	r.wait = min(2*r.wait, retryLast)
	r.next = now.Add(r.wait)
	return r
}

// since returns for how long it has failed.
func (r retry) since(now time.Time) time.Duration {
	if r.wait == 0 {
		return 0
	}
	return now.Sub(r.first)
}
