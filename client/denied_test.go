package client

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A server that answers, and lets nobody check the log that was seen from here,
// is found if it says that nobody may, and told of otherwise. Nothing counts as
// checked by that.
func TestServersThatAnswerWithoutProof(t *testing.T) {
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unimplemented, codes.Unavailable, codes.Internal} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprint(code, stream), func(t *testing.T) {
				m := newMachine(t)
				m.must(m.exclude(m.begin(), "P1"))
				m.server.lie(func() { m.server.entries, m.server.fail = []string{"X"}, status.Error(code, "no") })
				if code == codes.Unavailable || code == codes.Internal { // which is tried again for as long
					m.config.Attempt = 500 * time.Millisecond
				}
				c := m.begin()
				read := func() error { return m.list(c) }
				if stream {
					read = func() error {
						s, err := c.Audit().ListLeaves(t.Context(), &loddv1.ListLeavesRequest{TrialId: "IPS", List: "IPS/conduct", Size: 1})
						if err == nil {
							_, err = s.Recv()
						}
						return err
					}
				}
				if code == codes.PermissionDenied || code == codes.Unimplemented {
					m.wrong(read(), "doesn't let this list be checked any more")
					m.server.calls()
					m.wrong(read(), "doesn't let this list be checked any more")
					if asked := m.server.calls(); asked != "" {
						t.Errorf("asked %q after the finding", asked)
					}
					return
				}
				m.must(read())
				m.must(read())
				if len(m.unchecked) != 1 || m.unchecked[0].Trial != "IPS" || m.unchecked[0].List != "" || m.unchecked[0].Err == nil {
					t.Errorf("unchecked %v", m.unchecked)
				}
				m.server.lie(func() { m.server.fail = nil })
				m.wrong(read(), "was rewritten")
			})
		}
	}
}

// A role that has just begun is no finding, nor is an administrator who has none.
func TestDenialsThatAreAsTheyShouldBe(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	c := m.begin()
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	why, err := c.first(t.Context(), "IPS")
	m.must(err)
	m.must(c.answered(t.Context(), loddv1.TrialService_GetTrial_FullMethodName, "IPS", why))
	if len(m.unchecked) != 1 {
		t.Errorf("unchecked %v", m.unchecked)
	}
	m.server.lie(func() { m.server.fail = nil })
	m.must(c.answered(t.Context(), loddv1.ScreeningService_ListParticipants_FullMethodName, "IPS", why))
	m.must(m.list(c))
}

// Whoever sets a trial up may not check its log: that is said only if nobody
// else has for long.
func TestReceiptsOfAdministratorsWaitSilently(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	h := audit.Leaf([]byte("first"))
	answer := &loddv1.CreateTrialResponse{TrialId: "IPS", Receipt: &loddv1.Receipt{List: "IPS/conduct", LeafHash: h[:]}}
	create := loddv1.TrialService_CreateTrial_FullMethodName
	m.must(c.checkAnswer(t.Context(), create, &loddv1.CreateTrialRequest{RequestId: requestOf("")}, answer))
	if len(m.unchecked) != 0 || len(m.files("checkpoints/*.receipt")) != 1 {
		t.Errorf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
	}
	began := m.config.Now()
	for _, tt := range []struct {
		after time.Duration
		told  int
	}{{time.Hour, 0}, {12 * time.Hour, 0}, {14 * time.Hour, 1}} {
		m.config.Now = func() time.Time { return began.Add(tt.after) }
		c := m.begin()
		m.must(m.list(c))
		m.must(m.list(c))
		if len(m.unchecked) != tt.told {
			t.Errorf("after %v: unchecked %v", tt.after, m.unchecked)
		}
	}
}

// What an administrator may do without a role in the trial is what the server's
// table of roles says.
func TestMethodsWithoutRole(t *testing.T) {
	b, err := os.ReadFile("../server/authz/testdata/matrix.golden")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		method, rest, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(method, "/") || strings.HasSuffix(method, "/Follow") {
			continue
		}
		n++
		if want := strings.Contains(rest, "administrator") || strings.Contains(rest, "everyone"); withoutRole(method) != want {
			t.Errorf("%s: %t", method, !want)
		}
	}
	if n < 40 || !withoutRole("/lodd.v2.Unknown/Method") {
		t.Errorf("%d methods", n)
	}
}
