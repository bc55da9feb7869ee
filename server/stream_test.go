package server

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fakeStream is a stream that takes and gives what it is told.
type fakeStream struct {
	grpc.ServerStream
	sent int
	err  error
}

func (*fakeStream) Context() context.Context { return context.Background() }
func (*fakeStream) RecvMsg(any) error        { return nil }

func (s *fakeStream) SendMsg(any) error {
	s.sent++
	return s.err
}

// A handler that answers before it has read the request, which is what is
// checked, answers nobody.
func TestNothingIsSentBeforeTheRequestIsChecked(t *testing.T) {
	denied := status.Error(codes.PermissionDenied, "no")
	for name, verdict := range map[string]error{"allowed": nil, "denied": denied} {
		t.Run(name, func(t *testing.T) {
			below := &fakeStream{}
			c := check(func(ctx context.Context, _ string, _ any) (context.Context, error) { return ctx, verdict })
			err := c.stream(nil, below, &grpc.StreamServerInfo{}, func(_ any, s grpc.ServerStream) error {
				if err := s.SendMsg("early"); status.Code(err) != codes.PermissionDenied {
					t.Errorf("sent before the check: %v", err)
				}
				if err := s.RecvMsg("request"); !errors.Is(err, verdict) {
					t.Errorf("RecvMsg = %v, want %v", err, verdict)
				}
				return s.SendMsg("late")
			})
			if (err == nil) != (verdict == nil) || below.sent == 0 != (verdict != nil) {
				t.Errorf("%d sent, %v", below.sent, err)
			}
		})
	}
}

// What the stream itself fails with is a status already; what the handler
// fails with is not.
func TestStreamErrorsAreTranslatedOnce(t *testing.T) {
	gone := status.Error(codes.Unavailable, "the client has gone")
	for name, tt := range map[string]struct {
		handler error
		want    codes.Code
	}{
		"of the stream":  {nil, codes.Unavailable},
		"of the handler": {errors.New("disk on fire"), codes.Internal},
		"of a peer":      {status.Error(codes.NotFound, "etcd"), codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			err := translateStream(nil, &fakeStream{err: gone}, &grpc.StreamServerInfo{}, func(_ any, s grpc.ServerStream) error {
				if tt.handler != nil {
					return tt.handler
				}
				return s.SendMsg("answer")
			})
			if got := status.Code(err); got != tt.want {
				t.Errorf("code = %v, want %v", got, tt.want)
			}
		})
	}
}
