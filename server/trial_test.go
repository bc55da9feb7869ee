package server_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

func TestCreateTrial(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	create := func(request string, file []byte) (*loddv1.CreateTrialResponse, error) {
		return w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: request, FileName: "dir/protocol.yaml", Protocol: file})
	}
	good := w.file("protocol.yaml")

	_, err := create("", good)
	refused(t, err, codes.InvalidArgument, "")
	if got := fields(err); len(got) != 1 || got[0] != "request_id" {
		t.Errorf("fields = %v", got)
	}
	_, err = create(w.id(), bytes.ReplaceAll(good, []byte("factors:"), []byte("factorz:")))
	refused(t, err, codes.InvalidArgument, "")
	if got := fields(err); len(got) == 0 || !strings.HasPrefix(got[0], "protocol.yaml:") {
		t.Errorf("fields = %v, want file and line", got)
	}

	id := w.id()
	first, err := create(id, good)
	w.must(err)
	for _, request := range []string{id, w.id()} {
		again, err := create(request, good)
		w.must(err)
		if again.GetReceipt().GetIndex() != 0 || !again.GetReceipt().GetRepeatedRequest() ||
			!bytes.Equal(again.GetReceipt().GetLeafHash(), first.GetReceipt().GetLeafHash()) {
			t.Errorf("repeat = %v, want the receipt of %v", again, first)
		}
	}
	_, err = create(w.id(), bytes.ReplaceAll(good, []byte("Rehearsal"), []byte("Another")))
	refused(t, err, codes.AlreadyExists, "EXISTS")
}

// On a disk that is nearly full no trial begins; those that are there go on, and a
// repeated request is answered as it was.
func TestNoTrialBeginsOnALowDisk(t *testing.T) {
	low := false
	w := newTrial(t, func(c *server.Config) { c.DiskLow = func() bool { return low } })
	create := func(request, id string) (*loddv1.CreateTrialResponse, error) {
		file := bytes.ReplaceAll(w.file("protocol.yaml"), []byte("T1"), []byte(id))
		return w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: request, FileName: "protocol.yaml", Protocol: file})
	}
	request := w.id()
	_, err := create(request, "T2")
	w.must(err)
	low = true
	_, err = create(w.id(), "T3")
	refused(t, err, codes.ResourceExhausted, "DISK_FULL")
	again, err := create(request, "T2")
	w.must(err)
	if !again.GetReceipt().GetRepeatedRequest() {
		t.Errorf("the repeated request: %v", again)
	}
	w.randomize("S-1", "OSL")
	health, err := grpc_health_v1.NewHealthClient(w.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	w.must(err)
	if health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v", health)
	}
	low = false
	_, err = create(w.id(), "T3")
	w.must(err)
}

func TestBuiltinProtocolMakesATrial(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	_, err := w.trials().GetBuiltinProtocol(w.as("admin"), &loddv1.GetBuiltinProtocolRequest{Name: "none"})
	refused(t, err, codes.InvalidArgument, "")
	file, err := w.trials().GetBuiltinProtocol(w.as("admin"), &loddv1.GetBuiltinProtocolRequest{Name: "ips"})
	w.must(err)
	_, err = w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: w.id(), Protocol: file.GetProtocol()})
	w.must(err)
}

func TestSealing(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	w.createTrial()
	w.must(w.join(w.invite(), "cus"))
	w.must(w.grant("admin", "cus", "custodian", "", ""))
	open := func(request string) (*loddv1.OpenEnrolmentResponse, error) {
		return w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: request})
	}
	seal := func(request string, file []byte) (*loddv1.SealDesignResponse, error) {
		return w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{TrialId: "T1", RequestId: request, FileName: "design.yaml", Design: file})
	}

	_, err := open(w.id())
	refused(t, err, codes.FailedPrecondition, "NOT_SEALED")
	_, err = seal(w.id(), []byte("design: permuted-blocks\nblock_sizes: [3]\n"))
	refused(t, err, codes.InvalidArgument, "")
	if got := fields(err); len(got) == 0 || !strings.HasPrefix(got[0], "design.yaml:") {
		t.Errorf("fields = %v, want file and line", got)
	}

	id := w.id()
	sealed, err := seal(id, w.file("design.yaml"))
	w.must(err)
	again, err := seal(id, w.file("design.yaml"))
	w.must(err)
	if again.GetCommitment() != sealed.GetCommitment() || again.GetRecord() != sealed.GetRecord() || len(sealed.GetCommitment()) != 64 {
		t.Errorf("the repeat has another record:\n%s\n%s", again.GetRecord(), sealed.GetRecord())
	}
	for _, want := range []string{"T1", "cus", sealed.GetCommitment(), "no second party contributed entropy", "no sealing", "doesn't change any more", "2026-03-02T09:00:00Z", w.keys.LogVerifier, w.keys.ExportVerifier} {
		if !strings.Contains(sealed.GetRecord(), want) {
			t.Errorf("the sealing record doesn't tell %q:\n%s", want, sealed.GetRecord())
		}
	}
	_, err = seal(w.id(), w.file("design.yaml"))
	refused(t, err, codes.FailedPrecondition, "ALREADY_SEALED")
	refused(t, func() error { _, err := open(""); return err }(), codes.InvalidArgument, "")

	id = w.id()
	opened, err := open(id)
	w.must(err)
	if again, err := open(id); err != nil || again.GetReceipt().GetIndex() != opened.GetReceipt().GetIndex() {
		t.Errorf("repeat = %v, %v", again, err)
	}
	_, err = w.trials().CloseEnrolment(w.as("cus"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: id})
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	_, err = w.trials().CloseEnrolment(w.as("cus"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	_, err = w.trials().CloseEnrolment(w.as("cus"), &loddv1.CloseEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	refused(t, err, codes.FailedPrecondition, "ENROLMENT_CLOSED")
}

// A trial that doesn't exist and one in which the caller has no role look the
// same; the pooled flow goes to those who don't work with participants.
func TestGetTrialTellsWhatTheRoleMayKnow(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "stranger"))
	get := func(user, id string) (*loddv1.GetTrialResponse, error) {
		return w.trials().GetTrial(w.as(user), &loddv1.GetTrialRequest{TrialId: id})
	}
	_, hidden := get("stranger", "T1")
	_, absent := get("stranger", "T9")
	refused(t, hidden, codes.PermissionDenied, "")
	same(t, hidden, absent)

	flow := map[string]bool{"cus": true, "dm": true, "pi": true, "ts": true, "au": true}
	for _, p := range cast {
		got, err := get(p.user, "T1")
		w.must(err)
		if (got.GetFlow() != nil) != flow[p.user] {
			t.Errorf("%s: flow %v", p.user, got.GetFlow())
		}
		if got.GetState() != "open" || len(got.GetCommitment()) != 64 || len(got.GetForms()) != 3 || len(got.GetSites()) != 2 {
			t.Errorf("%s: %v", p.user, got)
		}
	}
	w.must(w.grant("cus", "oa-osl", "monitor", "", "")) // which doesn't outweigh being an assessor
	got, err := get("oa-osl", "T1")
	w.must(err)
	if got.GetFlow() != nil {
		t.Error("an assessor sees the flow")
	}
	got, err = get("admin", "T1")
	w.must(err)
	if got.GetFlow() != nil {
		t.Error("the administrator sees the flow")
	}
}

func TestListTrials(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "stranger"))
	for user, want := range map[string]int{"admin": 1, "tc-osl": 1, "stranger": 0} {
		got, err := w.trials().ListTrials(w.as(user), &loddv1.ListTrialsRequest{})
		w.must(err)
		if len(got.GetTrials()) != want {
			t.Errorf("%s sees %v", user, got)
		}
	}
}

// The whole product of people and methods: whoever isn't named may not.
func TestEveryMethodIsClosedToStrangers(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "stranger"))
	for _, call := range everyCall(w, "stranger") {
		if got := status.Code(call.err); got != codes.PermissionDenied {
			t.Errorf("%s: %v", call.method, got)
		}
	}
}
