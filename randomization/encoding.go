package randomization

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The tags keep the uses of a seed and of SHA-256 apart. A change of what any
// of them stands for needs a new version in it.
const (
	tagBlocks       = "lodd/randomization/v1/blocks"
	tagStream       = "lodd/randomization/v1/stream"
	tagContribution = "lodd/randomization/v1/contribution"
	tagCommitment   = "lodd/randomization/v1/commitment"
)

// Encode returns the canonical bytes of the design, which [DecodeBlocks] reads.
// Two designs have the same bytes only if they are equal.
func (b Blocks) Encode() []byte {
	out := pack([]byte(tagBlocks))
	out = appendNumber(out, len(b.Ratio))
	for _, r := range b.Ratio {
		out = appendNumber(out, r)
	}
	out = appendNumber(out, len(b.Sizes))
	for _, s := range b.Sizes {
		out = appendNumber(out, s.Size)
		out = appendNumber(out, s.Weight)
	}
	return out
}

// DecodeBlocks is the inverse of [Blocks.Encode]. It accepts only what Encode
// returns for a design that [Blocks.Validate] accepts; its error wraps
// [ErrDesign].
func DecodeBlocks(data []byte) (Blocks, error) {
	r := reader{rest: data}
	r.expect(pack([]byte(tagBlocks)))
	var b Blocks
	for range r.number(maxArms) {
		b.Ratio = append(b.Ratio, r.number(maxSize))
	}
	for range r.number(maxSizes) {
		b.Sizes = append(b.Sizes, BlockSize{Size: r.number(maxSize), Weight: r.number(maxWeight)})
	}
	if r.bad || len(r.rest) > 0 {
		return Blocks{}, fmt.Errorf("%w: %d bytes are not an encoded permuted-block design of version 1", ErrDesign, len(data))
	}
	if err := b.Validate(); err != nil {
		return Blocks{}, err
	}
	return b, nil
}

// A reader takes encoded numbers off a byte slice. After the first mismatch it
// is bad and reads zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) expect(want []byte) {
	if len(r.rest) < len(want) || !slices.Equal(r.rest[:len(want)], want) {
		r.bad = true
		return
	}
	r.rest = r.rest[len(want):]
}

// number reads one number, which is at most limit.
func (r *reader) number(limit int) int {
	if r.bad || len(r.rest) < 8 {
		r.bad = true
		return 0
	}
	n := binary.BigEndian.Uint64(r.rest)
	if n > uint64(limit) {
		r.bad = true
		return 0
	}
	r.rest = r.rest[8:]
	return int(n)
}

// pack joins fields so that no two lists of fields give the same bytes: each
// is preceded by its length.
func pack(fields ...[]byte) []byte {
	var out []byte
	for _, f := range fields {
		out = appendNumber(out, len(f))
		out = append(out, f...)
	}
	return out
}

// appendNumber appends n as 8 bytes, big endian.
func appendNumber(out []byte, n int) []byte {
	return binary.BigEndian.AppendUint64(out, uint64(n))
}
