package telemetry

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Allowed returns the metrics that may be shown, and the labels of each, sorted.
func Allowed() map[string][]string {
	return map[string][]string{
		"lodd_calls_total":                 {"code", "method"},
		"lodd_call_seconds":                {"class"},
		"lodd_disk_low":                    nil,
		"lodd_fenced":                      nil,
		"lodd_memory_mebibytes":            nil,
		"lodd_serving":                     nil,
		"lodd_sessions":                    nil,
		"lodd_store_quota_percent":         nil,
		"lodd_store_write_seconds":         nil,
		"lodd_streams_open":                nil,
		"lodd_system_entries":              nil,
		"go_gc_duration_seconds":           nil,
		"go_gc_gogc_percent":               nil,
		"go_gc_gomemlimit_bytes":           nil,
		"go_memstats_last_gc_time_seconds": nil,
		"go_goroutines":                    nil,
		"go_info":                          {"version"},
		"go_sched_gomaxprocs_threads":      nil,
		"go_threads":                       nil,
	}
}

// Page serves what g gathers, in the format of Prometheus, as far as it is on the
// list of what is [Allowed].
func Page(g prometheus.Gatherer) http.Handler {
	listed := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		all, err := g.Gather()
		return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return !allowed(f) }), err
	})
	return promhttp.HandlerFor(listed, promhttp.HandlerOpts{DisableCompression: true})
}

// allowed reports whether a metric and all its labels are on the list.
func allowed(f *dto.MetricFamily) bool {
	labels, known := Allowed()[f.GetName()]
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			known = known && slices.Contains(labels, l.GetName())
		}
	}
	return known
}
