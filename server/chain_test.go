package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// lines returns the lines of the log.
func (w *world) lines() (lines []map[string]any) {
	w.t.Helper()
	for _, text := range strings.Split(strings.TrimSuffix(w.logs.String(), "\n"), "\n") {
		line := map[string]any{}
		w.must(json.Unmarshal([]byte(text), &line))
		lines = append(lines, line)
	}
	return lines
}

func (w *world) lastLine() map[string]any {
	w.t.Helper()
	lines := w.lines()
	return lines[len(lines)-1]
}

// One line a call, with these fields and no others, and no participant in it.
func TestLogLines(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.takeLock()
	_, _, _, err := w.download("dm", 1)
	w.must(err)
	if len(w.lines()) < 30 { // newWorld looks at the fields of each
		t.Errorf("%d lines", len(w.lines()))
	}
	if strings.Contains(w.logs.String(), "S-1") || strings.Contains(w.logs.String(), "Person") {
		t.Error("the log names a participant or a person")
	}
	last := w.lastLine()
	if last["method"] != "/lodd.v1.ExportService/DownloadExport" || last["subject"] != "dm" || last["trial_id"] != "T1" || last["request_id"] == "" || last["level"] != "info" {
		t.Errorf("line of a stream = %v", last)
	}

	_, err = w.commit("tc-osl", w.id(), "S-1")
	refused(t, err, codes.NotFound, "NOT_FOUND")
	if last := w.lastLine(); last["level"] != "warn" || last["error"] != "" || last["code"] != "NotFound" {
		t.Errorf("line of a refusal = %v", last)
	}
	// What isn't well-formed doesn't get into the log.
	_, err = w.randomization().CommitRandomization(w.as("tc-osl"), &loddv1.CommitRandomizationRequest{TrialId: "T1\nnorthern", IntentId: "S-1 got northern"})
	refused(t, err, codes.PermissionDenied, "")
	if last := w.lastLine(); last["trial_id"] != "" || last["request_id"] != "" {
		t.Errorf("line = %v", last)
	}
}

// An internal error is logged with its text, save participants, and sent
// without it.
func TestInternalErrorsStayInside(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	intent := w.prepare("S-1", "OSL")
	w.store.FailAppend = func(...store.Part) error {
		return errors.Join(store.ErrUnknown, errors.New("write of S-1 to /var/lib/lodd failed"))
	}
	_, err := w.commit("tc-osl", intent, "S-1")
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	if strings.Contains(status.Convert(err).Message(), "/var/lib") {
		t.Errorf("the caller is told %v", err)
	}
	line := w.lastLine()
	if text, _ := line["error"].(string); line["level"] != "error" || !strings.Contains(text, "[participant] to /var/lib/lodd") {
		t.Errorf("line = %v", line)
	}
}

// brokenMap is a store of credentials that doesn't work.
type brokenMap struct{ get func() ([]byte, error) }

func (m brokenMap) Get(context.Context, string) ([]byte, error) { return m.get() }
func (m brokenMap) Put(context.Context, string, []byte) error   { return nil }

func TestPanicIsAnInternalError(t *testing.T) {
	for name, get := range map[string]func() ([]byte, error){
		"panic: runtime error: index out of range": func() ([]byte, error) { var none []int; return nil, errors.New(string(rune(none[1]))) },
		"panic with a string at":                   func() ([]byte, error) { panic("arm northern of S-1") },
		"disk on fire":                             func() ([]byte, error) { return nil, errors.New("disk on fire") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *server.Config) { c.Credentials = brokenMap{get} })
			w.bootstrap()
			_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: password})
			refused(t, err, codes.Internal, "")
			if got := status.Convert(err).Message(); got != "internal error" {
				t.Errorf("the caller is told %q", got)
			}
			line := w.lastLine()
			text, _ := line["error"].(string)
			if !strings.Contains(text, name) || line["level"] != "error" || strings.Contains(text, "0x") {
				t.Errorf("line = %v", line)
			}
			if strings.HasPrefix(name, "panic") && !strings.Contains(text, "sessionService") {
				t.Errorf("the line doesn't tell where: %v", text)
			}
		})
	}
}

func TestRequestsOverTheLimitAreRefused(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits = server.Limits{PerSecond: 10, Burst: 50, StrangersBurst: 1000} })
	w.bootstrap()
	w.must(w.join(w.invite(), "kari"))
	kari, admin := w.as("kari"), w.as("admin")
	call := func(ctx context.Context) error {
		_, err := w.session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
		return err
	}
	for range 50 {
		w.must(call(kari))
	}
	refused(t, call(kari), codes.ResourceExhausted, "BUSY")
	w.must(call(admin)) // others are served
	w.wait(200 * time.Millisecond)
	w.must(call(kari))
	w.must(call(kari))
	refused(t, call(kari), codes.ResourceExhausted, "BUSY")
}

// Before signing in, a host is the caller, with a lower limit of its own; what
// it spends is nobody's who has signed in.
func TestStrangersAreLimitedByHost(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits = server.Limits{} })
	w.bootstrap()
	w.wait(time.Hour)
	admin := w.as("admin")
	login := func(user string) error {
		_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: user, Password: password})
		return err
	}
	for i := range 19 {
		refused(t, login(fmt.Sprint("nobody", i)), codes.Unauthenticated, "SIGN_IN")
	}
	refused(t, login("admin"), codes.ResourceExhausted, "BUSY")
	_, err := w.session().Join(t.Context(), &loddv1.JoinRequest{})
	refused(t, err, codes.ResourceExhausted, "BUSY")
	_, err = w.session().WhoAmI(admin, &loddv1.WhoAmIRequest{})
	w.must(err)
	w.wait(time.Second)
	for i := range 5 {
		refused(t, login(fmt.Sprint("nobody", i)), codes.Unauthenticated, "SIGN_IN")
	}
	refused(t, login("admin"), codes.ResourceExhausted, "BUSY")
}

func TestLargeRequestsAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	_, err := w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: w.id(), Protocol: bytes.Repeat([]byte("#"), 4<<20)})
	refused(t, err, codes.ResourceExhausted, "")
	_, err = w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: w.id(), Protocol: bytes.Repeat([]byte("#"), 2<<20)})
	refused(t, err, codes.InvalidArgument, "") // by the limit of a file
}

func TestEveryMethodNeedsASession(t *testing.T) {
	w := newTrial(t, nil)
	w.tokens["forged"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	calls := everyCall(w, "forged")
	if len(calls) < 30 {
		t.Fatalf("only %d methods", len(calls))
	}
	for _, c := range calls {
		want := codes.Unauthenticated
		if c.method == "lodd.v1.FollowService.Follow" { // is for machines; no session opens it
			want = codes.PermissionDenied
		}
		if status.Code(c.err) != want {
			t.Errorf("%s without a session: %v", c.method, c.err)
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	w := newWorld(t, nil)
	for _, method := range []string{
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
		"/grpc.channelz.v1.Channelz/GetTopChannels", "/lodd.v1.TrialService/Nope", "/lodd.v1.Nope/GetTrial",
	} {
		err := w.conn.Invoke(t.Context(), method, &loddv1.WhoAmIRequest{}, &loddv1.WhoAmIResponse{})
		refused(t, err, codes.Unimplemented, "")
	}
}

// Two tokens in one call are none: it must not depend on who reads which.
func TestTwoTokensAreNone(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	ctx := metadata.AppendToOutgoingContext(w.as("admin"), "authorization", "Bearer x")
	_, err := w.session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")
}

// Stop lets running calls finish, and cuts them off when its time is up.
func TestStop(t *testing.T) {
	for name, patient := range map[string]bool{"waits": true, "cuts off": false} {
		t.Run(name, func(t *testing.T) {
			w := newTrial(t, nil)
			w.ready("S-1", "OSL")
			ctx, id := w.as("tc-osl"), w.id()
			entered, leave := make(chan struct{}), make(chan struct{})
			w.store.FailAppend = func(...store.Part) error { close(entered); <-leave; return nil }
			answered, stopped := make(chan error), make(chan struct{})
			go func() {
				_, err := w.randomization().PrepareRandomization(ctx, &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: id, Participant: "S-1"})
				answered <- err
			}()
			<-entered
			deadline, cancel := context.WithCancel(context.Background())
			go func() {
				w.server.Stop(deadline)
				close(stopped)
			}()
			if !patient {
				cancel()
				if err := <-answered; status.Code(err) != codes.Unavailable {
					t.Errorf("cut off with %v", err)
				}
				close(leave)
			} else {
				close(leave)
				if err := <-answered; err != nil {
					t.Errorf("not let finish: %v", err)
				}
			}
			<-stopped
			cancel()
		})
	}
}

// What can't work is refused at the start, and not when it is needed.
func TestNewRefusesAConfigThatCannotWork(t *testing.T) {
	var good server.Config
	newWorld(t, func(c *server.Config) { good = *c })
	for name, spoil := range map[string]func(*server.Config){
		"no ledger":           func(c *server.Config) { c.Ledger = nil },
		"no clock":            func(c *server.Config) { c.Now = nil },
		"no store":            func(c *server.Config) { c.Credentials = nil },
		"no name":             func(c *server.Config) { c.Name = "" },
		"no address":          func(c *server.Config) { c.Addresses = nil },
		"an address in words": func(c *server.Config) { c.Addresses = []string{"at the office"} },
		"a negative limit":    func(c *server.Config) { c.Limits.PerSecond = -1 },
		"no strangers":        func(c *server.Config) { c.Limits.StrangersBurst = -1 },
		"costly passwords":    func(c *server.Config) { c.Passwords.Passes = 1000 },
		"a negative session":  func(c *server.Config) { c.Sessions.Idle = -1 },
	} {
		c := good
		spoil(&c)
		if _, err := server.New(c); err == nil {
			t.Errorf("%s: a server was made", name)
		}
	}
	if _, err := server.New(good); err != nil {
		t.Error(err)
	}
}
