package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/audittest"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// archiveServer serves lists of some entries, of which those with an odd index
// may be read, and can be told to lie.
type archiveServer struct {
	loddv1.UnimplementedAuditServiceServer
	signer  note.Signer
	sizes   map[string]int64
	origins map[string]string                               // of lists that say another
	leaves  func(hashes []byte) []byte                      // what is sent instead
	entry   func(*loddv1.ListEntriesResponse)               // changes what is sent
	heads   func(list string) *loddv1.GetCheckpointResponse // instead of the true one

	mu    sync.Mutex // guards asked
	asked []string
}

func newArchiveServer(t *testing.T) (s *archiveServer, key string) {
	signer, key := newSigner(t, 3)
	return &archiveServer{
		signer: signer, sizes: map[string]int64{"IPS/conduct": 5, "IPS/allocation": 3, "IPS/delivery": 0, "system": 2}, origins: map[string]string{},
	}, key
}

func entryOf(list string, i int64) []byte { return fmt.Appendf(nil, "entry %d of %s", i, list) }

func (s *archiveServer) ListCompartments(context.Context, *loddv1.ListCompartmentsRequest) (*loddv1.ListCompartmentsResponse, error) {
	return &loddv1.ListCompartmentsResponse{Lists: []string{"IPS/allocation", "IPS/delivery", "IPS/conduct", "system"}}, nil
}

func (s *archiveServer) head(list string) audit.Checkpoint {
	var tree audit.Tree
	for i := range s.sizes[list] {
		tree.Add(audit.Leaf(entryOf(list, i)))
	}
	origin := "lodd/" + list
	if other := s.origins[list]; other != "" {
		origin = other
	}
	return audit.Checkpoint{Origin: origin, Size: s.sizes[list], Root: tree.Root()}
}

func (s *archiveServer) GetCheckpoint(_ context.Context, req *loddv1.GetCheckpointRequest) (*loddv1.GetCheckpointResponse, error) {
	s.mu.Lock()
	s.asked = append(s.asked, req.GetList())
	s.mu.Unlock()
	if s.heads != nil {
		if head := s.heads(req.GetList()); head != nil {
			return head, nil
		}
	}
	b, err := s.head(req.GetList()).Sign(s.signer)
	return &loddv1.GetCheckpointResponse{Checkpoint: string(b)}, err
}

func (s *archiveServer) ProveConsistency(_ context.Context, req *loddv1.ProveConsistencyRequest) (*loddv1.ProveConsistencyResponse, error) {
	log := &logServer{entry: func(i int64) string { return string(entryOf(req.GetList(), i)) }}
	proof, err := tlog.ProveTree(req.GetNewSize(), req.GetOldSize(), log.hashes(req.GetNewSize()))
	return &loddv1.ProveConsistencyResponse{Hashes: asBytes(proof)}, err
}

func (s *archiveServer) ListLeaves(req *loddv1.ListLeavesRequest, stream grpc.ServerStreamingServer[loddv1.ListLeavesResponse]) error {
	if req.GetSize() > 1000 {
		return errors.New("asked for too much")
	}
	var hashes []byte
	for i := range req.GetSize() {
		leaf := audit.Leaf(entryOf(req.GetList(), i))
		hashes = append(hashes, leaf[:]...)
	}
	if s.leaves != nil {
		hashes = s.leaves(hashes)
	}
	for piece := range slices.Chunk(hashes, 2*tlog.HashSize) {
		if err := stream.Send(&loddv1.ListLeavesResponse{Hashes: piece}); err != nil {
			return err
		}
	}
	return nil
}

func (s *archiveServer) ListEntries(req *loddv1.ListEntriesRequest, stream grpc.ServerStreamingServer[loddv1.ListEntriesResponse]) error {
	if !req.GetRaw() || req.GetSize() > s.sizes[req.GetList()] || req.GetSize() == 0 {
		return errors.New("asked for something else")
	}
	for i := int64(1); i < req.GetSize(); i += 2 {
		e := &loddv1.ListEntriesResponse{List: req.GetList(), Index: i, Entry: entryOf(req.GetList(), i)}
		if s.entry != nil {
			s.entry(e)
		}
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	return nil
}

// download downloads the archive and returns the folder that it used.
func (s *archiveServer) download(t *testing.T, key string, w io.Writer, progress func(done, total int64)) (dir string, err error) {
	t.Helper()
	c := connect(t, func(g *grpc.Server) { loddv1.RegisterAuditServiceServer(g, s) }, func(c *Config) {
		c.LogKey, c.Checkpoints = key, t.TempDir()
	})
	dir = t.TempDir()
	return dir, c.DownloadArchive(t.Context(), "IPS", dir, w, progress)
}

// What is downloaded is an archive that verifies, of what the server lets the
// user read. Nothing else stays.
func TestDownloadArchive(t *testing.T) {
	s, key := newArchiveServer(t)
	var b bytes.Buffer
	var told [][2]int64
	dir, err := s.download(t, key, &b, func(done, total int64) { told = append(told, [2]int64{done, total}) })
	if err != nil {
		t.Fatal(err)
	}
	audittest.Keep(t, b.Bytes())
	verifier, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := audit.ReadArchive(bytes.NewReader(b.Bytes()), int64(b.Len()), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Archive{Schema: "lodd.archive/1", Origin: "lodd", Trial: "IPS", Key: key, Lists: []audit.ArchivedList{
		{List: "IPS/allocation", Size: 3, Entries: 1}, {List: "IPS/conduct", Size: 5, Entries: 2}, {List: "IPS/delivery"}, {List: "system", Size: 2, Entries: 1},
	}}
	if diff := cmp.Diff(want, a.Archive); diff != "" {
		t.Error(diff)
	}
	for r, err := range a.Entries("IPS/conduct") {
		if err != nil || r.Index%2 != 1 || !bytes.Equal(r.Entry, entryOf("IPS/conduct", r.Index)) {
			t.Errorf("entry %d: %q, %v", r.Index, r.Entry, err)
		}
	}
	if last := told[len(told)-1]; last != [2]int64{20, 20} {
		t.Errorf("progress ended at %v", last)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v was left behind, %v", left, err)
	}
}

// What came after the head of conduct can't be replayed: if conduct grows while
// the heads are taken, they are taken again. Its own head is never newer than
// the others: its entries need those.
func TestHeadsAreTakenWhileConductRests(t *testing.T) {
	for _, tt := range []struct{ grows, conduct, allocation int64 }{{0, 5, 3}, {1, 6, 4}, {3, 8, 6}, {1000, 5 + headRounds - 1, 3 + headRounds}} {
		s, key := newArchiveServer(t)
		grown := int64(0)
		s.heads = func(list string) *loddv1.GetCheckpointResponse {
			if list == "IPS/allocation" && grown < tt.grows {
				grown++
				s.sizes["IPS/conduct"]++
				s.sizes["IPS/allocation"]++
			}
			return nil
		}
		var b bytes.Buffer
		if _, err := s.download(t, key, &b, nil); err != nil {
			t.Fatal(err)
		}
		audittest.Keep(t, b.Bytes())
		a, err := audit.ReadArchive(bytes.NewReader(b.Bytes()), int64(b.Len()), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.Lists[1].Size != tt.conduct || a.Lists[0].Size != tt.allocation {
			t.Errorf("%d times: %+v, want %d of conduct and %d of allocation", tt.grows, a.Lists, tt.conduct, tt.allocation)
		}
	}
}

// A server can't fill the disk: neither by a head nor by what it sends.
func TestArchiveThatIsTooLargeIsNotDownloaded(t *testing.T) {
	const most = audit.MaxBundleBytes / tlog.HashSize
	for _, size := range []int64{most + 1, 1 << 59} { // 32 times the second is 0
		s, key := newArchiveServer(t)
		s.heads = func(list string) *loddv1.GetCheckpointResponse {
			if list != "IPS/delivery" {
				return nil
			}
			signed, _ := audit.Checkpoint{Origin: "lodd/" + list, Size: size}.Sign(s.signer)
			return &loddv1.GetCheckpointResponse{Checkpoint: string(signed)}
		}
		if _, err := s.download(t, key, io.Discard, nil); err == nil || !strings.Contains(err.Error(), "has room for the hashes of 133169152") {
			t.Errorf("%d entries: %v", size, err)
		}
	}
	a := &archiving{spool: t.TempDir(), room: 100}
	for i, size := range []int{60, 40, 1} {
		_, err := a.keep(fmt.Sprint(i), func(w io.Writer) error { _, err := w.Write(make([]byte, size)); return err })
		if (err != nil) != (i == 2) || err != nil && !errors.Is(err, errRoom) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Of a head that witnesses have signed too, the archive holds all signatures; an
// older one, and what isn't signed by the log, is left out.
func TestArchiveHoldsCosignatures(t *testing.T) {
	s, key := newArchiveServer(t)
	witness, _ := newSigner(t, 9)
	s.heads = func(list string) *loddv1.GetCheckpointResponse {
		head := s.head(list)
		signed, _ := head.Sign(s.signer)
		switch list {
		case "IPS/conduct":
		case "IPS/allocation":
			head.Size--
		default:
			return &loddv1.GetCheckpointResponse{Checkpoint: string(signed), Cosigned: "nonsense"}
		}
		both, _ := head.Sign(s.signer, witness)
		return &loddv1.GetCheckpointResponse{Checkpoint: string(signed), Cosigned: string(both)}
	}
	var b bytes.Buffer
	if _, err := s.download(t, key, &b, nil); err != nil {
		t.Fatal(err)
	}
	audittest.Keep(t, b.Bytes())
	a, err := audit.ReadArchive(bytes.NewReader(b.Bytes()), int64(b.Len()), nil)
	if err != nil || len(a.Unknown) != 1 || a.Unknown["IPS/conduct"] != 1 {
		t.Errorf("co-signed: %v, %v", a.Unknown, err)
	}
}

// A server that sends something else than the head that it signed is told from
// one that doesn't send all.
func TestDownloadArchiveRefuses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		lie      func(s *archiveServer)
		want     string
		evidence bool // of a log that isn't what the server signed
	}{
		{"too few hashes", func(s *archiveServer) { s.leaves = func(h []byte) []byte { return h[:max(0, len(h)-32)] } }, "bytes of hashes", true},
		{"too many hashes", func(s *archiveServer) { s.leaves = func(h []byte) []byte { return append(h, make([]byte, 320)...) } }, "bytes of hashes", true},
		{"a list of another server", func(s *archiveServer) { s.origins["system"] = "other/system" }, "other lists of this server", true},
		{"an entry without bytes", func(s *archiveServer) { s.entry = func(e *loddv1.ListEntriesResponse) { e.Entry = nil } }, "older than this program", false},
		{"an entry that is too long", func(s *archiveServer) {
			s.entry = func(e *loddv1.ListEntriesResponse) { e.Entry = make([]byte, 1<<16) }
		}, "65536 bytes", false},
		{"an entry of another list", func(s *archiveServer) { s.entry = func(e *loddv1.ListEntriesResponse) { e.List = "IPS/outcome" } }, "IPS/outcome", false},
		{"an entry below the first", func(s *archiveServer) { s.entry = func(e *loddv1.ListEntriesResponse) { e.Index = -1 } }, "entry -1", false},
		{"an entry beyond the last", func(s *archiveServer) { s.entry = func(e *loddv1.ListEntriesResponse) { e.Index = 5 } }, "entry 5", false},
		{"one entry again and again", func(s *archiveServer) { s.entry = func(e *loddv1.ListEntriesResponse) { e.Index = 1 } }, "entry 1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, key := newArchiveServer(t)
			tt.lie(s)
			dir, err := s.download(t, key, io.Discard, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if _, evidence := errors.AsType[*LogError](err); evidence != tt.evidence {
				t.Errorf("%T is evidence: %t", err, evidence)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%v was left behind, %v", left, err)
			}
		})
	}
}

func TestDownloadArchiveNeedsTheKeyOfTheLog(t *testing.T) {
	s, _ := newArchiveServer(t)
	if _, err := s.download(t, "", io.Discard, nil); err == nil || !strings.Contains(err.Error(), "sign in again") {
		t.Errorf("%v", err)
	}
}
