// Package telemetry counts what a server does, in numbers that tell no arm.
//
// There is an allow-list, [Allowed]: a metric or a label that isn't on it is never
// shown. No metric is about a trial, a site, a person or a list other than
// "system". How long something took is rounded up to one of few steps before it is
// counted, also in sums: the sum of a histogram would otherwise tell whoever asks
// before and after a call how long exactly it took, and that might hang on an arm.
package telemetry

import (
	"fmt"
	"math"
	"runtime/metrics"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc/codes"
)

// The steps to which durations are rounded up. Calls that differ only by an arm lie
// between two of the first kind, which are far apart: all that is slower than a
// tenth of a second is slow for another reason.
var (
	callSteps  = []float64{0.1, 1, 10, 60, 600} // seconds
	writeSteps = []float64{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60}
)

// Metrics are the numbers of one server. All methods may be called concurrently,
// and on nil, which counts nothing.
type Metrics struct {
	registry prometheus.Registerer
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	writes   prometheus.Histogram
}

// New returns metrics that are registered with r.
func New(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		registry: r,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lodd_calls_total", Help: "Calls that have ended, by method and gRPC status code.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lodd_call_seconds", Help: "How long calls took, by class of method, rounded up to a bucket.", Buckets: callSteps,
		}, []string{"class"}),
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lodd_store_write_seconds", Help: "How long writes to the store took until they were durable, rounded up to a bucket.", Buckets: writeSteps,
		}),
	}
	// Without the numbers of the allocator, which count each byte.
	runtime := collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled())
	memory := gauge("lodd_memory_mebibytes", "Memory that the process has from its system.", mebibytes)
	for _, c := range []prometheus.Collector{m.calls, m.seconds, m.writes, memory, runtime} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	return m, nil
}

// Gauges say how things stand at this moment. They are called concurrently.
type Gauges struct {
	Serving  func() bool  // whether the server serves
	DiskLow  func() bool  // whether the disk is nearly full
	Fenced   func() bool  // whether a trial waits for its reconciliation
	Streams  func() int   // streams that are open
	Sessions func() int   // sessions that haven't ended
	System   func() int64 // entries of the list of accounts, "system"
}

// Watch adds gauges, once.
func (m *Metrics) Watch(g Gauges) error {
	if m == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{
		gauge("lodd_serving", "1 while the server serves, 0 when it can't.", flag(g.Serving)),
		gauge("lodd_disk_low", "1 while the disk is nearly full, so that no new trial begins.", flag(g.DiskLow)),
		gauge("lodd_fenced", "1 while a trial waits for lodd trial reconcile, so that nobody is randomized in it.", flag(g.Fenced)),
		gauge("lodd_streams_open", "Streams that are open.", func() float64 { return float64(g.Streams()) }),
		gauge("lodd_sessions", "Sessions that have not ended.", func() float64 { return float64(g.Sessions()) }),
		gauge("lodd_system_entries", "Entries of the list of accounts and roles.", func() float64 { return float64(g.System()) }),
	} {
		if err := m.registry.Register(c); err != nil {
			return fmt.Errorf("telemetry: %w", err)
		}
	}
	return nil
}

// WatchQuota adds how many percent of its quota an etcd cluster uses, once. A
// hundredth of some gigabytes tells nothing of a single call.
func (m *Metrics) WatchQuota(percent func() int64) error {
	if m == nil {
		return nil
	}
	g := gauge("lodd_store_quota_percent", "Percent of its quota that the etcd cluster uses.", func() float64 { return float64(percent()) })
	if err := m.registry.Register(g); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

func gauge(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

// flag returns 1 for true.
func flag(f func() bool) func() float64 {
	return func() float64 {
		if f() {
			return 1
		}
		return 0
	}
}

// A Call is what is counted of one.
type Call struct {
	Method  string // full name, of those that the server has
	Class   string // of methods whose durations are counted together
	Code    codes.Code
	Elapsed time.Duration
}

// Called counts a call that has ended.
func (m *Metrics) Called(c Call) {
	if m == nil {
		return
	}
	m.calls.WithLabelValues(c.Method, c.Code.String()).Inc()
	m.seconds.WithLabelValues(c.Class).Observe(step(c.Elapsed, callSteps))
}

// Wrote counts a write to the store.
func (m *Metrics) Wrote(elapsed time.Duration) {
	if m != nil {
		m.writes.Observe(step(elapsed, writeSteps))
	}
}

// step rounds a duration up to one of the steps, or down to ten times the last.
func step(d time.Duration, steps []float64) float64 {
	for _, s := range steps {
		if d.Seconds() <= s {
			return s
		}
	}
	return 10 * steps[len(steps)-1]
}

// mebibytes returns the memory of the process. A step of a mebibyte tells nothing
// of a single call.
func mebibytes() float64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return math.NaN()
	}
	return math.Ceil(float64(sample[0].Value.Uint64()) / (1 << 20))
}
