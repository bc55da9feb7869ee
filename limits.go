package main

import (
	"errors"
	"time"

	"github.com/lodd-rct/lodd/server"
)

// A limitsConfig says what one caller may cost. What isn't set has the default of
// [server.Limits].
type limitsConfig struct {
	// PerSecond and Burst are the requests of an account, in the long run and at
	// once. The defaults are 200 and 1,000.
	PerSecond int `toml:"per_second"`
	Burst     int `toml:"burst"`
	// StrangersPerSecond and StrangersBurst are those of a host before anybody has
	// signed in. The defaults are a fortieth and a fiftieth of the above.
	StrangersPerSecond int `toml:"strangers_per_second"`
	StrangersBurst     int `toml:"strangers_burst"`
	// CostlyPerMinute and CostlyBurst are the calls of one costly method by an
	// account: downloads, lists of the log, locks, printing, passwords. The defaults
	// are six tenths of PerSecond and a tenth of Burst, so 120 and 100.
	CostlyPerMinute int `toml:"costly_per_minute"`
	CostlyBurst     int `toml:"costly_burst"`
	// Streams and StreamsPerUser are how many downloads may be open, of all accounts
	// and of one. The defaults are 256 and 16.
	Streams        int `toml:"streams"`
	StreamsPerUser int `toml:"streams_per_user"`
	// Call and SlowCall are the longest times of a call, and of one that may take
	// longer, such as a lock. The defaults are "60s" and "10m".
	Call     duration `toml:"call"`
	SlowCall duration `toml:"slow_call"`
	// Stream is the longest life of a download, and Message the longest time that a
	// client may take for its request, or for one message of an answer. The defaults
	// are "1h" and "2m".
	Stream  duration `toml:"stream"`
	Message duration `toml:"message"`
}

// check reports a limit that can't be right.
func (l limitsConfig) check() error {
	if min(l.PerSecond, l.Burst, l.StrangersPerSecond, l.StrangersBurst, l.CostlyPerMinute, l.CostlyBurst, l.Streams, l.StreamsPerUser) < 0 {
		return errors.New("limits: a limit is below 0; leave it out for its default")
	}
	return nil
}

// limits returns the limits for the server.
func (l limitsConfig) limits() server.Limits {
	return server.Limits{
		PerSecond: l.PerSecond, Burst: l.Burst, StrangersPerSecond: l.StrangersPerSecond, StrangersBurst: l.StrangersBurst,
		CostlyPerMinute: l.CostlyPerMinute, CostlyBurst: l.CostlyBurst, Streams: l.Streams, StreamsPerUser: l.StreamsPerUser,
		Call: time.Duration(l.Call), SlowCall: time.Duration(l.SlowCall), Stream: time.Duration(l.Stream), Message: time.Duration(l.Message),
	}
}
