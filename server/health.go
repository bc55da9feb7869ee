package server

import (
	"context"
	"maps"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/telemetry"
)

// healthService answers whoever asks whether the server serves, and nothing else:
// it doesn't tell which services, trials or copies there are. Watching isn't
// offered, since everybody could hold a stream.
type healthService struct {
	grpc_health_v1.UnimplementedHealthServer
	*core
}

// Check implements grpc.health.v1.Health. A server whose log has failed serves
// nothing that needs it.
func (s *healthService) Check(_ context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if req.GetService() != "" {
		return nil, &rpcerr.Refusal{Code: codes.NotFound, Text: "unknown service"}
	}
	answer := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if s.serving() {
		answer = grpc_health_v1.HealthCheckResponse_SERVING
	}
	return &grpc_health_v1.HealthCheckResponse{Status: answer}, nil
}

// serving reports whether the server isn't stopping and its log hasn't failed.
func (k *core) serving() bool {
	select {
	case <-k.stopping:
		return false
	case <-k.config.Log.Failed():
		return false
	default:
		return true
	}
}

// diskLow reports whether the disk is nearly full, as far as anybody knows.
func (k *core) diskLow() bool { return k.config.DiskLow != nil && k.config.DiskLow() }

// gauges returns how things stand, for metrics. Only of the list of accounts it is
// told how long it is: the others are a trial's.
func (k *core) gauges(open *streams) telemetry.Gauges {
	return telemetry.Gauges{
		Serving: k.serving,
		DiskLow: k.diskLow,
		Fenced:  func() bool { return len(fenced(k.ledger)) > 0 },
		Streams: open.count,
		Sessions: func() (n int) {
			at := k.now()
			var users []string
			k.people.View(func(s *people.State) {
				for _, a := range s.Accounts() {
					users = append(users, a.User)
				}
			})
			for _, u := range users {
				n += len(k.sessions.List(u, at))
			}
			return n
		},
		System: func() int64 { return k.config.Log.Len(ledger.System) },
	}
}

// withHealth adds the question for health to the methods that need no session.
func withHealth(public map[string]bool) map[string]bool {
	public = maps.Clone(public)
	public[grpc_health_v1.Health_Check_FullMethodName] = true
	return public
}

// orHealth lets the question for health pass a check that knows only the API.
func orHealth(c check) check {
	return func(ctx context.Context, method string, req any) (context.Context, error) {
		if method == grpc_health_v1.Health_Check_FullMethodName {
			return ctx, nil
		}
		return c(ctx, method, req)
	}
}
