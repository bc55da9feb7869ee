package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Verified is what was found to be true of a compartment.
type Verified struct {
	// Checkpoint is its head, and Signed the note that says so.
	Checkpoint audit.Checkpoint
	Signed     []byte

	// Before is the size of the list that was remembered from before, all of which
	// is unchanged; -1 if it wasn't seen before. What the client itself has checked
	// meanwhile, on behalf of other calls, isn't counted.
	Before int64

	// Cosigned is the newest checkpoint under which a witness has signed whom the
	// client knows; nil if there is none. The head continues it if VerifyList
	// says so; Follow doesn't look.
	Cosigned *audit.Cosigned

	// Displaced names the witnesses whose co-signature was seen from here, of a
	// smaller size, and isn't shown any more, because one has signed since whom
	// the client doesn't know. The server hands out the newest only.
	Displaced []string
}

// errNoKey is no finding: nothing can be said about the log.
var errNoKey = errors.New("client: no key of the log is known: sign in again to get it from the server")

// Follow checks that the head of a compartment is signed by the log key and
// continues the one seen last, and remembers it. It doesn't look at entries:
// it costs two short calls however long the log is.
//
// The error is a [*LogError] if something doesn't hold; whatever else goes
// wrong tells nothing about the log.
func (c *Client) Follow(ctx context.Context, trial, list string) (Verified, error) {
	f, err := c.follow(ctx, trial, list)
	if err != nil {
		return Verified{}, err
	}
	v := f.verified()
	err = c.remember(ctx, f)
	v.Before = c.before.take(list, v.Before)
	return v, err
}

// VerifyList checks a compartment as Follow does, and that the hashes of its
// entries add up to its head, and on the way to what witnesses have co-signed.
// Then it remembers the head. Progress, which may be nil, is told how many
// hashes of how many were taken.
//
// The errors are those of Follow.
func (c *Client) VerifyList(ctx context.Context, trial, list string, progress func(done, total int64)) (Verified, error) {
	f, err := c.follow(ctx, trial, list)
	if err != nil {
		return Verified{}, err
	}
	v := f.verified()
	if err := c.witnessed(ctx, &v, f); err != nil {
		return Verified{}, err
	}
	if err := c.recompute(ctx, recomputation{trial, list, v, progress}); err != nil {
		return Verified{}, err
	}
	if err := c.rememberWitnessed(ctx, list, f.cosigned); err != nil {
		return Verified{}, err
	}
	err = c.remember(ctx, f)
	v.Before = c.before.take(list, v.Before)
	return v, err
}

// followed is a head that continues the one that was seen before.
type followed struct {
	trial, list string
	seen, now   head
	cosigned    string // the co-signed checkpoint that came with it
}

func (f followed) verified() Verified {
	return Verified{Checkpoint: f.now.Checkpoint, Signed: []byte(f.now.signed), Before: f.seen.Size}
}

// follow does what Follow does, but remembers nothing.
func (c *Client) follow(ctx context.Context, trial, list string) (followed, error) {
	if c.verifier == nil {
		return followed{}, errNoKey
	}
	seen, err := c.seen(list) // before the call: nothing older may come in answer
	if err != nil {
		return followed{}, err
	}
	answer, err := c.Audit().GetCheckpoint(ctx, &loddv1.GetCheckpointRequest{TrialId: trial, List: list})
	if err != nil {
		return followed{}, err
	}
	now, err := c.given(answer.GetCheckpoint(), list, seen)
	if err != nil {
		return followed{}, err
	}
	f := followed{trial, list, seen, now, answer.GetCosigned()}
	return f, c.connected(ctx, f)
}

// connected asks for the proof that a head continues another one, and checks it.
func (c *Client) connected(ctx context.Context, f followed) error {
	var hashes [][]byte
	if 0 < f.seen.Size && f.seen.Size < f.now.Size {
		proof, err := c.Audit().ProveConsistency(ctx, &loddv1.ProveConsistencyRequest{
			TrialId: f.trial, List: f.list, OldSize: f.seen.Size, NewSize: f.now.Size,
		})
		if err != nil {
			return err
		}
		hashes = proof.GetHashes()
	}
	return c.continues(ctx, f, hashes)
}

// remember remembers a head that continues the one seen before. If meanwhile
// another process was shown another one, they are held against each other first:
// a log that is shown in two versions at once must not pass in both.
func (c *Client) remember(ctx context.Context, f followed) error {
	c.before.note(f.list, f.seen.Size)
	for {
		var seen []byte
		if f.seen.Size >= 0 {
			seen = []byte(f.seen.signed)
		}
		b, err := c.memory.swap(ctx, f.list, seen, []byte(f.now.signed))
		if err != nil || b == nil {
			return err
		}
		other, err := c.openSeen(b, f.list)
		if err != nil {
			return err
		}
		if other.Size > f.now.Size {
			f.seen, f.now = f.now, other
			return c.connected(ctx, f)
		}
		f.seen = other
		if err := c.connected(ctx, f); err != nil {
			return err
		}
	}
}

// A head is a checkpoint and the note that says so.
type head struct {
	audit.Checkpoint
	signed string
}

// seen returns the head of a list that is remembered. Its size is -1 if none is.
func (c *Client) seen(list string) (head, error) {
	signed, err := c.memory.load(list)
	if err != nil || signed == nil {
		return head{Checkpoint: audit.Checkpoint{Size: -1}}, err
	}
	return c.openSeen(signed, list)
}

// openSeen opens a checkpoint of the memory.
func (c *Client) openSeen(signed []byte, list string) (head, error) {
	seen, err := c.openCheckpoint(signed, list)
	if err != nil {
		return head{}, c.found(finding{
			List: list, Remembered: string(signed), memory: c.memory.path(list),
			Problem: fmt.Sprintf("the checkpoint in %s, seen earlier: %v; the server has another log key, or the file was changed", c.memory.path(list), err),
		})
	}
	return head{seen, string(signed)}, nil
}

// given returns the head of a list as the server gave it; seen is for evidence.
func (c *Client) given(signed, list string, seen head) (head, error) {
	now, err := c.openCheckpoint([]byte(signed), list)
	if err != nil {
		return head{}, c.found(finding{List: list, Remembered: seen.signed, Given: signed, Problem: "the checkpoint that the server gave: " + err.Error()})
	}
	return head{now, signed}, nil
}

// openCheckpoint verifies the signature of a checkpoint and that it is of list.
func (c *Client) openCheckpoint(signed []byte, list string) (audit.Checkpoint, error) {
	checkpoint, err := audit.OpenCheckpoint(signed, note.VerifierList(c.verifier))
	if err == nil && !strings.HasSuffix(checkpoint.Origin, "/"+list) {
		err = fmt.Errorf("it is of %q and not of %s", checkpoint.Origin, list)
	}
	return checkpoint, err
}

// continues checks that a head continues the remembered one, if there is one, by
// a proof from the server.
func (c *Client) continues(ctx context.Context, of followed, hashes [][]byte) error {
	seen, now := of.seen, of.now
	f := finding{List: of.list, Remembered: seen.signed, Given: now.signed, Consistency: hashes, seen: seen.Size, shown: now.Size}
	if seen.Size < 0 {
		return nil
	}
	if f.shorter = now.Size < seen.Size; f.shorter {
		f.Problem = fmt.Sprintf("the log has become shorter: %d entries, but %d were seen before; "+
			"an older copy of the server was restored, or somebody cut the newest entries", now.Size, seen.Size)
		return c.lost(ctx, of.trial, f)
	}
	proof, err := openHashes(hashes)
	if err == nil {
		if err = now.CheckTree(seen.Checkpoint, proof); err == nil {
			return nil
		}
		err = fmt.Errorf("the log was rewritten since it had %d entries: %w", seen.Size, err)
	}
	f.Problem, f.rewritten = err.Error(), true
	return c.lost(ctx, of.trial, f)
}

// openHashes reads the hashes of a proof.
func openHashes(hashes [][]byte) ([]tlog.Hash, error) {
	var proof []tlog.Hash
	for _, h := range hashes {
		if len(h) != tlog.HashSize {
			return nil, fmt.Errorf("the proof that the server gave has a hash of %d bytes", len(h))
		}
		proof = append(proof, tlog.Hash(h))
	}
	return proof, nil
}

// A recomputation computes the head of a list from the hashes of its entries.
type recomputation struct {
	trial, list string
	want        Verified
	progress    func(done, total int64) // may be nil
}

// recompute checks that the entries of a list add up to what was signed.
func (c *Client) recompute(ctx context.Context, r recomputation) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream if we return early
	defer cancel()
	bad := func(format string, args ...any) error {
		return c.found(finding{List: r.list, Given: string(r.want.Signed), Problem: fmt.Sprintf(format, args...)})
	}
	size := r.want.Checkpoint.Size
	stream, err := c.Audit().ListLeaves(ctx, &loddv1.ListLeavesRequest{TrialId: r.trial, List: r.list, Size: size})
	if err != nil {
		return err
	}
	var tree audit.Tree
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		b := answer.GetHashes()
		if len(b)%tlog.HashSize != 0 || tree.Size()+int64(len(b)/tlog.HashSize) > size {
			return bad("the server sent %d bytes of hashes after %d of %d entries", len(b), tree.Size(), size)
		}
		for ; len(b) > 0; b = b[tlog.HashSize:] {
			tree.Add(tlog.Hash(b[:tlog.HashSize]))
			if w := r.want.Cosigned; w != nil && w.Size == tree.Size() && w.Root != tree.Root() {
				return bad("the first %d entries add up to %v, but a witness has co-signed %v: the log was shown in two versions", w.Size, tree.Root(), w.Root)
			}
		}
		if r.progress != nil {
			r.progress(tree.Size(), size)
		}
	}
	switch {
	case tree.Size() != size:
		return bad("the server sent the hashes of %d entries, the checkpoint has %d", tree.Size(), size)
	case tree.Root() != r.want.Checkpoint.Root:
		return bad("the %d entries add up to %v, but the signed root is %v", size, tree.Root(), r.want.Checkpoint.Root)
	}
	return nil
}
