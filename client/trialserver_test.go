package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// trialServer is a server with one list, IPS/conduct, that can be told to lie:
// in what it writes, in what it promises, and in what it proves.
type trialServer struct {
	loddv1.UnimplementedAuditServiceServer
	loddv1.UnimplementedScreeningServiceServer
	signer note.Signer

	mu       sync.Mutex // guards the fields below
	entries  []string
	receipt  func(*loddv1.Receipt) *loddv1.Receipt // what is promised; nil for the truth
	fail     error                                 // of every proof
	asked    []string                              // the calls, in order
	reported []string                              // the heads that it was shown
	cosigned string
	hides    bool                  // what the entries are
	hold     func(context.Context) // is called before a checkpoint is given; may be nil
}

func (s *trialServer) note(call string) (fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, call)
	return s.fail
}

// head returns the signed checkpoint of the first n entries.
func (s *trialServer) head(list string, entries []string) string {
	var tree audit.Tree
	for _, e := range entries {
		tree.Add(audit.Leaf([]byte(e)))
	}
	signed, err := audit.Checkpoint{Origin: "lodd.test/" + list, Size: tree.Size(), Root: tree.Root()}.Sign(s.signer)
	if err != nil {
		panic(err)
	}
	return string(signed)
}

func (s *trialServer) ListCompartments(context.Context, *loddv1.ListCompartmentsRequest) (*loddv1.ListCompartmentsResponse, error) {
	return &loddv1.ListCompartmentsResponse{Lists: []string{"IPS/conduct"}}, s.note("list")
}

func (s *trialServer) GetCheckpoint(ctx context.Context, req *loddv1.GetCheckpointRequest) (*loddv1.GetCheckpointResponse, error) {
	err := s.note("checkpoint")
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		hold(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &loddv1.GetCheckpointResponse{Checkpoint: s.head(req.GetList(), s.entries), Cosigned: s.cosigned}, nil
}

func (s *trialServer) hashes() tlog.HashReaderFunc {
	inner := &logServer{entry: func(i int64) string { return s.entries[i] }}
	return inner.hashes(int64(len(s.entries)))
}

func asBytes(proof []tlog.Hash) (out [][]byte) {
	for _, h := range proof {
		out = append(out, h[:])
	}
	return out
}

func (s *trialServer) ProveConsistency(_ context.Context, req *loddv1.ProveConsistencyRequest) (*loddv1.ProveConsistencyResponse, error) {
	if err := s.note("consistency"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	proof, err := tlog.ProveTree(req.GetNewSize(), req.GetOldSize(), s.hashes())
	return &loddv1.ProveConsistencyResponse{Hashes: asBytes(proof)}, err
}

func (s *trialServer) ProveInclusion(_ context.Context, req *loddv1.ProveInclusionRequest) (*loddv1.ProveInclusionResponse, error) {
	if err := s.note(fmt.Sprint("inclusion ", req.GetIndex())); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &loddv1.ProveInclusionResponse{Checkpoint: s.head(req.GetList(), s.entries)}
	n := int64(len(s.entries))
	if proof, err := tlog.ProveRecord(n, req.GetIndex(), s.hashes()); err == nil && req.GetIndex() < n {
		answer.Inclusion = asBytes(proof)
		if !s.hides {
			answer.Entry = []byte(s.entries[req.GetIndex()])
		}
	}
	if proof, err := tlog.ProveTree(n, max(req.GetOldSize(), 1), s.hashes()); err == nil && 0 < req.GetOldSize() && req.GetOldSize() <= n {
		answer.Consistency = asBytes(proof)
	}
	return answer, nil
}

func (s *trialServer) ListLeaves(req *loddv1.ListLeavesRequest, stream grpc.ServerStreamingServer[loddv1.ListLeavesResponse]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "leaves")
	for _, e := range s.entries[:req.GetSize()] {
		h := audit.Leaf([]byte(e))
		if err := stream.Send(&loddv1.ListLeavesResponse{Hashes: h[:]}); err != nil {
			return err
		}
	}
	return nil
}

// excluded returns an entry as it is stored.
func excluded(actor, request, participant string) string {
	id, err := hex.DecodeString(strings.ReplaceAll(request, "-", ""))
	if err != nil {
		panic(err) // the tests write it
	}
	b, err := proto.Marshal(&logv1.Entry{Actor: actor, RequestId: id, Kind: &logv1.Entry_Excluded{Excluded: &logv1.Excluded{Participant: participant}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// requestOf returns the id of the request about a participant.
func requestOf(p string) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", p) }

// Exclude appends an entry and promises it.
func (s *trialServer) Exclude(_ context.Context, req *loddv1.ExcludeRequest) (*loddv1.ExcludeResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "exclude")
	e := excluded("kari", req.GetRequestId(), req.GetParticipant())
	h := audit.Leaf([]byte(e))
	r := &loddv1.Receipt{List: "IPS/conduct", Index: int64(len(s.entries)), LeafHash: h[:]}
	s.entries = append(s.entries, e)
	if s.receipt != nil {
		r = s.receipt(r)
	}
	return &loddv1.ExcludeResponse{Receipt: r}, nil
}

func (s *trialServer) AddCosignature(_ context.Context, req *loddv1.AddCosignatureRequest) (*loddv1.AddCosignatureResponse, error) {
	if err := s.note("cosign " + req.GetList()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cosigned = req.GetCheckpoint()
	return &loddv1.AddCosignatureResponse{}, nil
}

// ReportCheckpoint notes what it is shown, and compares it with what it has.
func (s *trialServer) ReportCheckpoint(_ context.Context, req *loddv1.ReportCheckpointRequest) (*loddv1.ReportCheckpointResponse, error) {
	if err := s.note("report"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported = append(s.reported, req.GetCheckpoint())
	for n := range len(s.entries) + 1 {
		if s.head("IPS/conduct", s.entries[:n]) == req.GetCheckpoint() {
			return &loddv1.ReportCheckpointResponse{}, nil
		}
	}
	return &loddv1.ReportCheckpointResponse{Behind: true}, nil
}

func (s *trialServer) ListParticipants(context.Context, *loddv1.ListParticipantsRequest) (*loddv1.ListParticipantsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "participants")
	return &loddv1.ListParticipantsResponse{}, nil
}

// calls returns what was asked since the last time.
func (s *trialServer) calls() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := strings.Join(s.asked, " ")
	s.asked = nil
	return asked
}

func (s *trialServer) lie(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// A machine is a user's folder, on which programs begin and end.
type machine struct {
	t         *testing.T
	server    *trialServer
	config    Config
	dir       string
	unchecked []Unchecked
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	signer, key := newSigner(t, 0)
	m := &machine{t: t, server: &trialServer{signer: signer}, dir: t.TempDir()}
	first := connect(t, func(g *grpc.Server) {
		loddv1.RegisterAuditServiceServer(g, m.server)
		loddv1.RegisterScreeningServiceServer(g, m.server)
	}, func(c *Config) {
		c.User, c.LogKey, c.Checkpoints, c.Evidence = "kari", key, filepath.Join(m.dir, "checkpoints"), filepath.Join(m.dir, "evidence")
		c.Now = func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
		c.OnUnchecked = func(u Unchecked) { m.unchecked = append(m.unchecked, u) }
	})
	m.config = first.config
	return m
}

// begin returns the client of a new process.
func (m *machine) begin() *Client {
	m.t.Helper()
	c, err := New(m.config)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { c.Close() })
	return c
}

func (m *machine) exclude(c *Client, p string) error {
	_, err := c.Screening().Exclude(m.t.Context(), &loddv1.ExcludeRequest{TrialId: "IPS", RequestId: requestOf(p), Participant: p})
	return err
}

func (m *machine) list(c *Client) error {
	_, err := c.Screening().ListParticipants(m.t.Context(), &loddv1.ListParticipantsRequest{TrialId: "IPS"})
	return err
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// files returns how many files of a kind the machine holds.
func (m *machine) files(pattern string) []string {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, pattern))
	m.must(err)
	return files
}

// wrong wants a LogError that says something, and evidence that says the same
// and that only the user can read.
func (m *machine) wrong(err error, says string) finding {
	m.t.Helper()
	e, ok := errors.AsType[*LogError](err)
	if !ok || !strings.Contains(e.Error(), says) {
		m.t.Fatalf("error is %T %v, want a LogError with %q", err, err, says)
	}
	b, err := os.ReadFile(e.Evidence)
	m.must(err)
	info, err := os.Stat(e.Evidence)
	m.must(err)
	var f finding
	m.must(json.Unmarshal(b, &f))
	if f.Schema != evidenceSchema || f.At != "2026-11-21T12:00:00Z" || f.Pin != m.config.Pin || f.List != e.List || f.Problem != e.Problem || info.Mode().Perm() != 0o600 {
		m.t.Errorf("evidence %s, mode %v", b, info.Mode())
	}
	return f
}
