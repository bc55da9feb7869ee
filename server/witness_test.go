package server_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// cosigner returns the witness of a name at a second.
func cosigner(t *testing.T, name string, at int64) *audit.Cosigner {
	t.Helper()
	private, _, err := audit.GenerateCosigner(bytes.NewReader(bytes.Repeat([]byte(name[:1]), 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := audit.NewCosigner(private, time.Unix(at, 0))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// newWitnessed returns a trial on a server that knows the witnesses a and b.
func newWitnessed(t *testing.T) *world {
	return newTrial(t, func(c *server.Config) {
		c.Witnesses = []*audit.CosignatureVerifier{cosigner(t, "a", 1).Verifier(), cosigner(t, "b", 1).Verifier()}
	})
}

// cosign returns the present checkpoint of a list with signatures of witnesses.
func (w *world) cosign(list string, signers ...note.Signer) string {
	w.t.Helper()
	got, err := w.audit().GetCheckpoint(w.as("au"), &loddv1.GetCheckpointRequest{TrialId: "T1", List: list})
	w.must(err)
	n, err := note.Open([]byte(got.GetCheckpoint()), note.VerifierList(w.verifier()))
	w.must(err)
	signed, err := note.Sign(n, signers...)
	w.must(err)
	return string(signed)
}

func (w *world) verifier() note.Verifier {
	w.t.Helper()
	v, err := note.NewVerifier(w.keys.LogVerifier)
	w.must(err)
	return v
}

func (w *world) leave(list, checkpoint string) error {
	_, err := w.audit().AddCosignature(w.as("au"), &loddv1.AddCosignatureRequest{TrialId: "T1", List: list, Checkpoint: checkpoint})
	return err
}

// left returns the size and the witnesses of what others see as co-signed.
func (w *world) left(list string) (int64, map[string]int64) {
	w.t.Helper()
	got, err := w.audit().GetCheckpoint(w.as("au"), &loddv1.GetCheckpointRequest{TrialId: "T1", List: list})
	w.must(err)
	if got.GetCosigned() == "" {
		return 0, nil
	}
	c, err := audit.OpenCosigned([]byte(got.GetCosigned()), w.verifier(), cosigner(w.t, "a", 1).Verifier(), cosigner(w.t, "b", 1).Verifier(), cosigner(w.t, "z", 1).Verifier())
	w.must(err)
	at := map[string]int64{}
	for _, s := range c.Cosignatures {
		at[s.Witness] = s.At.Unix()
	}
	return c.Size, at
}

// Signatures over one size come together, the latest of each witness; a larger
// size replaces a smaller one, and never the other way round.
func TestCosignaturesAccumulateAndOnlyGrow(t *testing.T) {
	w := newWitnessed(t)
	const list = "T1/conduct"
	want := func(size int64, at map[string]int64) {
		t.Helper()
		if gotSize, gotAt := w.left(list); gotSize != size || cmp.Diff(at, gotAt) != "" {
			t.Errorf("co-signed size %d by %v, want %d by %v", gotSize, gotAt, size, at)
		}
	}
	want(0, nil)
	small := w.log.Len(list)
	older := w.cosign(list, cosigner(t, "a", 9))
	w.must(w.leave(list, w.cosign(list, cosigner(t, "a", 5))))
	want(small, map[string]int64{"a": 5})
	w.must(w.leave(list, w.cosign(list, cosigner(t, "b", 6), cosigner(t, "z", 6)))) // nobody knows z
	want(small, map[string]int64{"a": 5, "b": 6})
	w.must(w.leave(list, w.cosign(list, cosigner(t, "a", 4)))) // late
	want(small, map[string]int64{"a": 5, "b": 6})
	w.must(w.leave(list, w.cosign(list, cosigner(t, "a", 7))))
	want(small, map[string]int64{"a": 7, "b": 6})

	w.randomize("S-1", "OSL")
	large := w.log.Len(list)
	w.must(w.leave(list, w.cosign(list, cosigner(t, "b", 8))))
	want(large, map[string]int64{"b": 8})
	w.must(w.leave(list, older))
	want(large, map[string]int64{"b": 8})
	if size, _ := w.left("T1/allocation"); size != 0 {
		t.Error("the checkpoint of one list stands in another")
	}
	w.restart()
	want(large, map[string]int64{"b": 8})
}

// The server takes nothing that its own log doesn't bear out, from no one but
// auditors and the witnesses that it was told of.
func TestAddCosignatureRefuses(t *testing.T) {
	w := newWitnessed(t)
	const list = "T1/conduct"
	a := cosigner(t, "a", 5)
	good := w.cosign(list, a)
	size, root := w.log.Root(list)
	forged := func(c audit.Checkpoint) string {
		signed, err := c.Sign(w.keys.LogSigner, a)
		w.must(err)
		return string(signed)
	}
	own := audit.Checkpoint{Origin: "example.org/" + list, Size: size, Root: root}
	larger, other, elsewhere := own, own, own
	larger.Size++
	other.Root[0] ^= 1
	elsewhere.Origin = "example.com/" + list
	for _, tt := range []struct{ name, list, checkpoint, says string }{
		{"nothing", list, "", "malformed note"},
		{"no witness", list, w.cosign(list), "no witness"},
		{"an unknown witness", list, w.cosign(list, cosigner(t, "z", 5)), "no witness"},
		{"a signature of something else", list, strings.Replace(good, "\n", "x\n", 1), "invalid signature"},
		{"another list", "T1/allocation", good, "another list"},
		{"another log", list, forged(elsewhere), "another list"},
		{"a size to come", list, forged(larger), "isn't what the log was"},
		{"another root, signed by the log", list, forged(other), "isn't what the log was"},
		{"too much", list, good + strings.Repeat("— z AAAAAAAAAAAAAAAA\n", 5000), "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := w.leave(tt.list, tt.checkpoint)
			refused(t, err, codes.InvalidArgument, "")
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refused with %v, want %q", err, tt.says)
			}
		})
	}
	if size, by := w.left(list); size != 0 {
		t.Errorf("%v stands there after refusals alone", by)
	}
	for _, user := range []string{"tc-osl", "oa-osl", "dm", "cus", "admin"} {
		_, err := w.audit().AddCosignature(w.as(user), &loddv1.AddCosignatureRequest{TrialId: "T1", List: list, Checkpoint: good})
		refused(t, err, codes.PermissionDenied, "")
	}
	w.must(w.leave(list, good))
}

// A note in the store that doesn't hold any more gives way.
func TestKeptCosignaturesThatDoNotHoldGiveWay(t *testing.T) {
	w := newWitnessed(t)
	const list = "T1/conduct"
	a := cosigner(t, "a", 5)
	ahead, err := audit.Checkpoint{Origin: "example.org/" + list, Size: 1e6}.Sign(w.keys.LogSigner, a)
	w.must(err)
	for _, kept := range []string{"nonsense", string(ahead), w.cosign(list, cosigner(t, "z", 5))} {
		w.must(w.store.Put(t.Context(), "witness/"+list, []byte(kept)))
		w.must(w.leave(list, w.cosign(list, a)))
		if size, by := w.left(list); size != w.log.Len(list) || len(by) != 1 {
			t.Errorf("after %q: size %d by %v", kept, size, by)
		}
	}
}

// Witnesses that come at once don't take one another's signatures away.
func TestCosignaturesThatComeAtOnceAllCount(t *testing.T) {
	w := newWitnessed(t)
	const list = "T1/conduct"
	a, b := w.cosign(list, cosigner(t, "a", 5)), w.cosign(list, cosigner(t, "b", 5))
	var wg sync.WaitGroup
	for range 8 {
		for _, checkpoint := range []string{a, b} {
			wg.Go(func() {
				if err := w.leave(list, checkpoint); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if _, by := w.left(list); len(by) != 2 {
		t.Errorf("co-signed by %v, want a and b", by)
	}
}

// A newer note that can't be held against the log at the moment, because the disk
// is ill, doesn't give way to an older one.
func TestKeptCosignaturesOutliveAnIllDisk(t *testing.T) {
	w := newWitnessed(t)
	const list, tile = "T1/conduct", 256
	a := cosigner(t, "a", 5)
	grow := func(size int64) {
		var entries [][]byte
		for n := w.log.Len(list); n < size; n++ {
			entries = append(entries, []byte("entry"))
		}
		_, err := w.log.Append(t.Context(), audit.Part{List: list, At: w.log.Len(list), Entries: entries})
		w.must(err)
	}
	grow(tile)
	older := w.cosign(list, a)
	grow(tile + 1)
	w.must(w.leave(list, w.cosign(list, a)))
	grow(2 * tile)
	var was []byte
	w.store.Tamper(list+"#tile/0", 1, func(b []byte) []byte { was = b; return b[1:] })
	refused(t, w.leave(list, older), codes.Internal, "")
	w.store.Tamper(list+"#tile/0", 1, func([]byte) []byte { return was })
	if size, by := w.left(list); size != tile+1 || len(by) != 1 {
		t.Errorf("co-signed size %d by %v is kept, want %d", size, by, tile+1)
	}
}
