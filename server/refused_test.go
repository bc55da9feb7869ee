package server_test

import (
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refused demands that err is a refusal with this code and reason, which may be
// empty.
func refused(t testing.TB, err error, code codes.Code, reason string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code || reasonOf(s) != reason {
		t.Errorf("refused with %v %q: %s; want %v %q", s.Code(), reasonOf(s), s.Message(), code, reason)
	}
}

// same demands that two refusals can't be told from one another.
func same(t testing.TB, a, b error) {
	t.Helper()
	x, y := status.Convert(a), status.Convert(b)
	if x.Code() == codes.OK || x.Proto().String() != y.Proto().String() {
		t.Errorf("refused differently:\n%v\n%v", x.Proto(), y.Proto())
	}
}

func reasonOf(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// fields returns the fields that a refusal names, in their order.
func fields(err error) []string {
	var out []string
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				out = append(out, v.GetField())
			}
		}
	}
	return out
}
