package server_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/lodd-rct/lodd/audit/store"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// Whoever asks learns whether the server serves, and nothing else.
func TestHealth(t *testing.T) {
	w := newTrial(t, nil)
	health := grpc_health_v1.NewHealthClient(w.conn)
	ask := func(service string) (string, error) {
		resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		return resp.GetStatus().String(), err
	}
	if got, err := ask(""); err != nil || got != "SERVING" {
		t.Errorf("%v, %v", got, err)
	}
	for _, service := range []string{"lodd.v1.TrialService", "T1", "nope"} {
		_, err := ask(service)
		refused(t, err, codes.NotFound, "")
	}
	_, err := health.List(t.Context(), &grpc_health_v1.HealthListRequest{})
	refused(t, err, codes.Unauthenticated, "")
	watch, err := health.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	w.must(err)
	_, err = watch.Recv()
	refused(t, err, codes.Unauthenticated, "") // anybody might hold a stream
	w.ready("S-1", "OSL")
	w.store.FailAppend = func(...store.Part) error { return errors.Join(store.ErrUnknown, errors.New("the power went")) }
	_, err = w.randomization().PrepareRandomization(w.as("tc-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1"})
	refused(t, err, codes.Unavailable, "OUTCOME_UNKNOWN")
	if got, err := ask(""); err != nil || got != "NOT_SERVING" {
		t.Errorf("after the log failed: %v, %v", got, err)
	}
}

// A host that spends its sign-ins doesn't make the server look ill.
func TestHealthHasABucketOfItsOwn(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits = server.Limits{StrangersBurst: 2} })
	health := grpc_health_v1.NewHealthClient(w.conn)
	check := func() error {
		_, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err
	}
	for range 3 {
		_, _ = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "kari", Password: password})
	}
	w.must(check())
	w.must(check())
	refused(t, check(), codes.ResourceExhausted, "BUSY")
}

// Nobody is answered without a session but to sign in, as a machine that follows,
// or about the server's health. A new method without a session has to be thought
// about here.
func TestOnlySigningInNeedsNoSession(t *testing.T) {
	for _, m := range everyMethod() {
		p := permissionOf(m)
		if p == loddv1.Permission_PERMISSION_PUBLIC && m.Parent().Name() != "SessionService" {
			t.Errorf("%s is for everybody", m.FullName())
		}
		if p == loddv1.Permission_PERMISSION_FOLLOW && m.Parent().Name() != "FollowService" {
			t.Errorf("%s is for machines", m.FullName())
		}
	}
	var served []string
	w := newTrial(t, nil)
	for _, m := range everyMethod() {
		if permissionOf(m) != loddv1.Permission_PERMISSION_PUBLIC && w.raw(context.WithoutCancel(t.Context()), m) == nil {
			served = append(served, string(m.FullName()))
		}
	}
	if len(served) > 0 {
		t.Errorf("answered to nobody: %v", served)
	}
}

// Bytes that are no request go the way of all others: a session first, then a refusal.
func TestUnreadableRequestsAreRefusedInTheChain(t *testing.T) {
	w := newTrial(t, nil)
	for _, m := range everyMethod() {
		noRequest := []byte("\xff\xff northern")
		refused(t, w.sent(w.as("au"), m, noRequest), codes.InvalidArgument, "")
		if line := w.lastLine(); line["method"] != path(m) || line["code"] != "InvalidArgument" {
			t.Errorf("line = %v", line)
		}
		if p := permissionOf(m); p != loddv1.Permission_PERMISSION_PUBLIC && p != loddv1.Permission_PERMISSION_FOLLOW {
			refused(t, w.sent(t.Context(), m, noRequest), codes.Unauthenticated, "")
		}
	}
}
