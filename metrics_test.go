package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/server/telemetry"
)

// The page of metrics is there while the server serves, for GET and nothing else.
func TestMetricsPage(t *testing.T) {
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "metered", SignIn: signInConfig{SecondFactor: factorOff}, Metrics: "127.0.0.1:0"}, attackedWorld())
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + n.page.listener.Addr().String()
	ask := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if err := n.during(t.Context(), func(context.Context) error {
		code, text := ask(http.MethodGet, "/metrics")
		for _, want := range []string{"lodd_serving 1\n", "lodd_system_entries ", "go_info{"} {
			if code != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("%d, no %q in\n%s", code, want, text)
			}
		}
		for _, other := range []string{"/", "/debug/pprof/", "/metrics/x"} {
			if code, _ := ask(http.MethodGet, other); code != http.StatusNotFound {
				t.Errorf("%s: %d", other, code)
			}
		}
		if code, _ := ask(http.MethodPost, "/metrics"); code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", code)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(http.MethodGet, "/metrics"); code != 0 {
		t.Errorf("after the end: %d", code)
	}
	if err := n.close(); err != nil {
		t.Error(err)
	}
}

// From 60 % of the cluster's quota on the log warns, once for every tenth, and the
// page shows what is used.
func TestFillingClusterIsWarnedOf(t *testing.T) {
	p, err := newPage(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var lines bytes.Buffer
	n := &node{page: p, member: &membership{}, world: world{log: zerolog.New(&lines)}}
	if err := n.watchQuota(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		percent int
		warns   bool
	}{{0, false}, {59, false}, {60, true}, {61, false}, {69, false}, {85, true}, {100, true}, {100, false}, {30, false}, {62, true}} {
		lines.Reset()
		n.filled(step.percent)
		want := ""
		if step.warns {
			want = fmt.Sprintf(`{"level":"warn","percent":%d,"message":"the quota of the etcd cluster is filling: raise it, or make room; at 100 percent nothing more is written"}`+"\n", step.percent)
		}
		if got := lines.String(); got != want {
			t.Errorf("at %d %% the log says %q, want %q", step.percent, got, want)
		}
		page := httptest.NewRecorder()
		telemetry.Page(p.registry).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if want := fmt.Sprintf("lodd_store_quota_percent %d\n", step.percent); !strings.Contains(page.Body.String(), want) {
			t.Errorf("no %q on the page", want)
		}
	}
}

// Other machines don't reach the page, and a limit has to be one.
func TestConfigOfMetricsAndLimits(t *testing.T) {
	for address, ok := range map[string]bool{
		"": true, "127.0.0.1:9090": true, "[::1]:9090": true, "127.5.5.5:9090": true,
		":9090": false, "0.0.0.0:9090": false, "[::]:9090": false, "10.0.0.1:9090": false, "localhost:9090": false, "127.0.0.1": false,
	} {
		c := config{Data: "x", Metrics: address}
		if err := c.check(); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	c := config{Data: "x", Limits: limitsConfig{Streams: -1}}
	if err := c.check(); err == nil {
		t.Error("a negative limit is taken")
	}
	set := limitsConfig{1, 2, 3, 4, 5, 6, 7, 8, duration(9), duration(10), duration(11), duration(12)}.limits()
	if set.PerSecond != 1 || set.CostlyBurst != 6 || set.StreamsPerUser != 8 || set.Call != 9 || set.Message != 12*time.Nanosecond {
		t.Errorf("%+v", set)
	}
}
