package server_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// A call that outlives its deadline, though the client set none, ends and says that
// nothing is known yet. What it does becomes durable all the same, once, and
// whoever asks again with the same id learns of it.
func TestCallsEndAtTheServersDeadline(t *testing.T) {
	w := newTrial(t, func(c *server.Config) { c.Limits.Call = 200 * time.Millisecond })
	w.ready("S-1", "OSL")
	intent := w.prepare("S-1", "OSL")
	leave := make(chan struct{})
	w.store.FailAppend = func(...store.Part) error { <-leave; return nil } // a disk that hangs
	_, err := w.commit("tc-osl", intent, "S-1")
	refused(t, err, codes.DeadlineExceeded, "")
	if line := w.lastLine(); line["code"] != "DeadlineExceeded" || line["subject"] != "tc-osl" {
		t.Errorf("line = %v", line)
	}
	close(leave)
	again, err := w.commit("tc-osl", intent, "S-1")
	w.must(err)
	if n := w.count("T1/conduct", "randomized"); n != 1 || !again.GetReceipt().GetRepeatedRequest() {
		t.Errorf("%d randomizations, receipt %v", n, again.GetReceipt())
	}
}

// Few methods may take longer.
func TestALockMayTakeLonger(t *testing.T) {
	w := newTrial(t, func(c *server.Config) { c.Limits.Call = 100 * time.Millisecond })
	dm, cus := w.as("dm"), w.as("cus")
	entered, leave, locked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	enter := sync.OnceFunc(func() { close(entered) })
	w.store.FailAppend = func(...store.Part) error { enter(); <-leave; return nil } // a disk that hangs
	lock := &loddv1.TakeLockRequest{TrialId: "T1", RequestId: w.id()}
	go func() {
		_, err := w.exports().TakeLock(dm, lock)
		locked <- err
	}()
	select {
	case <-entered:
	case err := <-locked:
		t.Fatalf("the lock never reached the disk: %v", err)
	}
	_, err := w.trials().CloseEnrolment(cus, &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	close(leave) // the lock has been on its way for longer than that call by now
	refused(t, err, codes.DeadlineExceeded, "")
	w.must(<-locked)
}

// Whoever opens a call and sends no request holds the server no longer than it
// waits for one, signed in or not.
func TestRequestsMustArrive(t *testing.T) {
	w := newTrial(t, func(c *server.Config) { c.Limits.Message = 100 * time.Millisecond })
	for _, method := range []string{
		loddv1.SessionService_Login_FullMethodName, loddv1.TrialService_GetTrial_FullMethodName,
		loddv1.AuditService_ListEntries_FullMethodName, loddv1.FollowService_Follow_FullMethodName,
	} {
		ctx, cancel := context.WithTimeout(w.as("au"), 20*time.Second)
		s, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		w.must(err)
		err = s.RecvMsg(&loddv1.WhoAmIResponse{})
		if c := status.Code(err); ctx.Err() != nil || c != codes.Canceled && c != codes.DeadlineExceeded {
			t.Errorf("%s: %v", method, err)
		}
		cancel()
	}
}

// numberOf returns the number that a refusal bears.
func numberOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RequestInfo); ok {
			return r.GetRequestId()
		}
	}
	return ""
}

// A caller learns of a fault of the server's own nothing but the number under which
// the log tells it.
func TestInternalErrorsBearTheNumberOfTheirLine(t *testing.T) {
	happen := func() {}
	w := newTrial(t, func(c *server.Config) {
		k := *c.Keys
		k.ExportSigner = signing{k.ExportSigner, func() { happen() }}
		c.Keys = &k
	})
	w.takeLock()
	happen = func() { panic("arm northern") }
	_, _, _, err := w.download("dm", 1)
	refused(t, err, codes.Internal, "")
	line := w.lastLine()
	if n := numberOf(err); n == "" || line["request_id"] != n || line["level"] != "error" {
		t.Errorf("number %q, line %v", n, line)
	}

	broken := newWorld(t, func(c *server.Config) {
		c.Credentials = brokenMap{func() ([]byte, error) { return nil, errors.New("disk on fire") }}
	})
	broken.bootstrap()
	seen := map[string]bool{}
	for range 2 { // which have no number of their own
		_, err := broken.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: password})
		n := numberOf(err)
		if seen[n] || len(n) != 36 || broken.lastLine()["request_id"] != n || status.Convert(err).Message() != "internal error" {
			t.Errorf("number %q, line %v", n, broken.lastLine())
		}
		seen[n] = true
	}
	_, err = broken.session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{})
	if refused(t, err, codes.Unauthenticated, ""); numberOf(err) != "" {
		t.Error("a refusal bears a number")
	}
}

// One costly method has a smaller bucket for each caller, and a refusal says when
// to come again.
func TestCostlyMethodsAreLimitedForThemselves(t *testing.T) {
	w := newTrial(t, func(c *server.Config) { c.Limits.CostlyBurst, c.Limits.CostlyPerMinute = 3, 6 })
	list := func(user string) error {
		_, err := w.leaves(user, "T1/conduct", 0, 1)
		return err
	}
	for range 3 {
		w.must(list("au"))
	}
	err := list("au")
	refused(t, err, codes.ResourceExhausted, "BUSY")
	var wait time.Duration
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			wait = r.GetRetryDelay().AsDuration()
		}
	}
	if wait != 10*time.Second {
		t.Errorf("come again in %v, want 10s", wait)
	}
	w.must(list("dm")) // others are served
	_, err = w.entries("au", &loddv1.ListEntriesRequest{TrialId: "T1"})
	w.must(err) // as is another method
	w.wait(wait)
	w.must(list("au"))
	refused(t, list("au"), codes.ResourceExhausted, "BUSY")
}

// So many streams may be open at a time, and no more; an end makes room.
func TestOpenStreamsAreBounded(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	happen := func() {}
	w := newTrial(t, func(c *server.Config) {
		c.Limits.StreamsPerUser, c.Limits.Streams = 1, 2
		k := *c.Keys
		k.ExportSigner = signing{k.ExportSigner, func() { happen() }}
		c.Keys = &k
	})
	w.join(w.invite(), "dm2")
	w.must(w.grant("cus", "dm2", "monitor", "", ""))
	w.takeLock()
	w.as("dm2")
	happen = func() { inside <- struct{}{}; <-leave }
	downloads := make(chan error, 2)
	begin := func(user string) {
		s, err := w.exports().DownloadExport(w.as(user), &loddv1.DownloadExportRequest{TrialId: "T1", RequestId: w.id(), Lock: 1})
		w.must(err)
		go func() {
			for err == nil {
				_, err = s.Recv()
			}
			downloads <- err
		}()
		<-inside
	}
	begin("dm")
	_, err := w.entries("dm", &loddv1.ListEntriesRequest{TrialId: "T1"})
	refused(t, err, codes.ResourceExhausted, "BUSY")
	_, err = w.entries("au", &loddv1.ListEntriesRequest{TrialId: "T1"})
	w.must(err) // others have their own
	begin("dm2")
	_, err = w.entries("au", &loddv1.ListEntriesRequest{TrialId: "T1"})
	refused(t, err, codes.ResourceExhausted, "BUSY") // of all, too
	happen = func() {}
	close(leave)
	for range 2 {
		if err := <-downloads; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	_, err = w.entries("dm", &loddv1.ListEntriesRequest{TrialId: "T1"})
	w.must(err)
}
