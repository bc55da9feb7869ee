package protocol

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lodd-rct/lodd/randomization"
)

// The keys of the randomization file.
var (
	randomizationKeys = []string{"design", "block_sizes"}
	blockSizeKeys     = []string{"size", "chance"}
)

// permutedBlocks is the design that a randomization file can name.
const permutedBlocks = "permuted-blocks"

// ParseRandomization reads a randomization file; name is its name in messages,
// ratio that of the protocol's arms. The file says what the protocol must not:
// the sizes of the blocks, which would let a reader predict the next arm. The
// error joins one [*Error] for each thing that is wrong, in the order of lines.
func ParseRandomization(name string, data []byte, ratio []int) (randomization.Blocks, error) {
	d := &document{file: name}
	top := d.parse(data)
	if top == nil {
		return randomization.Blocks{}, d.err()
	}
	f := d.mapping(top, "randomization", randomizationKeys)
	if design := f.text("design"); design != "" && design != permutedBlocks {
		f.bad("design", "%q, want %s", design, permutedBlocks)
	}
	b := randomization.Blocks{Ratio: ratio}
	for _, n := range f.elements("block_sizes", 1, 16) {
		b.Sizes = append(b.Sizes, blockSize(d, n))
	}
	if len(d.faults) == 0 {
		if err := b.Validate(); err != nil {
			f.bad("block_sizes", "%s", strings.TrimPrefix(err.Error(), randomization.ErrDesign.Error()+": "))
		}
	}
	if err := d.err(); err != nil {
		return randomization.Blocks{}, err
	}
	return b, nil
}

// blockSize reads "4" or "{size: 4, chance: 1}".
func blockSize(d *document, n ast.Node) randomization.BlockSize {
	if i, ok := d.follow(n).(*ast.IntegerNode); ok {
		// Read as the mapping {size: n}.
		f := fields{d: d, what: "block size", begin: line(i), values: map[string]ast.Node{"size": i}}
		return randomization.BlockSize{Size: f.integer("size", 1, 256, 0), Weight: 1}
	}
	f := d.mapping(n, "block size", blockSizeKeys)
	if !f.has("size") {
		f.node("size") // says that it is missing
	}
	return randomization.BlockSize{Size: f.integer("size", 1, 256, 0), Weight: f.integer("chance", 1, 1000, 1)}
}
