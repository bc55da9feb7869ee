package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/server/telemetry"
)

// full returns a registry in which everything has been counted.
func full(t *testing.T) (*prometheus.Registry, *telemetry.Metrics) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	m, err := telemetry.New(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Watch(telemetry.Gauges{
		Serving: func() bool { return true }, DiskLow: func() bool { return true }, Fenced: func() bool { return true }, Streams: func() int { return 2 }, Sessions: func() int { return 3 }, System: func() int64 { return 4 },
	}); err != nil {
		t.Fatal(err)
	}
	if err := m.WatchQuota(func() int64 { return 61 }); err != nil {
		t.Fatal(err)
	}
	m.Called(telemetry.Call{Method: "/lodd.v1.TrialService/GetTrial", Class: "call", Elapsed: 3 * time.Millisecond})
	m.Wrote(3 * time.Millisecond)
	return r, m
}

func page(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	s := httptest.NewServer(telemetry.Page(g))
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every metric that is registered, and every label, is on the list; and nothing is
// on the list that isn't there.
func TestLeakL17MetricsAreThoseOfTheList(t *testing.T) {
	r, _ := full(t)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		labels, known := telemetry.Allowed()[f.GetName()]
		if seen[f.GetName()] = true; !known {
			t.Errorf("%s is not on the list", f.GetName())
		}
		for _, m := range f.GetMetric() {
			var names []string
			for _, l := range m.GetLabel() {
				names = append(names, l.GetName())
			}
			if !slices.Equal(names, labels) {
				t.Errorf("%s has labels %v, want %v", f.GetName(), names, labels)
			}
		}
	}
	for name := range telemetry.Allowed() {
		if !seen[name] {
			t.Errorf("%s is on the list, and isn't there", name)
		}
		for _, word := range []string{"arm", "trial", "site", "participant", "user", "team", "list"} {
			if slices.Contains(strings.Split(name, "_"), word) || slices.Contains(telemetry.Allowed()[name], word) {
				t.Errorf("%s is by %s", name, word)
			}
		}
	}
}

// What isn't on the list is not shown, whoever registered it.
func TestLeakL17UnlistedMetricsAreNotShown(t *testing.T) {
	r, m := full(t)
	arms := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "randomized_total", Help: "x"}, []string{"arm"})
	arms.WithLabelValues("northern").Inc()
	sly := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "go_threads", Help: "x"}, []string{"arm"})
	sly.WithLabelValues("southern").Inc()
	other := prometheus.NewRegistry()
	other.MustRegister(arms, sly)
	m.Called(telemetry.Call{Method: "/lodd.v1.TrialService/GetTrial", Class: "call", Code: codes.NotFound, Elapsed: time.Second})
	got := page(t, r) + page(t, other)
	if strings.Contains(got, "northern") || strings.Contains(got, "southern") {
		t.Errorf("the page tells an arm:\n%s", got)
	}
	for _, want := range []string{
		`lodd_calls_total{code="NotFound",method="/lodd.v1.TrialService/GetTrial"} 1`, "lodd_serving 1", "lodd_disk_low 1", "lodd_fenced 1", "lodd_streams_open 2",
		"lodd_sessions 3", "lodd_system_entries 4", `lodd_call_seconds_bucket{class="call",le="1"} 2`, "lodd_store_write_seconds_count 1", "lodd_store_quota_percent 61",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// Two calls that differ by less than a step look the same in every number, also in
// the sum.
func TestLeakL17DurationsAreRounded(t *testing.T) {
	of := func(elapsed time.Duration) (shown []string) {
		r := prometheus.NewRegistry()
		m, err := telemetry.New(r)
		if err != nil {
			t.Fatal(err)
		}
		m.Called(telemetry.Call{Method: "m", Class: "call", Elapsed: elapsed})
		m.Wrote(elapsed)
		for line := range strings.Lines(page(t, r)) {
			if strings.HasPrefix(line, "lodd_") && !strings.HasPrefix(line, "lodd_memory") {
				shown = append(shown, line)
			}
		}
		return shown
	}
	for _, pair := range [][2]time.Duration{
		{time.Microsecond, 900 * time.Microsecond},
		{6 * time.Millisecond, 19 * time.Millisecond},
		{2100 * time.Millisecond, 9 * time.Second},
		{time.Hour, 2 * time.Hour},
	} {
		a, b := of(pair[0]), of(pair[1])
		if !slices.Equal(a, b) || len(a) < 10 {
			t.Errorf("%v and %v can be told apart:\n%v\n%v", pair[0], pair[1], a, b)
		}
	}
	if slices.Equal(of(time.Millisecond), of(time.Second)) {
		t.Error("all durations look the same")
	}
}

func TestNoMetricsCountNothing(t *testing.T) {
	var none *telemetry.Metrics
	none.Called(telemetry.Call{})
	none.Wrote(time.Second)
	if err := none.Watch(telemetry.Gauges{}); err != nil {
		t.Error(err)
	}
	if err := none.WatchQuota(nil); err != nil {
		t.Error(err)
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	r, m := full(t)
	if _, err := telemetry.New(r); err == nil {
		t.Error("registered twice")
	}
	if err := m.Watch(telemetry.Gauges{Serving: func() bool { return false }}); err == nil {
		t.Error("watched twice")
	}
	if err := m.WatchQuota(nil); err == nil {
		t.Error("watched a quota twice")
	}
}
