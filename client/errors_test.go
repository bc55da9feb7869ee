package client

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// The server's refusal arrives with its reason and the faults of the fields.
func TestRefusalOverTheWire(t *testing.T) {
	s, err := status.New(codes.InvalidArgument, "no number").WithDetails(
		&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: "NOT_CONFIRMED"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "confirm", Description: "differs"}}})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, func(srv *grpc.Server) {
		loddv1.RegisterRandomizationServiceServer(srv, randomizationServer{commit: func(*loddv1.CommitRandomizationRequest) (*loddv1.CommitRandomizationResponse, error) {
			return nil, s.Err()
		}})
	}, nil)
	_, err = c.Randomization().CommitRandomization(t.Context(), &loddv1.CommitRandomizationRequest{IntentId: "i"})
	want := &Error{Code: codes.InvalidArgument, Reason: loddv1.ErrorReason_ERROR_REASON_NOT_CONFIRMED, Message: "no number", Fields: []FieldViolation{{"confirm", "differs"}}}
	got, _ := errors.AsType[*Error](err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !HasReason(err, want.Reason) || HasReason(err, loddv1.ErrorReason_ERROR_REASON_EXISTS) {
		t.Error("HasReason is wrong")
	}
}

// A reason of another domain is not ours.
func TestForeignReasonIsNone(t *testing.T) {
	s, err := status.New(codes.Aborted, "x").WithDetails(&errdetails.ErrorInfo{Domain: "other", Reason: "EXISTS"})
	if err != nil {
		t.Fatal(err)
	}
	if e := convert(s.Err()); e.Reason != 0 {
		t.Errorf("reason is %v, want none", e.Reason)
	}
}

// A fault of the server's own arrives with the number of its line in the log, and a
// refusal for now with a wait; that of a sign-in is for its user.
func TestNumberAndWaitArrive(t *testing.T) {
	of := func(reason string, detail protoadapt.MessageV1) *Error {
		s, err := status.New(codes.Internal, "x").WithDetails(&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: reason}, detail)
		if err != nil {
			t.Fatal(err)
		}
		return convert(s.Err())
	}
	if e := of("", &errdetails.RequestInfo{RequestId: "4711"}); e.Number != "4711" || e.asksToWait(t.Context()) {
		t.Errorf("%+v", e)
	}
	for reason, want := range map[string]bool{"BUSY": true, "SLOW_DOWN": false} {
		e := of(reason, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
		if e.Wait != time.Second || e.asksToWait(t.Context()) != want {
			t.Errorf("%s: %+v asks to wait: %v", reason, e, !want)
		}
	}
	if e := of("BUSY", &errdetails.RetryInfo{RetryDelay: durationpb.New(-time.Second)}); e.Wait != 0 {
		t.Errorf("a wait of %v", e.Wait)
	}
}

// What went wrong with a connection is said without its wrapping.
func TestCauses(t *testing.T) {
	for wrapped, want := range map[string]string{
		`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`:                            "dial tcp 127.0.0.1:1: connect: connection refused",
		`context deadline exceeded: latest balancer error: connection error: desc = "transport: authentication handshake failed: tls: \"x\" bad"`: `tls: "x" bad`,
		`closing transport due to: connection error: desc = "error reading from server: EOF", received prior goaway: code: NO_ERROR`:              "error reading from server: EOF",
		"received context error while waiting for new LB policy update: context deadline exceeded":                                                "context deadline exceeded",
		"the server took too long": "the server took too long",
		`desc = unquoted`:          "desc = unquoted",
	} {
		if e := convert(status.Error(codes.Unavailable, wrapped)); e.Message != want {
			t.Errorf("%s: %q, want %q", wrapped, e.Message, want)
		}
	}
	if e := convert(status.Error(codes.Internal, `desc = "x"`)); e.Message != `desc = "x"` {
		t.Errorf("%q", e.Message)
	}
}
