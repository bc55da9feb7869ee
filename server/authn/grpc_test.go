package authn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lodd-rct/lodd/server/authn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service tells who called, and streams a message at once and then each time it
// is told to.
type service struct {
	healthpb.UnimplementedHealthServer
	caller atomic.Pointer[authn.Principal]
	next   chan struct{}
}

func (s *service) note(ctx context.Context) {
	if p, ok := authn.FromContext(ctx); ok {
		s.caller.Store(&p)
	}
}

func (s *service) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	s.note(ctx)
	return &healthpb.HealthCheckResponse{}, nil
}

func (s *service) List(ctx context.Context, _ *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	s.note(ctx)
	return &healthpb.HealthListResponse{}, nil
}

func (s *service) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	s.note(stream.Context())
	for {
		if err := stream.Send(&healthpb.HealthCheckResponse{}); err != nil {
			return err
		}
		select {
		case <-s.next:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// world is a server behind a gate, with its clock; List needs no session.
type world struct {
	client   healthpb.HealthClient
	sessions *authn.Sessions
	service  *service
	clock    atomic.Int64 // nanoseconds since t0
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{sessions: sessions(t, authn.SessionConfig{}), service: &service{next: make(chan struct{})}}
	gate := authn.Gate{
		Sessions: w.sessions,
		Now:      func() time.Time { return t0.Add(time.Duration(w.clock.Load())) },
		Open:     map[string]bool{healthpb.Health_List_FullMethodName: true},
	}
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.UnaryInterceptor(gate.Unary), grpc.StreamInterceptor(gate.Stream))
	healthpb.RegisterHealthServer(server, w.service)
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:world",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	w.client = healthpb.NewHealthClient(conn)
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) watch(t *testing.T, token string) grpc.ServerStreamingClient[healthpb.HealthCheckResponse] {
	t.Helper()
	stream, err := w.client.Watch(authorized(t, token), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestGateAsksForASession(t *testing.T) {
	w := newWorld(t)
	token, session, err := w.sessions.New("kari", t0)
	if err != nil {
		t.Fatal(err)
	}
	ended := begin(t, w.sessions, "kari", t0)
	w.sessions.End(ended)
	for _, tt := range []struct {
		name   string
		header []string
		code   codes.Code
	}{
		{"a session", []string{"Bearer " + token}, codes.OK},
		{"small letters", []string{"bearer " + token}, codes.OK},
		{"no header", nil, codes.Unauthenticated},
		{"empty", []string{""}, codes.Unauthenticated},
		{"no token", []string{"Bearer "}, codes.Unauthenticated},
		{"no scheme", []string{token}, codes.Unauthenticated},
		{"another scheme", []string{"Basic " + token}, codes.Unauthenticated},
		{"another token", []string{"Bearer " + token[1:]}, codes.Unauthenticated},
		{"an ended session", []string{"Bearer " + ended}, codes.Unauthenticated},
		{"two headers", []string{"Bearer " + token, "Bearer " + token}, codes.Unauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": tt.header})
			w.service.caller.Store(nil)
			_, err := w.client.Check(ctx, &healthpb.HealthCheckRequest{})
			if status.Code(err) != tt.code {
				t.Errorf("Check = %v, want %v", err, tt.code)
			}
			caller := w.service.caller.Load()
			if (caller != nil) != (tt.code == codes.OK) {
				t.Fatalf("the method saw %v", caller)
			}
			if want := (authn.Principal{User: "kari", Session: session.ID}); caller != nil && *caller != want {
				t.Errorf("the method saw %v, want %v", *caller, want)
			}
			stream, err := w.client.Watch(ctx, &healthpb.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); status.Code(err) != tt.code {
				t.Errorf("Watch = %v, want %v", err, tt.code)
			}
		})
	}
}

// A method that needs no session works without, and sees no caller.
func TestOpenMethods(t *testing.T) {
	w := newWorld(t)
	ctx := authorized(t, begin(t, w.sessions, "kari", t0))
	for _, ctx := range []context.Context{t.Context(), ctx} {
		if _, err := w.client.List(ctx, &healthpb.HealthListRequest{}); err != nil {
			t.Error(err)
		}
	}
	if p := w.service.caller.Load(); p != nil {
		t.Errorf("the method saw %v", p)
	}
}

func authorized(t *testing.T, token string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
}

func TestCallsKeepASessionAliveUntilItExpires(t *testing.T) {
	w := newWorld(t)
	ctx := authorized(t, begin(t, w.sessions, "kari", t0))
	for _, tt := range []struct {
		after time.Duration
		say   string
	}{
		{20 * time.Minute, ""},
		{40 * time.Minute, ""},
		{70 * time.Minute, "the session has expired: log in again"},
		{70 * time.Minute, "not logged in: log in first"},
	} {
		w.clock.Store(int64(tt.after))
		_, err := w.client.Check(ctx, &healthpb.HealthCheckRequest{})
		if got := status.Convert(err).Message(); got != tt.say {
			t.Errorf("after %v: %q, want %q", tt.after, got, tt.say)
		}
	}
}

// A stream ends with its session: by the clock, which what the server sends
// doesn't turn back, with the next message.
func TestStreamsEndWhenTheSessionExpires(t *testing.T) {
	w := newWorld(t)
	stream := w.watch(t, begin(t, w.sessions, "kari", t0))
	for i := range 3 {
		w.clock.Store(int64(i) * int64(10*time.Minute))
		if i > 0 {
			w.service.next <- struct{}{}
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.Store(int64(35 * time.Minute))
	w.service.next <- struct{}{}
	if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated || errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v", err)
	}
}

// Who ends a session ends its streams at once, also those in which nothing
// happens, and no stream of another session.
func TestStreamsEndAtOnceWithTheSession(t *testing.T) {
	for name, end := range map[string]func(*world, string){
		"log-out":                 func(w *world, token string) { w.sessions.End(token) },
		"the account is disabled": func(w *world, _ string) { w.sessions.EndAll("kari") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := begin(t, w.sessions, "kari", t0)
			stream, other := w.watch(t, token), w.watch(t, begin(t, w.sessions, "ola", t0))
			for _, s := range []grpc.ServerStreamingClient[healthpb.HealthCheckResponse]{stream, other} {
				if _, err := s.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			end(w, token)
			if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
				t.Errorf("Recv = %v", err)
			}
			w.service.next <- struct{}{}
			if _, err := other.Recv(); err != nil {
				t.Errorf("the other's stream: %v", err)
			}
		})
	}
}

// A session in which a second factor was given is known by its principal; the
// user's other sessions aren't.
func TestSecondFactorIsKnown(t *testing.T) {
	w := newWorld(t)
	token, session, err := w.sessions.New("kari", t0)
	if err != nil {
		t.Fatal(err)
	}
	other := begin(t, w.sessions, "kari", t0)
	strong := func(token string) bool {
		if _, err := w.client.Check(authorized(t, token), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		return w.service.caller.Load().SecondFactor
	}
	w.sessions.Strengthen("ola", session.ID) // it isn't this user's
	if strong(token) {
		t.Error("a session is strong in which nothing was given")
	}
	w.sessions.Strengthen("kari", session.ID)
	if !strong(token) || strong(other) {
		t.Errorf("strong = %v, %v, want one of them", strong(token), strong(other))
	}
}

// The refusal is a status and an error to compare with, whoever looks at it.
func TestRefusalIsBoth(t *testing.T) {
	gate := authn.Gate{Sessions: sessions(t, authn.SessionConfig{}), Now: func() time.Time { return t0 }}
	_, err := gate.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Y"}, nil)
	if !errors.Is(err, authn.ErrNoSession) || status.Code(err) != codes.Unauthenticated {
		t.Errorf("Unary = %v", err)
	}
}

func TestNoPrincipalByDefault(t *testing.T) {
	if p, ok := authn.FromContext(t.Context()); ok {
		t.Errorf("FromContext = %v", p)
	}
}
