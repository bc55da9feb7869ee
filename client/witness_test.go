package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit"
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
	cosigned string
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

func (s *trialServer) GetCheckpoint(_ context.Context, req *loddv1.GetCheckpointRequest) (*loddv1.GetCheckpointResponse, error) {
	if err := s.note("checkpoint"); err != nil {
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

// Exclude appends an entry and promises it.
func (s *trialServer) Exclude(_ context.Context, req *loddv1.ExcludeRequest) (*loddv1.ExcludeResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "exclude")
	h := audit.Leaf([]byte(req.GetParticipant()))
	r := &loddv1.Receipt{List: "IPS/conduct", Index: int64(len(s.entries)), LeafHash: h[:]}
	s.entries = append(s.entries, req.GetParticipant())
	if s.receipt != nil {
		r = s.receipt(r)
	}
	return &loddv1.ExcludeResponse{Receipt: r}, nil
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
		c.LogKey, c.Checkpoints, c.Evidence = key, filepath.Join(m.dir, "checkpoints"), filepath.Join(m.dir, "evidence")
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
	_, err := c.Screening().Exclude(m.t.Context(), &loddv1.ExcludeRequest{TrialId: "IPS", RequestId: "r-" + p, Participant: p})
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

// What is asked beside a call is a few short questions: one before the first
// call about a trial if something is remembered, one more if it has grown, and
// one after each receipt.
func TestChecksCostAFewCalls(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return m.list(c) }, "participants"},
		{func() error { return m.exclude(c, "P1") }, "exclude inclusion 0"},
		{func() error { return m.exclude(c, "P2") }, "exclude inclusion 1"},
		{func() error { return m.list(c) }, "participants"},
		{func() error { c = m.begin(); return m.list(c) }, "checkpoint participants"},
		{func() error { m.server.lie(func() { m.server.entries = append(m.server.entries, "of others") }); return m.list(c) }, "participants"},
		{func() error { c = m.begin(); return m.list(c) }, "checkpoint consistency participants"},
		{func() error { return m.exclude(c, "P3") }, "exclude inclusion 3"},
	} {
		m.must(step.do())
		if got := m.server.calls(); got != step.want {
			t.Errorf("asked %q, want %q", got, step.want)
		}
	}
	if len(m.unchecked) != 0 || len(m.files("checkpoints/*")) != 1 {
		t.Errorf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
	}
}

// A client that has seen a log refuses every other one before it makes a call,
// and goes on refusing.
func TestAnotherLogIsRefusedBeforeTheFirstCall(t *testing.T) {
	stranger, _ := newSigner(t, 99)
	for _, tt := range []struct {
		name    string
		lie     func(*trialServer)
		says    string
		shorter bool
	}{
		{"cut", func(s *trialServer) { s.entries = s.entries[:2] }, "shorter: 2 entries, but 3", true},
		{"emptied", func(s *trialServer) { s.entries = nil }, "shorter: 0 entries, but 3", true},
		{"edited", func(s *trialServer) { s.entries[1] = "PX" }, "was rewritten since it had 3", false},
		{"edited and grown", func(s *trialServer) { s.entries = append(s.entries, "P4", "P5"); s.entries[0] = "PX" }, "was rewritten since it had 3", false},
		{"reordered", func(s *trialServer) { s.entries[0], s.entries[1] = s.entries[1], s.entries[0] }, "was rewritten since it had 3", false},
		{"signed by another", func(s *trialServer) { s.signer = stranger }, "the checkpoint that the server gave", false},
		{"not shown", func(s *trialServer) { s.fail = status.Error(codes.NotFound, "no such thing") }, "doesn't show this list", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			remembered := m.files("checkpoints/*.checkpoint")
			before, err := os.ReadFile(remembered[0])
			m.must(err)
			m.server.calls()
			m.server.lie(func() { tt.lie(m.server) })

			c = m.begin()
			f := m.wrong(m.list(c), tt.says)
			if e, _ := errors.AsType[*LogError](m.list(c)); e.Shorter != tt.shorter {
				t.Errorf("shorter is %t", e.Shorter)
			}
			if m.server.fail == nil && f.Remembered != string(before) {
				t.Errorf("evidence remembers %q, want %q", f.Remembered, before)
			}
			m.wrong(m.exclude(c, "P9"), tt.says)
			_, err = c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if err == nil {
				t.Error("verified")
			}
			if asked := m.server.calls(); strings.Contains(asked, "participants") || strings.Contains(asked, "exclude") {
				t.Errorf("asked %q", asked)
			}
			again := m.begin()
			m.wrong(m.list(again), tt.says)
			if got := m.files("evidence/*"); len(got) != 1 {
				t.Errorf("the same was found twice and written to %v", got)
			}
			after, err := os.ReadFile(remembered[0])
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("what was seen is %q now, %v", after, err)
			}
		})
	}
}

// A stream of answers is begun only with a log that is what it was.
func TestStreamsAreRefusedToo(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.server.lie(func() { m.server.entries[0] = "PX" })
	m.server.calls()
	_, err := m.begin().Audit().ListLeaves(t.Context(), &loddv1.ListLeavesRequest{TrialId: "IPS", List: "IPS/conduct", Size: 1})
	m.wrong(err, "was rewritten")
	if asked := m.server.calls(); asked != "checkpoint" {
		t.Errorf("asked %q", asked)
	}
}

// A promise that the log doesn't keep is found at once, and ends the work on
// that trial.
func TestReceiptsThatDoNotHold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		promise func(*loddv1.Receipt) *loddv1.Receipt
		says    string
	}{
		{"another entry", func(r *loddv1.Receipt) *loddv1.Receipt { r.LeafHash[0] ^= 1; return r }, "receipt for entry 1, but its log of 2 entries doesn't hold it"},
		{"another place", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = 0; return r }, "receipt for entry 0"},
		{"a place to come", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = 7; return r }, "receipt for entry 7, but its log of 2 entries"},
		{"no place", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = -1; return r }, "entry -1"},
		{"half a hash", func(r *loddv1.Receipt) *loddv1.Receipt { r.LeafHash = r.LeafHash[:16]; return r }, "leaf hash of 16 bytes"},
		{"another trial", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "TAU/conduct"; return r }, `of the list "TAU/conduct"`},
		{"no list of a trial", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "system"; return r }, `"system", which is no compartment`},
		{"no receipt", func(*loddv1.Receipt) *loddv1.Receipt { return nil }, "leaf hash of 0 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			m.must(m.exclude(c, "P1"))
			m.server.lie(func() { m.server.receipt = tt.promise })
			f := m.wrong(m.exclude(c, "P2"), tt.says)
			if strings.Contains(tt.says, "receipt for") && (f.Receipt == nil || f.Given == "" || f.Remembered == "") {
				t.Errorf("evidence %+v", f)
			}
			m.server.calls()
			m.wrong(m.list(c), tt.says)
			if asked := m.server.calls(); asked != "" {
				t.Errorf("asked %q after the finding", asked)
			}
		})
	}
}

// A proof that can't be had takes nothing back: the user is told, and the
// receipt is checked when the server can be asked again, by another process or
// after the next write.
func TestReceiptsWaitForTheNextChance(t *testing.T) {
	ill := status.Error(codes.Unavailable, "not now")
	for _, tt := range []struct {
		name string
		next func(m *machine, c *Client) error
		want string
	}{
		{"the next session", func(m *machine, _ *Client) error { return m.list(m.begin()) }, "inclusion 0 participants"},
		{"the next write", func(m *machine, c *Client) error { return m.exclude(c, "P2") }, "exclude inclusion 1 inclusion 0"},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lost %t", tt.name, lost), func(t *testing.T) {
				m := newMachine(t)
				c := m.begin()
				m.must(m.list(c))
				m.server.lie(func() { m.server.fail = ill })
				m.must(m.exclude(c, "P1"))
				if len(m.unchecked) != 1 || m.unchecked[0].List != "IPS/conduct" || m.unchecked[0].Index != 0 || m.unchecked[0].Err == nil || len(m.files("checkpoints/*.receipt")) != 1 {
					t.Fatalf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
				}
				m.must(m.list(m.begin())) // the server is still ill: nobody is kept from working
				m.server.calls()
				m.server.lie(func() {
					if m.server.fail = nil; lost {
						m.server.entries[0] = "another"
					}
				})
				err := tt.next(m, c)
				if lost {
					m.wrong(err, "receipt for entry 0")
					return
				}
				m.must(err)
				if got := m.server.calls(); got != tt.want || len(m.files("checkpoints/*.receipt")) != 0 {
					t.Errorf("asked %q, want %q; files %v", got, tt.want, m.files("checkpoints/*"))
				}
			})
		}
	}
}

// An account that may not see a list asks for it once, and works on. Its
// receipt waits for one that may.
func TestReceiptsOfListsThatAreNotShownWait(t *testing.T) {
	m := newMachine(t)
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	m.must(m.exclude(c, "P2"))
	m.must(m.list(c))
	if got := m.server.calls(); got != "exclude inclusion 0 exclude inclusion 1 participants" || len(m.unchecked) != 2 {
		t.Errorf("asked %q, unchecked %v", got, m.unchecked)
	}
	c = m.begin()
	m.must(m.list(c))
	m.must(m.list(c))
	if got := m.server.calls(); got != "inclusion 0 participants participants" {
		t.Errorf("asked %q", got)
	}
	m.server.lie(func() { m.server.fail = nil })
	m.must(m.list(m.begin()))
	if got := m.server.calls(); got != "inclusion 0 inclusion 1 participants" || len(m.files("checkpoints/*.receipt")) != 0 {
		t.Errorf("asked %q, files %v", got, m.files("checkpoints/*"))
	}
}

// Many calls at once wait for one check, and are all refused by it.
func TestCallsAtOnceShareOneCheck(t *testing.T) {
	for _, lie := range []bool{false, true} {
		m := newMachine(t)
		m.must(m.exclude(m.begin(), "P1"))
		m.server.calls()
		if lie {
			m.server.lie(func() { m.server.entries = nil })
		}
		c := m.begin()
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = m.list(c) })
		}
		wg.Wait()
		for _, err := range errs {
			if _, refused := errors.AsType[*LogError](err); refused != lie {
				t.Errorf("error is %v", err)
			}
		}
		if got := strings.Count(m.server.calls(), "checkpoint"); got != 1 {
			t.Errorf("%d checks", got)
		}
	}
}

// What was seen and can't be read is no reason to work without it.
func TestUnreadableMemoryIsToldOf(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.must(os.WriteFile(filepath.Join(m.dir, "checkpoints", "x.receipt"), []byte("{}"), 0o600))
	err := m.list(m.begin())
	if _, ok := errors.AsType[*LogError](err); ok || err == nil || !strings.Contains(err.Error(), "x.receipt can't be read") {
		t.Errorf("error is %v", err)
	}
}

// Whoever knows a witness sees what it has signed; a log that was shown to the
// witness in another version is found, and so is a signature that isn't its own.
func TestVerifyListHoldsTheLogAgainstWitnesses(t *testing.T) {
	private, public, err := audit.GenerateCosigner(bytes.NewReader(make([]byte, 32)), "w")
	if err != nil {
		t.Fatal(err)
	}
	w, err := audit.NewCosigner(private, time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.NewCosignatureVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	seen := []audit.Cosignature{{Witness: "w", At: time.Unix(1700000000, 0).UTC()}}
	for _, tt := range []struct {
		name    string
		entries []string // that the witness saw
		known   bool
		change  func(string) string
		want    []audit.Cosignature
		says    string
	}{
		{"at a smaller size", []string{"P1", "P2"}, true, nil, seen, ""},
		{"at this size", []string{"P1", "P2", "P3"}, true, nil, seen, ""},
		{"by a stranger", []string{"P1", "P2"}, false, nil, nil, ""},
		{"of another log", []string{"P1", "PX"}, true, nil, nil, "shown in two versions"},
		{"of another log, at this size", []string{"P1", "P2", "PX"}, true, nil, nil, "shown in two versions"},
		{"at a larger size", []string{"P1", "P2", "P3", "P4"}, true, nil, nil, "it has 4 entries, but the log shows 3"},
		{"changed", []string{"P1", "P2"}, true, func(s string) string { return strings.Replace(s, "\n2\n", "\n3\n", 1) }, nil, "invalid signature"},
		{"of another list", []string{"P1", "P2"}, true, func(string) string { return "other" }, nil, "is of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			if tt.known {
				m.config.Witnesses = []*audit.CosignatureVerifier{key}
			}
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			list := "IPS/conduct"
			if tt.change != nil && tt.change("") == "other" {
				list, tt.change = "IPS/outcome", nil
			}
			log, err := note.NewVerifier(m.config.LogKey)
			m.must(err)
			plain, err := audit.OpenCosigned([]byte(m.server.head(list, tt.entries)), log)
			m.must(err)
			signed, err := plain.Sign(w)
			m.must(err)
			if tt.change != nil {
				signed = []byte(tt.change(string(signed)))
			}
			m.server.lie(func() { m.server.cosigned = string(signed) })
			v, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if tt.says != "" {
				m.wrong(err, tt.says)
				return
			}
			m.must(err)
			var got []audit.Cosignature
			if v.Cosigned != nil {
				got = v.Cosigned.Cosignatures
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
