package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxCheckpoint is the most bytes of a signed checkpoint that are looked at.
const maxCheckpoint = 64 << 10

// maxProven is the largest list about which proofs are checked: package tlog never
// ends with a larger one, and a server can sign a head of any size.
const maxProven = 1 << 62

// A Checkpoint is the head of a list at some size: who holds that root holds
// all entries before it.
//
// Source: C2SP tlog-checkpoint (2025).
type Checkpoint struct {
	// Origin names the list among all lists of the world: the instance, "/"
	// and the list.
	Origin string

	// Size is the number of entries.
	Size int64

	// Root is the root of the RFC 6962 tree over them.
	Root tlog.Hash
}

// String returns the body of the checkpoint, the text that is signed: origin,
// decimal size and base64 root, a line each.
func (c Checkpoint) String() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// Sign returns the checkpoint as a note signed by the signers.
func (c Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.String()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("audit: sign checkpoint of %s: %w", c.Origin, err)
	}
	return signed, nil
}

// OpenCheckpoint returns the checkpoint of a signed note. At least one of the
// verifiers must have signed it, and none may have signed it wrongly. The
// caller still has to compare the origin with the one that it expects.
func OpenCheckpoint(signed []byte, verifiers note.Verifiers) (Checkpoint, error) {
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("audit: checkpoint has %d bytes, at most %d are allowed", len(signed), maxCheckpoint)
	}
	n, err := note.Open(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: open checkpoint: %w", explained(err))
	}
	return parseCheckpoint(n.Text)
}

// explained adds to an error of a note what it means.
func explained(err error) error {
	if other, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		var names []string
		for _, s := range other.Note.UnverifiedSigs {
			names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
		return fmt.Errorf("it is signed by %s, and not by the key of this log: %w", strings.Join(names, " and "), err)
	}
	if _, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return fmt.Errorf("it isn't what the key of this log has signed: %w", err)
	}
	return fmt.Errorf("it is no signed checkpoint, or a damaged one: %w", err)
}

// parseCheckpoint parses the body. Lines after the third are extensions, which
// the format allows and which are ignored.
func parseCheckpoint(text string) (Checkpoint, error) {
	bad := func(reason string) (Checkpoint, error) {
		return Checkpoint{}, errors.New("audit: parse checkpoint: " + reason)
	}
	if !strings.HasSuffix(text, "\n") {
		return bad("last line doesn't end")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 || lines[0] == "" {
		return bad("want a line each for origin, size and root")
	}
	for _, extension := range lines[3:] {
		if extension == "" {
			return bad("empty line")
		}
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return bad("size is not a decimal number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || len(lines[2]) != base64.StdEncoding.EncodedLen(tlog.HashSize) {
		return bad("root is not a hash in base64")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// provable returns an error if the list is so large that nothing is proven of it.
func (c Checkpoint) provable() error {
	if c.Size > maxProven {
		return fmt.Errorf("audit: %s has %d entries, and nothing is proven of more than %d", c.Origin, c.Size, int64(maxProven))
	}
	return nil
}

// CheckRecord returns an error unless the proof shows that the entry with this
// leaf hash is at index in the list of the checkpoint.
//
// Source: RFC 6962 (2013), section 2.1.1.
func (c Checkpoint) CheckRecord(index int64, leaf tlog.Hash, proof tlog.RecordProof) error {
	if err := c.provable(); err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, c.Size, c.Root, index, leaf); err != nil {
		return fmt.Errorf("audit: entry %d in %s of size %d: %w", index, c.Origin, c.Size, err)
	}
	return nil
}

// CheckTree returns an error unless the proof shows that the list of the older
// checkpoint is a prefix of that of c. Every list begins with the empty one.
//
// Source: RFC 6962 (2013), section 2.1.2.
func (c Checkpoint) CheckTree(older Checkpoint, proof tlog.TreeProof) error {
	if err := c.provable(); err != nil {
		return err
	}
	var err error
	switch {
	case older.Origin != c.Origin:
		return fmt.Errorf("audit: checkpoints of two lists, %s and %s", older.Origin, c.Origin)
	case older.Size == c.Size && older.Root != c.Root:
		return fmt.Errorf("audit: %s: there are two heads of size %d, with other roots", c.Origin, c.Size)
	case older.Size == 0:
		var empty Tree
		if older.Root != empty.Root() || len(proof) != 0 {
			err = errors.New("the empty list has another root, and needs no proof")
		}
	default:
		err = tlog.CheckTree(proof, c.Size, c.Root, older.Size, older.Root)
	}
	if err != nil {
		return fmt.Errorf("audit: %s: size %d is no prefix of size %d: %w", c.Origin, older.Size, c.Size, err)
	}
	return nil
}
