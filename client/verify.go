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

// A LogError tells that the server's log is not what it claims to be, or not
// what it was. It is evidence: keep the remembered checkpoint.
type LogError struct {
	// List is the compartment.
	List string

	// Problem says what was found.
	Problem string
}

// Error implements error.
func (e *LogError) Error() string { return e.List + ": " + e.Problem }

// Verified is what VerifyList found to be true.
type Verified struct {
	// Checkpoint is the head that the entries add up to.
	Checkpoint audit.Checkpoint

	// Before is the size of the list when it was seen last from here, all of
	// which is unchanged; -1 if it wasn't seen before.
	Before int64
}

// VerifyList checks a compartment: its checkpoint is signed by the log key, it
// continues the checkpoint seen last, and the hashes of its entries add up to
// it. Then the checkpoint is remembered. Progress, which may be nil, is told
// how many hashes of how many were taken.
//
// The error is a [*LogError] if something doesn't hold; whatever else goes
// wrong tells nothing about the log.
func (c *Client) VerifyList(ctx context.Context, trial, list string, progress func(done, total int64)) (Verified, error) {
	memory := memory{dir: c.config.Checkpoints, pin: c.config.Pin}
	if _, err := note.NewVerifier(c.config.LogKey); err != nil {
		return Verified{}, errors.New("client: no key of the log is known: sign in again to get it from the server")
	}
	answer, err := c.Audit().GetCheckpoint(ctx, &loddv1.GetCheckpointRequest{TrialId: trial, List: list})
	if err != nil {
		return Verified{}, err
	}
	signed := []byte(answer.GetCheckpoint())
	now, err := c.openCheckpoint(signed, list)
	if err != nil {
		return Verified{}, &LogError{list, "the checkpoint that the server gave: " + err.Error()}
	}
	before, err := c.continues(ctx, trial, list, now)
	if err != nil {
		return Verified{}, err
	}
	root, err := c.recompute(ctx, &loddv1.ListLeavesRequest{TrialId: trial, List: list, Size: now.Size}, progress)
	if err != nil {
		return Verified{}, err
	}
	if root != now.Root {
		return Verified{}, &LogError{list, fmt.Sprintf("the %d entries add up to %v, but the signed root is %v", now.Size, root, now.Root)}
	}
	if err := memory.save(list, signed, now.Size, c.openCheckpoint); err != nil {
		return Verified{}, err
	}
	return Verified{Checkpoint: now, Before: before}, nil
}

// openCheckpoint verifies the signature of a checkpoint and that it is of list.
func (c *Client) openCheckpoint(signed []byte, list string) (audit.Checkpoint, error) {
	verifier, err := note.NewVerifier(c.config.LogKey)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	checkpoint, err := audit.OpenCheckpoint(signed, note.VerifierList(verifier))
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if !strings.HasSuffix(checkpoint.Origin, "/"+list) {
		return audit.Checkpoint{}, fmt.Errorf("it is of %q and not of %s", checkpoint.Origin, list)
	}
	return checkpoint, nil
}

// continues checks that a checkpoint continues the remembered one and returns
// the size of that, -1 if there is none.
func (c *Client) continues(ctx context.Context, trial, list string, now audit.Checkpoint) (int64, error) {
	memory := memory{dir: c.config.Checkpoints, pin: c.config.Pin}
	signed, err := memory.load(list)
	if err != nil || signed == nil {
		return -1, err
	}
	seen, err := c.openCheckpoint(signed, list)
	if err != nil {
		return -1, &LogError{list, fmt.Sprintf("the checkpoint in %s, seen earlier: %v; the server has another log key, or the file was changed", memory.path(list), err)}
	}
	if now.Size < seen.Size {
		return -1, &LogError{list, fmt.Sprintf("the log has become shorter: %d entries, but %d were seen before", now.Size, seen.Size)}
	}
	var proof tlog.TreeProof
	if 0 < seen.Size && seen.Size < now.Size {
		answer, err := c.Audit().ProveConsistency(ctx, &loddv1.ProveConsistencyRequest{TrialId: trial, List: list, OldSize: seen.Size, NewSize: now.Size})
		if err != nil {
			return -1, err
		}
		for _, h := range answer.GetHashes() {
			if len(h) != tlog.HashSize {
				return -1, &LogError{list, fmt.Sprintf("the proof that the server gave has a hash of %d bytes", len(h))}
			}
			proof = append(proof, tlog.Hash(h))
		}
	}
	if err := now.CheckTree(seen, proof); err != nil {
		return -1, &LogError{list, fmt.Sprintf("the log was rewritten since it had %d entries: %v", seen.Size, err)}
	}
	return seen.Size, nil
}

// recompute returns the root of the first entries of a list from their hashes.
func (c *Client) recompute(ctx context.Context, req *loddv1.ListLeavesRequest, progress func(done, total int64)) (tlog.Hash, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream if we return early
	defer cancel()
	stream, err := c.Audit().ListLeaves(ctx, req)
	if err != nil {
		return tlog.Hash{}, err
	}
	var tree audit.Tree
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return tlog.Hash{}, err
		}
		b := answer.GetHashes()
		if len(b)%tlog.HashSize != 0 || tree.Size()+int64(len(b)/tlog.HashSize) > req.GetSize() {
			return tlog.Hash{}, &LogError{req.GetList(), fmt.Sprintf("the server sent %d bytes of hashes after %d of %d entries", len(b), tree.Size(), req.GetSize())}
		}
		for ; len(b) > 0; b = b[tlog.HashSize:] {
			tree.Add(tlog.Hash(b[:tlog.HashSize]))
		}
		if progress != nil {
			progress(tree.Size(), req.GetSize())
		}
	}
	if tree.Size() != req.GetSize() {
		return tlog.Hash{}, &LogError{req.GetList(), fmt.Sprintf("the server sent the hashes of %d entries, the checkpoint has %d", tree.Size(), req.GetSize())}
	}
	return tree.Root(), nil
}
