package randomization

import (
	"encoding/binary"
	"fmt"
)

// The tags keep the uses of a seed and of SHA-256 apart. A change of what any
// of them stands for needs a new version in it.
const (
	tagBlocks       = "lodd/randomization/v1/blocks"
	tagComplete     = "lodd/randomization/v1/complete"
	tagBigStick     = "lodd/randomization/v1/big-stick"
	tagMaximal      = "lodd/randomization/v1/maximal"
	tagEfron        = "lodd/randomization/v1/efron"
	tagUrn          = "lodd/randomization/v1/urn"
	tagMinimization = "lodd/randomization/v1/minimization"
	tagList         = "lodd/randomization/v1/list"
	tagStream       = "lodd/randomization/v1/stream"
	tagContribution = "lodd/randomization/v1/contribution"
	tagCommitment   = "lodd/randomization/v1/commitment"
)

// Encode implements [Design].
func (b Blocks) Encode() []byte {
	out := appendNumbers(pack([]byte(tagBlocks)), append([]int{len(b.Ratio)}, b.Ratio...)...)
	out = appendNumber(out, len(b.Sizes))
	for _, s := range b.Sizes {
		out = appendNumbers(out, s.Size, s.Weight)
	}
	return out
}

// DecodeDesign is the inverse of [Design.Encode]. It accepts only what Encode
// returns for a design that [Design.Validate] accepts; its error wraps
// [ErrDesign].
func DecodeDesign(data []byte) (Design, error) {
	r := &reader{rest: data}
	var d Design
	switch string(r.field(maxName)) {
	case tagBlocks:
		d = readBlocks(r)
	case tagComplete:
		d = Complete{Ratio: r.numbers(maxArms, maxSize)}
	case tagBigStick:
		d = BigStick{Tolerance: r.number(maxTolerance)}
	case tagMaximal:
		d = Maximal{Tolerance: r.number(maxTolerance), Length: r.number(maxLength)}
	case tagEfron:
		d = BiasedCoin{Favored: r.number(maxChance), Of: r.number(maxChance)}
	case tagUrn:
		d = Urn{Arms: r.number(maxArms), Alpha: r.number(maxBalls), Beta: r.number(maxBalls)}
	case tagMinimization:
		d = readMinimization(r)
	case tagList:
		d = readList(r)
	default:
		r.bad = true
	}
	if r.bad || len(r.rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes are not an encoded design of version 1", ErrDesign, len(data))
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return d, nil
}

func readBlocks(r *reader) Blocks {
	b := Blocks{Ratio: r.numbers(maxArms, maxSize)}
	for range r.number(maxSizes) {
		b.Sizes = append(b.Sizes, BlockSize{Size: r.number(maxSize), Weight: r.number(maxWeight)})
	}
	return b
}

// A reader takes encoded numbers off a byte slice. After the first mismatch it
// is bad and reads zeros.
type reader struct {
	rest []byte
	bad  bool
}

// field reads a field of at most limit bytes, after its length.
func (r *reader) field(limit int) []byte {
	n := r.number(limit)
	if n > len(r.rest) {
		r.bad = true
		return nil
	}
	field := r.rest[:n]
	r.rest = r.rest[n:]
	return field
}

// numbers reads at most many numbers, after how many they are.
func (r *reader) numbers(many, limit int) []int {
	var ns []int
	for range r.number(many) {
		ns = append(ns, r.number(limit))
	}
	return ns
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

func appendNumbers(out []byte, ns ...int) []byte {
	for _, n := range ns {
		out = appendNumber(out, n)
	}
	return out
}
