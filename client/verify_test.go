package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// logServer is a log that can be told to lie.
type logServer struct {
	loddv1.UnimplementedAuditServiceServer
	signer note.Signer
	origin string
	size   int64                // of the checkpoint; the leaves go on
	entry  func(i int64) string // what stands at i
	root   *tlog.Hash           // a false root
	sent   int64                // hashes to send; -1 for as many as were asked for
	proof  [][]byte             // a false proof
}

func (s *logServer) hashes(n int64) tlog.HashReaderFunc {
	var stored []tlog.Hash
	reader := func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	}
	for i := range n {
		h, err := tlog.StoredHashesForRecordHash(i, audit.Leaf([]byte(s.entry(i))), tlog.HashReaderFunc(reader))
		if err != nil {
			panic(err)
		}
		stored = append(stored, h...)
	}
	return reader
}

func (s *logServer) GetCheckpoint(context.Context, *loddv1.GetCheckpointRequest) (*loddv1.GetCheckpointResponse, error) {
	var tree audit.Tree
	for i := range s.size {
		tree.Add(audit.Leaf([]byte(s.entry(i))))
	}
	c := audit.Checkpoint{Origin: s.origin, Size: s.size, Root: tree.Root()}
	if s.root != nil {
		c.Root = *s.root
	}
	b, err := c.Sign(s.signer)
	return &loddv1.GetCheckpointResponse{Checkpoint: string(b)}, err
}

func (s *logServer) ListLeaves(req *loddv1.ListLeavesRequest, stream grpc.ServerStreamingServer[loddv1.ListLeavesResponse]) error {
	n := req.GetSize()
	if s.sent >= 0 {
		n = s.sent
	}
	for i := range n {
		h := audit.Leaf([]byte(s.entry(i)))
		if err := stream.Send(&loddv1.ListLeavesResponse{Hashes: h[:]}); err != nil {
			return err
		}
	}
	return nil
}

func (s *logServer) ProveConsistency(_ context.Context, req *loddv1.ProveConsistencyRequest) (*loddv1.ProveConsistencyResponse, error) {
	if s.proof != nil {
		return &loddv1.ProveConsistencyResponse{Hashes: s.proof}, nil
	}
	proof, err := tlog.ProveTree(req.GetNewSize(), req.GetOldSize(), s.hashes(req.GetNewSize()))
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	answer := &loddv1.ProveConsistencyResponse{}
	for _, h := range proof {
		answer.Hashes = append(answer.Hashes, h[:])
	}
	return answer, nil
}

// countingReader is entropy that can be repeated.
type countingReader byte

func (r *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		*r++
		p[i] = byte(*r)
	}
	return len(p), nil
}

func newSigner(t *testing.T, start byte) (signer note.Signer, verifier string) {
	t.Helper()
	r := countingReader(start)
	private, public, err := note.GenerateKey(&r, "lodd/log")
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	return signer, public
}

func honest(i int64) string { return fmt.Sprint("entry ", i) }

// A client that has seen 5 entries accepts a log that continues them, and
// refuses every other one, loudly and without forgetting what it saw.
func TestVerifyList(t *testing.T) {
	signer, key := newSigner(t, 0)
	stranger, _ := newSigner(t, 99)
	rewritten := func(i int64) string {
		if i == 2 {
			return "another entry 2"
		}
		return honest(i)
	}
	for _, tt := range []struct {
		name string
		lie  func(*logServer)
		want string // in the LogError; "" if the log holds
	}{
		{"unchanged", func(*logServer) {}, ""},
		{"grown by one", func(s *logServer) { s.size = 6 }, ""},
		{"grown to a full tree", func(s *logServer) { s.size = 8 }, ""},
		{"grown much", func(s *logServer) { s.size = 300 }, ""},
		{"shorter", func(s *logServer) { s.size = 4 }, "has become shorter: 4 entries, but 5 were seen"},
		{"empty", func(s *logServer) { s.size = 0 }, "has become shorter"},
		{"rewritten at the same size", func(s *logServer) { s.entry = rewritten }, "was rewritten since it had 5"},
		{"rewritten and grown", func(s *logServer) { s.size, s.entry = 9, rewritten }, "was rewritten since it had 5"},
		{"entries that don't add up", func(s *logServer) { s.size, s.root = 5, &tlog.Hash{1} }, "was rewritten"},
		{"too few hashes", func(s *logServer) { s.sent = 3 }, "hashes of 3 entries, the checkpoint has 5"},
		{"too many hashes", func(s *logServer) { s.sent = 6 }, "after 5 of 5 entries"},
		{"signed by a stranger", func(s *logServer) { s.signer = stranger }, "the checkpoint that the server gave"},
		{"another list", func(s *logServer) { s.origin = "lodd.test/IPS/outcome" }, "and not of IPS/conduct"},
		{"another instance", func(s *logServer) { s.origin, s.size = "twin.test/IPS/conduct", 6 }, "checkpoints of two lists"},
		{"a proof of nothing", func(s *logServer) { s.size, s.proof = 6, [][]byte{} }, "was rewritten"},
		{"a proof of odd hashes", func(s *logServer) { s.size, s.proof = 6, [][]byte{{1}} }, "a hash of 1 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := &logServer{signer: signer, origin: "lodd.test/IPS/conduct", size: 5, entry: honest, sent: -1}
			c := connect(t, func(g *grpc.Server) { loddv1.RegisterAuditServiceServer(g, s) },
				func(c *Config) { c.LogKey, c.Checkpoints = key, dir })
			first, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if err != nil || first.Before != -1 || first.Checkpoint.Size != 5 {
				t.Fatalf("first time: %+v, %v", first, err)
			}
			before := remembered(t, dir)

			tt.lie(s)
			got, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if tt.want == "" {
				if err != nil || got.Before != 5 || got.Checkpoint.Size != s.size {
					t.Errorf("second time: %+v, %v", got, err)
				}
				return
			}
			wrong, ok := errors.AsType[*LogError](err)
			if !ok || !strings.Contains(wrong.Error(), tt.want) || wrong.List != "IPS/conduct" {
				t.Errorf("error is %T %v, want a LogError with %q", err, err, tt.want)
			}
			if remembered(t, dir) != before {
				t.Error("what was seen was forgotten")
			}
		})
	}
}

// remembered returns the one remembered checkpoint, whose file only the owner
// can read.
func remembered(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v; want 1", len(files), err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Entries that don't add up to a signed root are found at the first meeting
// too, and nothing of it is remembered.
func TestVerifyListAddsUp(t *testing.T) {
	signer, key := newSigner(t, 0)
	dir := t.TempDir()
	s := &logServer{signer: signer, origin: "lodd.test/IPS/conduct", size: 5, entry: honest, root: &tlog.Hash{1}, sent: -1}
	c := connect(t, func(g *grpc.Server) { loddv1.RegisterAuditServiceServer(g, s) },
		func(c *Config) { c.LogKey, c.Checkpoints = key, dir })
	_, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
	if _, ok := errors.AsType[*LogError](err); !ok || !strings.Contains(err.Error(), "add up to") {
		t.Errorf("error is %v, want one that the entries don't add up", err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.checkpoint")); len(files) != 0 {
		t.Errorf("remembered %v", files)
	}
}

// Without the key of the log nothing can be verified, which is no finding.
func TestVerifyListNeedsTheKey(t *testing.T) {
	c := connect(t, nil, func(c *Config) { c.LogKey = "" })
	_, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
	if _, ok := errors.AsType[*LogError](err); ok || err == nil || !strings.Contains(err.Error(), "sign in again") {
		t.Errorf("error is %T %v", err, err)
	}
}

// A key that is none must not mean that nothing is checked.
func TestKeyOfTheLogMustBeOne(t *testing.T) {
	c, err := New(Config{Address: "lodd.test:443", Pin: strings.Repeat("A", 43), LogKey: "nonsense"})
	if err == nil {
		c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "take log_key out of the profile") {
		t.Errorf("error is %v", err)
	}
}

// Two processes that are shown two versions at once don't both believe: the later
// holds what it was shown against what the other has remembered meanwhile.
func TestTwoVersionsAtOnce(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	first := m.server.entries[0]
	shown := func(entries ...string) followed {
		m.server.lie(func() { m.server.entries = append([]string{first}, entries...) })
		f, err := c.follow(t.Context(), "IPS", "IPS/conduct")
		m.must(err)
		return f
	}
	short, a, b, longer := shown("C"), shown("A"), shown("B", "B2"), shown("A", "A2")
	m.must(c.remember(t.Context(), a))
	m.wrong(c.remember(t.Context(), b), "was rewritten since it had 2")
	m.must(c.remember(t.Context(), longer))
	m.must(c.remember(t.Context(), a)) // late, and a part of what is remembered
	m.wrong(c.remember(t.Context(), short), "was rewritten since it had 2")
	m.server.lie(func() { m.server.entries = []string{first, "B", "B2"} })
	m.wrong(c.remember(t.Context(), b), "was rewritten since it had 3")
	if now, err := c.seen("IPS/conduct"); err != nil || now.signed != longer.now.signed {
		t.Errorf("remembered %+v, %v", now, err)
	}
}
