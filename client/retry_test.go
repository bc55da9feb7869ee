package client

import (
	"bytes"
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// An attempt is what happens to one try of a call.
type attempt struct {
	sent   bool
	hangs  bool // there is no answer until the attempt's time is up
	answer error
}

var (
	refusedConnection = attempt{answer: status.Error(codes.Unavailable, "connection refused")}
	lostConnection    = attempt{sent: true, answer: status.Error(codes.Unavailable, "connection reset")}
	noAnswer          = attempt{sent: true, hangs: true}
	done              = attempt{sent: true}
)

// clock reads the clock of a synctest bubble.
func clock() time.Time {
	return time.Now() //nolint:forbidigo // only the test moves this clock
}

func refused(c codes.Code, reason string) attempt {
	s, err := status.New(c, "no").WithDetails(&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: reason})
	if err != nil {
		panic(err)
	}
	return attempt{sent: true, answer: s.Err()}
}

// busyFor is a refusal that says when to come again.
func busyFor(wait time.Duration) attempt {
	s, err := status.New(codes.ResourceExhausted, "no").WithDetails(
		&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: "BUSY"}, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		panic(err)
	}
	return attempt{sent: true, answer: s.Err()}
}

// A call with a request id is repeated, with that id, at growing intervals
// until it is answered or its time is up; and what it then says is no more
// than what is known.
func TestRetry(t *testing.T) {
	commit := &loddv1.CommitRandomizationRequest{IntentId: "intent-1"}
	read := &loddv1.GetRandomizationRequest{IntentId: "intent-1"}
	grant := &loddv1.GrantRoleRequest{}
	unauthenticated := refused(codes.Unauthenticated, "")
	for _, tt := range []struct {
		name     string
		method   string
		req      any
		attempts []attempt // the last one again and again
		calls    int
		elapsed  time.Duration
		want     error // nil, a sentinel, or an *Error with code and reason
	}{
		{"answered", "x", commit, []attempt{done}, 1, 0, nil},
		{"lost, then answered", "x", commit, []attempt{lostConnection, done}, 2, time.Second, nil},
		{"1, 2, 4, 8, 15 and 15 seconds", "x", commit, []attempt{lostConnection, lostConnection, lostConnection, lostConnection, lostConnection, lostConnection, done}, 7, 45 * time.Second, nil},
		{"an attempt lasts 5 seconds", "x", commit, []attempt{noAnswer, done}, 2, 6 * time.Second, nil},
		{"the server doesn't know", "x", commit, []attempt{refused(codes.Unavailable, "OUTCOME_UNKNOWN"), done}, 2, time.Second, nil},
		{"the server doesn't know, with another code", "x", commit, []attempt{refused(codes.Aborted, "OUTCOME_UNKNOWN"), done}, 2, time.Second, nil},
		{
			"a refusal is final", "x", commit,
			[]attempt{refused(codes.FailedPrecondition, "NO_CONSENT")},
			1, 0,
			&Error{Code: codes.FailedPrecondition, Reason: loddv1.ErrorReason_ERROR_REASON_NO_CONSENT},
		},
		{
			"a judgement after a loss is final", "x", commit,
			[]attempt{lostConnection, refused(codes.FailedPrecondition, "INTENT_EXPIRED")},
			2, time.Second,
			&Error{Code: codes.FailedPrecondition, Reason: loddv1.ErrorReason_ERROR_REASON_INTENT_EXPIRED},
		},
		{"a session that ended before a loss", "x", commit, []attempt{unauthenticated}, 1, 0, &Error{Code: codes.Unauthenticated}},
		{"a session that ended after a loss tells nothing", "x", commit, []attempt{lostConnection, unauthenticated}, 2, time.Second, ErrOutcomeUnknown},
		{"a server that is ill after a loss tells nothing", "x", commit, []attempt{noAnswer, refused(codes.Internal, "")}, 2, 6 * time.Second, ErrOutcomeUnknown},
		{"a session that ended, nothing sent before", "x", commit, []attempt{refusedConnection, unauthenticated}, 2, time.Second, &Error{Code: codes.Unauthenticated}},
		{"never answered", "x", commit, []attempt{noAnswer}, 6, 59 * time.Second, ErrOutcomeUnknown},
		{"never reached", "x", commit, []attempt{refusedConnection}, 7, 59 * time.Second, ErrNotReached},
		{"reached once and lost", "x", commit, []attempt{refusedConnection, lostConnection, refusedConnection}, 7, 59 * time.Second, ErrOutcomeUnknown},
		{"a question is asked once", "x", read, []attempt{lostConnection}, 1, 0, ErrNotReached},
		{"a question waits as long as the caller", "x", read, []attempt{noAnswer}, 1, 59 * time.Second, ErrNotReached},
		{"the server asks to wait", "x", commit, []attempt{busyFor(3 * time.Second), busyFor(2 * time.Second), done}, 3, 5 * time.Second, nil},
		{"the server asks to wait, a question", "x", read, []attempt{busyFor(3 * time.Second), done}, 2, 3 * time.Second, nil},
		{
			"the server asks to wait for too long", loddv1.PeopleService_GrantRole_FullMethodName, grant,
			[]attempt{busyFor(40 * time.Second), busyFor(40 * time.Second)},
			2, 40 * time.Second, // the first is waited for, and then nothing was sent
			&Error{Code: codes.ResourceExhausted, Reason: loddv1.ErrorReason_ERROR_REASON_BUSY},
		},
		{"the server asks to wait after a loss", "x", commit, []attempt{lostConnection, busyFor(3 * time.Second), busyFor(time.Hour)}, 3, 4 * time.Second, ErrOutcomeUnknown},
		{"busy, but for nobody knows how long", "x", commit, []attempt{refused(codes.ResourceExhausted, "BUSY")}, 1, 0, &Error{Code: codes.ResourceExhausted, Reason: loddv1.ErrorReason_ERROR_REASON_BUSY}},
		{"the server took too long", "x", commit, []attempt{refused(codes.DeadlineExceeded, ""), done}, 2, time.Second, nil},
		{"the server takes too long each time", "x", commit, []attempt{refused(codes.DeadlineExceeded, "")}, 7, 59 * time.Second, ErrOutcomeUnknown},
		{"the server took too long for a write without id", loddv1.PeopleService_GrantRole_FullMethodName, grant, []attempt{refused(codes.DeadlineExceeded, "")}, 1, 0, ErrOutcomeUnknown},
		{"a write without id, lost", loddv1.PeopleService_GrantRole_FullMethodName, grant, []attempt{lostConnection}, 1, 0, ErrOutcomeUnknown},
		{"a write without id, not sent", loddv1.PeopleService_GrantRole_FullMethodName, grant, []attempt{refusedConnection}, 1, 0, ErrNotReached},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
				defer cancel()
				start, calls := clock(), 0
				c := caller{config: Config{Attempt: 5 * time.Second}, server: &pinned{}}
				err := c.unary(ctx, tt.method, tt.req, nil, nil, func(ctx context.Context, _ string, req, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
					a := tt.attempts[min(calls, len(tt.attempts)-1)]
					calls++
					if req != tt.req {
						t.Error("a repeat is another request")
					}
					if a.sent {
						ctx.Value(sentKey{}).(*atomic.Bool).Store(true)
					}
					if a.hangs {
						<-ctx.Done()
						return status.FromContextError(ctx.Err()).Err()
					}
					return a.answer
				})
				if elapsed := clock().Sub(start); calls != tt.calls || elapsed != tt.elapsed {
					t.Errorf("%d calls in %v, want %d in %v", calls, elapsed, tt.calls, tt.elapsed)
				}
				checkError(t, err, tt.want)
			})
		})
	}
}

func checkError(t *testing.T, err, want error) {
	t.Helper()
	refusal, isRefusal := errors.AsType[*Error](want)
	switch {
	case want == nil:
		if err != nil {
			t.Errorf("error is %v, want none", err)
		}
	case isRefusal:
		got, ok := err.(*Error) //nolint:errorlint // it must not be wrapped by an unknown outcome
		if !ok || got.Code != refusal.Code || got.Reason != refusal.Reason {
			t.Errorf("error is %T %+v, want %+v", err, err, refusal)
		}
	case !errors.Is(err, want):
		t.Errorf("error is %v, want %v", err, want)
	}
}

// Whoever gives up in the middle learns that the outcome is unknown, and by
// which id to ask.
func TestInterruptedCallIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		c := caller{config: Config{Attempt: 5 * time.Second, Timeout: time.Minute}, server: &pinned{}}
		err := c.unary(ctx, "x", &loddv1.CommitRandomizationRequest{IntentId: "intent-1"}, nil, nil,
			func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				ctx.Value(sentKey{}).(*atomic.Bool).Store(true)
				<-ctx.Done()
				return status.FromContextError(ctx.Err()).Err()
			})
		outcome, ok := errors.AsType[*OutcomeError](err)
		if !ok || outcome.RequestID != "intent-1" || !errors.Is(err, context.Canceled) || !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("error is %#v, want an unknown outcome of intent-1 that was cancelled", err)
		}
	})
}

// A call without a deadline gets the configured one.
func TestDefaultTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := clock()
		c := caller{config: Config{Timeout: 7 * time.Second}, server: &pinned{}}
		err := c.unary(t.Context(), "x", &loddv1.WhoAmIRequest{}, nil, nil,
			func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				<-ctx.Done()
				return status.FromContextError(ctx.Err()).Err()
			})
		if elapsed := clock().Sub(start); !errors.Is(err, ErrNotReached) || elapsed != 7*time.Second {
			t.Errorf("ended after %v with %v", elapsed, err)
		}
	})
}

// Every method either bears a request id, or only asks, or is known to write
// without one: a new method must not be taken for a question.
func TestEveryMethodIsKnownToWriteOrNot(t *testing.T) {
	question := regexp.MustCompile(`^(Get|List|Check|Read|Review|Prove|Follow$|WhoAmI$|Download)`)
	seen := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				seen++
				path := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
				hasID := m.Input().Fields().ByName("request_id") != nil || m.Name() == "CommitRandomization"
				n := 0
				for _, is := range []bool{hasID && !strings.HasPrefix(string(m.Name()), "Download"), question.MatchString(string(m.Name())), writes(path)} {
					if is {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%s is %d of: with request id, question, write without id; want 1", path, n)
				}
			}
		}
		return true
	})
	if seen < 40 {
		t.Errorf("saw %d methods, want all", seen)
	}
}

type randomizationServer struct {
	loddv1.UnimplementedRandomizationServiceServer
	commit func(*loddv1.CommitRandomizationRequest) (*loddv1.CommitRandomizationResponse, error)
}

func (s randomizationServer) CommitRandomization(_ context.Context, req *loddv1.CommitRandomizationRequest) (*loddv1.CommitRandomizationResponse, error) {
	return s.commit(req)
}

// The connection breaks after the server has taken the request: the client
// comes back on a new one with the same intent and gets the answer.
func TestConnectionBreaksInTheMiddle(t *testing.T) {
	var connection atomic.Pointer[net.Conn]
	var intents []string
	var told []Retry
	c := connect(t, func(s *grpc.Server) {
		loddv1.RegisterRandomizationServiceServer(s, randomizationServer{commit: func(req *loddv1.CommitRandomizationRequest) (*loddv1.CommitRandomizationResponse, error) {
			intents = append(intents, req.GetIntentId())
			if len(intents) == 1 {
				(*connection.Load()).Close()
			}
			return &loddv1.CommitRandomizationResponse{Participant: "OSL-1"}, nil
		}})
	}, func(c *Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dial(ctx, address)
			if err == nil {
				connection.Store(&conn)
			}
			return conn, err
		}
		c.OnRetry = func(r Retry) { told = append(told, r) }
	})
	answer, err := c.Randomization().CommitRandomization(t.Context(), &loddv1.CommitRandomizationRequest{IntentId: "intent-1"})
	if err != nil || answer.GetParticipant() != "OSL-1" {
		t.Fatalf("answer %v, error %v", answer, err)
	}
	if diff := cmp.Diff([]string{"intent-1", "intent-1"}, intents); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Retry{{RequestID: "intent-1", Sent: true, Wait: time.Second}}, told); diff != "" {
		t.Error(diff)
	}
}

// A server that isn't there was not reached: nothing was sent.
func TestServerNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c, err := New(Config{Address: address, Pin: newAuthority(t, "trial").pin(), Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Randomization().CommitRandomization(t.Context(), &loddv1.CommitRandomizationRequest{IntentId: "intent-1"})
	if !errors.Is(err, ErrNotReached) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("error is %v, want ErrNotReached", err)
	}
}

func TestNewRequestID(t *testing.T) {
	id, err := NewRequestID(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	if err != nil || id != "ffffffff-ffff-4fff-bfff-ffffffffffff" {
		t.Errorf("NewRequestID = %q, %v", id, err)
	}
	if _, err := NewRequestID(strings.NewReader("short")); err == nil {
		t.Error("no error without entropy")
	}
}
