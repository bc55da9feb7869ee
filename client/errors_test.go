package client

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
