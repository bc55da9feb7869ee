package server_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/telemetry"
)

// logKeys are the fields of a line, and no other is ever written.
//
// Source: style.md of the design, "Logging".
var logKeys = []string{"code", "elapsed_ms", "error", "level", "message", "method", "request_id", "subject", "time", "trial_id"}

// checkKeys looks at every line that a world has logged, so that each test of a
// world tests the list of fields.
func (w *world) checkKeys() {
	for text := range strings.Lines(w.logs.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			w.t.Errorf("%q: %v", text, err)
		}
		if got := slices.Sorted(maps.Keys(line)); !slices.Equal(got, logKeys) {
			w.t.Errorf("line has %v, want %v", got, logKeys)
		}
		if line["level"] != "error" && line["error"] != "" {
			w.t.Errorf("the text of a caller's mistake is logged: %s", text)
		}
	}
}

// One file of the server writes to its log, so that the list of fields stands in
// one place; no package below it can write a line.
func TestLeakL17OneFileWritesTheLog(t *testing.T) {
	var writers []string
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imported := range f.Imports {
			switch path := strings.Trim(imported.Path.Value, `"`); path {
			case "log", "log/slog", "github.com/rs/zerolog", "github.com/rs/zerolog/log", "runtime/debug", "expvar", "net/http/pprof":
				writers = append(writers, filepath.ToSlash(file)+" "+path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The configuration has a logger to hand on.
	if want := []string{"log.go github.com/rs/zerolog", "server.go github.com/rs/zerolog"}; !slices.Equal(writers, want) {
		t.Errorf("who may write to a log: %v, want %v", writers, want)
	}
}

// A panic with an arm, an index that is one, and an error that names one: neither
// the caller nor the log is told.
func TestLeakL17PanicsTellNoArm(t *testing.T) {
	arms := []string{"northern", "southern"}
	for name, happen := range map[string]func(){
		"a value":   func() { panic(struct{ arm string }{arms[1]}) },
		"a message": func() { panic(&loddv1.Arm{Id: arms[1]}) },
		"an index":  func() { arm := len(arms) + 4711; _ = arms[arm] },
		"a nil map": func() { none := map[string]map[string]int{}; none[arms[0]][arms[1]]++ },
	} {
		t.Run(name, func(t *testing.T) {
			act := func() {}
			w := newTrial(t, func(c *server.Config) {
				k := *c.Keys
				k.ExportSigner = signing{k.ExportSigner, func() { act() }}
				c.Keys = &k
			})
			w.takeLock()
			act = happen
			_, _, _, err := w.download("dm", 1)
			line, _ := w.lastLine()["error"].(string)
			if numberOf(err) == "" || !strings.HasPrefix(line, "panic") || !strings.Contains(line, "exportService") {
				t.Fatalf("%v; line %q", err, line)
			}
			for _, leak := range []string{"northern", "southern", "4713"} {
				if strings.Contains(line, leak) || strings.Contains(err.Error(), leak) {
					t.Errorf("%s is told: %v; line %q", leak, err, line)
				}
			}
		})
	}
}

// After people of every role have worked, and everything was called, the page of
// metrics has nothing that isn't on the list, and names nobody and no arm.
func TestLeakL17MetricsNameNobody(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := telemetry.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	w := newTrial(t, func(c *server.Config) { c.Metrics = metrics })
	w.randomize("S-1", "OSL")
	for _, p := range cast {
		everyCall(w, p.user)
	}
	families, err := registry.Gather()
	w.must(err)
	for _, f := range families {
		if _, ok := telemetry.Allowed()[f.GetName()]; !ok {
			t.Errorf("%s is not on the list", f.GetName())
		}
	}
	page := httptest.NewRecorder()
	telemetry.Page(registry).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	text := page.Body.String()
	for _, want := range []string{`lodd_calls_total{code="OK",method="/lodd.v1.RandomizationService/CommitRandomization"} 1`, "lodd_sessions 13", "lodd_serving 1"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, leak := range []string{"northern", "southern", "S-1", "T1", "OSL", "tc-osl", "es-north", "127.0.0.1"} {
		if strings.Contains(text, leak) {
			t.Errorf("the metrics tell %q", leak)
		}
	}
}

// The line of a call of a treatment team names neither the caller nor the request,
// by which the database would tell of which team's arm a participant is. Its own
// faults have a number that isn't the request's.
func TestLeakL17LinesOfTeamsNameNobody(t *testing.T) {
	w, own, other := newSafety(t)
	w.enters(own, "S-0")
	w.enters("tc-osl", "S-0")
	_, err := w.safety().ReportAdverseEvent(w.as(other), w.event("S-0")) // refused
	if err == nil {
		t.Error("the team of another arm reports")
	}
	_, err = w.delivery().RecordContact(w.as(own), w.contact("S-0"))
	w.must(err)
	for _, user := range []string{own, "tc-osl"} {
		for _, c := range everyCall(w, user) {
			_ = c // for its line
		}
	}
	lines := map[string]int{}
	for _, line := range w.lines() {
		method, _ := line["method"].(string)
		if !strings.HasPrefix(method, "/lodd.v1.DeliveryService/") && method != loddv1.SafetyService_ReportAdverseEvent_FullMethodName {
			continue
		}
		lines[method]++
		if line["subject"] != "" || line["request_id"] != "" && line["level"] != "error" || line["trial_id"] == nil {
			t.Errorf("line %v", line)
		}
	}
	if len(lines) != len(loddv1.DeliveryService_ServiceDesc.Methods)+1 || lines[loddv1.SafetyService_ReportAdverseEvent_FullMethodName] < 3 {
		t.Errorf("lines of %v", lines)
	}
	if _, err := w.trials().GetTrial(w.as(own), &loddv1.GetTrialRequest{TrialId: "T1"}); err != nil || w.lastLine()["subject"] != own {
		t.Errorf("%v; the line of another call is %v", err, w.lastLine())
	}
}
