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

	// Before is the size of the list when it was seen last from here, all of
	// which is unchanged; -1 if it wasn't seen before.
	Before int64

	// Cosigned is the newest checkpoint under which a witness has signed whom the
	// client knows; nil if there is none. The head continues it if VerifyList
	// says so; Follow doesn't look.
	Cosigned *audit.Cosigned
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
	v, _, err := c.follow(ctx, trial, list)
	if err == nil {
		err = c.remember(list, v)
	}
	return v, err
}

// VerifyList checks a compartment as Follow does, and that the hashes of its
// entries add up to its head, and on the way to what witnesses have co-signed.
// Then it remembers the head. Progress, which may be nil, is told how many
// hashes of how many were taken.
//
// The errors are those of Follow.
func (c *Client) VerifyList(ctx context.Context, trial, list string, progress func(done, total int64)) (Verified, error) {
	v, cosigned, err := c.follow(ctx, trial, list)
	if err != nil {
		return Verified{}, err
	}
	if cosigned != "" {
		if v.Cosigned, err = c.openCosigned(v, list, cosigned); err != nil {
			return Verified{}, err
		}
	}
	if err := c.recompute(ctx, recomputation{trial, list, v, progress}); err != nil {
		return Verified{}, err
	}
	return v, c.remember(list, v)
}

// follow does what Follow does, but remembers nothing. It returns the co-signed
// checkpoint of the same answer, too.
func (c *Client) follow(ctx context.Context, trial, list string) (Verified, string, error) {
	if c.verifier == nil {
		return Verified{}, "", errNoKey
	}
	seen, err := c.seen(list) // before the call: nothing older may come in answer
	if err != nil {
		return Verified{}, "", err
	}
	answer, err := c.Audit().GetCheckpoint(ctx, &loddv1.GetCheckpointRequest{TrialId: trial, List: list})
	if err != nil {
		return Verified{}, "", err
	}
	now, err := c.given(answer.GetCheckpoint(), list, seen)
	if err != nil {
		return Verified{}, "", err
	}
	var hashes [][]byte
	if 0 < seen.Size && seen.Size < now.Size {
		proof, err := c.Audit().ProveConsistency(ctx, &loddv1.ProveConsistencyRequest{TrialId: trial, List: list, OldSize: seen.Size, NewSize: now.Size})
		if err != nil {
			return Verified{}, "", err
		}
		hashes = proof.GetHashes()
	}
	if err := c.continues(list, seen, now, hashes); err != nil {
		return Verified{}, "", err
	}
	return Verified{Checkpoint: now.Checkpoint, Signed: []byte(now.signed), Before: seen.Size}, answer.GetCosigned(), nil
}

func (c *Client) remember(list string, v Verified) error {
	return c.memory.save(list, v.Signed, v.Checkpoint.Size, c.openCheckpoint)
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
	seen, err := c.openCheckpoint(signed, list)
	if err != nil {
		return head{}, c.found(finding{
			List: list, Remembered: string(signed),
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
func (c *Client) continues(list string, seen, now head, hashes [][]byte) error {
	f := finding{List: list, Remembered: seen.signed, Given: now.signed, Consistency: hashes}
	if seen.Size < 0 {
		return nil
	}
	if f.shorter = now.Size < seen.Size; f.shorter {
		f.Problem = fmt.Sprintf("the log has become shorter: %d entries, but %d were seen before; "+
			"an older copy of the server was restored, or somebody cut the newest entries", now.Size, seen.Size)
		return c.found(f)
	}
	proof, err := openHashes(hashes)
	if err == nil {
		if err = now.CheckTree(seen.Checkpoint, proof); err == nil {
			return nil
		}
		err = fmt.Errorf("the log was rewritten since it had %d entries: %w", seen.Size, err)
	}
	f.Problem = err.Error()
	return c.found(f)
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

// openCosigned opens the co-signed checkpoint that came with a head; nil if no
// witness that the client knows has signed it.
func (c *Client) openCosigned(v Verified, list, signed string) (*audit.Cosigned, error) {
	cosigned, err := audit.OpenCosigned([]byte(signed), c.verifier, c.config.Witnesses...)
	switch {
	case err != nil:
	case cosigned.Origin != v.Checkpoint.Origin:
		err = fmt.Errorf("it is of %q and not of %s", cosigned.Origin, list)
	case cosigned.Size > v.Checkpoint.Size:
		err = fmt.Errorf("it has %d entries, but the log shows %d", cosigned.Size, v.Checkpoint.Size)
	case len(cosigned.Cosignatures) == 0:
		return nil, nil
	default:
		return &cosigned, nil
	}
	return nil, c.found(finding{List: list, Given: string(v.Signed), Cosigned: signed, Problem: "the co-signed checkpoint that the server gave: " + err.Error()})
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
