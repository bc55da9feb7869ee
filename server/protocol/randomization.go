package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// The keys of the randomization file.
var (
	randomizationKeys = []string{"design", "block_sizes", "tolerance", "length", "chance", "alpha", "beta", "factors", "measure"}
	blockSizeKeys     = []string{"size", "chance"}
	weighedKeys       = []string{"id", "weight", "levels"}
)

// A namedDesign is a design as a randomization file names it.
type namedDesign struct {
	name string
	keys []string // beside "design", all required but the tolerance of a list

	// read reads the design for what it must fit. Only if there are no faults is
	// what it returns used.
	read func(f fields, to frame) randomization.Design

	// key is where a fault of the whole design is shown.
	key string
}

// namedDesigns are the designs that a randomization file can name.
var namedDesigns = []namedDesign{
	{"blocks", []string{"block_sizes"}, readBlocks, "block_sizes"},
	{"complete", nil, readComplete, "design"},
	{"big-stick", []string{"tolerance"}, readBigStick, "tolerance"},
	{"maximal", []string{"tolerance", "length"}, readMaximal, "length"},
	{"efron", []string{"chance"}, readEfron, "chance"},
	{"urn", []string{"alpha", "beta"}, readUrn, "alpha"},
	{"minimization", []string{"factors", "measure", "chance"}, readMinimization, "factors"},
	{"list", []string{"tolerance"}, readList, "design"},
}

// A frame is what a design must fit, and what comes with the file.
type frame struct {
	ratio    []int
	protocol *trial.Protocol // nil if only the ratio of its arms is known
	list     List
}

// permutedBlocks is another name of blocks, which older files have.
const permutedBlocks = "permuted-blocks"

// ParseRandomization reads a randomization file; name is its name in messages,
// ratio that of the protocol's arms, of which no more is known: minimization
// must say how many levels its factors have, and a statistician's own list can't
// be read. The file says what the protocol must not: the design, which would let
// a reader predict the next arm. The error joins one [*Error] for each thing that
// is wrong, in the order of lines.
func ParseRandomization(name string, data []byte, ratio []int) (randomization.Design, error) {
	return parseRandomization(name, data, frame{ratio: ratio})
}

// ParseDesign reads a randomization file as [ParseRandomization] does, for a
// protocol, with the statistician's own list if that is the design.
func ParseDesign(name string, data []byte, list List, p *trial.Protocol) (randomization.Design, error) {
	to := frame{protocol: p, list: list}
	for _, arm := range p.Arms {
		to.ratio = append(to.ratio, arm.Ratio)
	}
	return parseRandomization(name, data, to)
}

func parseRandomization(name string, data []byte, to frame) (randomization.Design, error) {
	d := &document{file: name}
	top := d.parse(data)
	if top == nil {
		return nil, d.err()
	}
	f := d.mapping(top, "randomization", randomizationKeys)
	var design randomization.Design
	if named, ok := designOf(f); ok {
		onlyKeysOf(f, named)
		design = named.read(f, to)
		if l, ok := design.(randomization.List); ok && len(d.faults) == 0 {
			return readTable(l, to)
		}
		if len(to.list.Data) > 0 && named.name != "list" {
			f.bad("design", "%s is drawn, but a list is given too: give none, or use the design list", named.name)
		}
		if len(d.faults) == 0 {
			checkDesign(f, named, design, to.ratio)
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return design, nil
}

// designOf returns the design that the file names.
func designOf(f fields) (namedDesign, bool) {
	text := f.text("design")
	if text == permutedBlocks {
		text = namedDesigns[0].name
	}
	var names []string
	for _, n := range namedDesigns {
		if n.name == text {
			return n, true
		}
		names = append(names, n.name)
	}
	if text != "" {
		f.bad("design", "%q, want one of %s", text, list(names))
	}
	return namedDesign{}, false
}

// onlyKeysOf notes the keys that another design has.
func onlyKeysOf(f fields, n namedDesign) {
	for _, key := range randomizationKeys[1:] {
		if !f.has(key) || slices.Contains(n.keys, key) {
			continue
		}
		f.bad(key, "the design %s has no such key; it has %s", n.name, list(append([]string{"design"}, n.keys...)))
	}
}

// checkDesign notes what package randomization says of a design, and a design
// that isn't defined for the ratio of the arms.
func checkDesign(f fields, n namedDesign, design randomization.Design, ratio []int) {
	if fits := design.ArmRatio(); !slices.Equal(fits, ratio) {
		f.bad("design", "%s is defined for arms in the ratio %s, and the protocol's is %s: use blocks or complete", n.name, colons(fits), colons(ratio))
		return
	}
	if err := design.Validate(); err != nil {
		f.bad(n.key, "%s", strings.TrimPrefix(err.Error(), randomization.ErrDesign.Error()+": "))
	}
}

func readBlocks(f fields, to frame) randomization.Design {
	b := randomization.Blocks{Ratio: slices.Clone(to.ratio)}
	for _, n := range f.elements("block_sizes", 1, 16) {
		b.Sizes = append(b.Sizes, blockSize(f.d, n))
	}
	return b
}

func readComplete(_ fields, to frame) randomization.Design {
	return randomization.Complete{Ratio: slices.Clone(to.ratio)}
}

func readBigStick(f fields, _ frame) randomization.Design {
	return randomization.BigStick{Tolerance: f.required("tolerance", 1, 64)}
}

func readMaximal(f fields, _ frame) randomization.Design {
	m := randomization.Maximal{Tolerance: f.required("tolerance", 1, 64), Length: f.required("length", 4, 1024)}
	if m.Tolerance == 1 {
		checkDesign(f, namedDesign{key: "tolerance"}, randomization.BigStick{Tolerance: 1}, []int{1, 1})
	}
	return m
}

func readEfron(f fields, _ frame) randomization.Design {
	favored, of := f.fraction("chance", "2/3")
	return randomization.BiasedCoin{Favored: favored, Of: of}
}

// fraction reads a chance as people write it, 2/3: no decimal number is it.
func (f fields) fraction(key, example string) (x, y int) {
	text := f.word(key)
	over, under, ok := strings.Cut(text, "/")
	x, errX := strconv.Atoi(over)
	y, errY := strconv.Atoi(under)
	if text != "" && (!ok || errX != nil || errY != nil) {
		f.bad(key, "%q, want a fraction as %s", text, example)
	}
	return x, y
}

func readUrn(f fields, to frame) randomization.Design {
	return randomization.Urn{Arms: len(to.ratio), Alpha: f.required("alpha", 0, 1000), Beta: f.required("beta", 0, 1000)}
}

// required returns a number from low to high, which must be there.
func (f fields) required(key string, low, high int) int {
	if !f.has(key) {
		f.node(key) // says that it is missing
	}
	return f.integer(key, low, high, 0)
}

// blockSize reads "4" or "{size: 4, chance: 1}".
func blockSize(d *document, n ast.Node) randomization.BlockSize {
	if i, ok := d.follow(n).(*ast.IntegerNode); ok {
		// Read as the mapping {size: n}.
		f := fields{d: d, what: "block size", begin: line(i), values: map[string]ast.Node{"size": i}}
		return randomization.BlockSize{Size: f.integer("size", 1, 256, 0), Weight: 1}
	}
	f := d.mapping(n, "block size", blockSizeKeys)
	return randomization.BlockSize{Size: f.required("size", 1, 256), Weight: f.integer("chance", 1, 1000, 1)}
}

// colons writes a ratio the way people do: 2:1.
func colons(ratio []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(ratio), "[]"), " ", ":")
}
