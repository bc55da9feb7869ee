package protocol_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/protocol"
)

// Sizes stand as numbers with equal chances, or with chances of their own.
func TestParseRandomization(t *testing.T) {
	for _, tt := range []struct {
		data  string
		sizes []randomization.BlockSize
	}{
		{"block_sizes: [6, 9]", []randomization.BlockSize{{Size: 6, Weight: 1}, {Size: 9, Weight: 1}}},
		{"block_sizes: [{size: 6, chance: 3}, {size: 9}]", []randomization.BlockSize{{Size: 6, Weight: 3}, {Size: 9, Weight: 1}}},
		{"block_sizes:\n  - 6\n  - size: 9\n    chance: 2\n", []randomization.BlockSize{{Size: 6, Weight: 1}, {Size: 9, Weight: 2}}},
	} {
		for _, name := range []string{"permuted-blocks", "blocks"} {
			got, err := protocol.ParseRandomization("r.yaml", []byte("design: "+name+"\n"+tt.data), []int{2, 1})
			if err != nil {
				t.Errorf("%s: %v", tt.data, err)
			}
			var want randomization.Design = randomization.Blocks{Ratio: []int{2, 1}, Sizes: tt.sizes}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tt.data, diff)
			}
		}
	}
}

// Every design can be named, with the numbers that it has.
func TestParseRandomizationNamesEveryDesign(t *testing.T) {
	for _, tt := range []struct {
		data  string
		ratio []int
		want  randomization.Design
	}{
		{"design: complete", []int{1, 1}, randomization.Complete{Ratio: []int{1, 1}}},
		{"design: complete", []int{1, 2, 3}, randomization.Complete{Ratio: []int{1, 2, 3}}},
		{"design: big-stick\ntolerance: 3", []int{1, 1}, randomization.BigStick{Tolerance: 3}},
		{"design: maximal\ntolerance: 3\nlength: 24", []int{1, 1}, randomization.Maximal{Tolerance: 3, Length: 24}},
		{"design: efron\nchance: 2/3", []int{1, 1}, randomization.BiasedCoin{Favored: 2, Of: 3}},
		{"design: urn\nalpha: 0\nbeta: 1", []int{1, 1}, randomization.Urn{Arms: 2, Alpha: 0, Beta: 1}},
		{"design: urn\nalpha: 2\nbeta: 3", []int{1, 1, 1}, randomization.Urn{Arms: 3, Alpha: 2, Beta: 3}},
	} {
		got, err := protocol.ParseRandomization("r.yaml", []byte(tt.data), tt.ratio)
		if err != nil {
			t.Errorf("%s: %v", tt.data, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.data, diff)
		}
	}
}

// A design that isn't defined for the protocol's arms is refused, with the
// designs that are.
func TestParseRandomizationRefusesOtherRatios(t *testing.T) {
	for _, tt := range []struct {
		data  string
		ratio []int
		want  string
	}{
		{"design: big-stick\ntolerance: 3", []int{2, 1}, "big-stick is defined for arms in the ratio 1:1, and the protocol's is 2:1"},
		{"design: maximal\ntolerance: 3\nlength: 24", []int{1, 1, 1}, "maximal is defined for arms in the ratio 1:1, and the protocol's is 1:1:1"},
		{"design: efron\nchance: 2/3", []int{1, 2}, "efron is defined for arms in the ratio 1:1, and the protocol's is 1:2"},
		{"design: urn\nalpha: 0\nbeta: 1", []int{2, 1}, "urn is defined for arms in the ratio 1:1, and the protocol's is 2:1"},
	} {
		_, err := protocol.ParseRandomization("r.yaml", []byte(tt.data), tt.ratio)
		if want := "r.yaml:1: randomization: design: " + tt.want + ": use blocks or complete"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", tt.data, err, want)
		}
	}
}

// A design that can't be used, or isn't clear, is refused with its line.
func TestParseRandomizationRefuses(t *testing.T) {
	const design = "design: permuted-blocks\n"
	for _, tt := range []struct{ data, want string }{
		{"", `1: the file is empty`},
		{"design: coin\nblock_sizes: [4]", `1: randomization: design: "coin", want one of blocks, complete, big-stick, maximal, efron, urn, minimization, list`},
		{"design: coin\nbeta: x", `1: randomization: design: "coin", want one of blocks, complete, big-stick, maximal, efron, urn, minimization, list`},
		{"design: complete\nblock_sizes: [4]", `2: randomization: block_sizes: the design complete has no such key; it has design`},
		{"design: maximal\nbeta: 1\ntolerance: 3\nlength: 24", `2: randomization: beta: the design maximal has no such key; it has design, tolerance, length`},
		{"design: big-stick", `1: randomization: key "tolerance" is missing`},
		{"design: big-stick\ntolerance: 1", `2: randomization: tolerance: tolerated imbalance 1 makes every second arm certain: use 2 or more`},
		{"design: big-stick\ntolerance: 65", `2: randomization: tolerance: 65, want 1 to 64`},
		{"design: maximal\ntolerance: 3", `1: randomization: key "length" is missing`},
		{"design: maximal\ntolerance: 1\nlength: 24", `2: randomization: tolerance: tolerated imbalance 1 makes every second arm certain: use 2 or more`},
		{"design: maximal\ntolerance: 3\nlength: 25", `3: randomization: length: planned length 25 of a stratum: use an even number from 4 to 1024`},
		{"design: maximal\ntolerance: 3\nlength: 4", `3: randomization: length: tolerated imbalance 3 can't be reached in a list of 4 that ends even: use 2 or less`},
		{"design: efron", `1: randomization: key "chance" is missing`},
		{"design: efron\nchance: 0.7", `2: randomization: chance: "0.7", want a fraction as 2/3`},
		{"design: efron\nchance: 2/", `2: randomization: chance: "2/", want a fraction as 2/3`},
		{"design: efron\nchance: [2, 3]", `2: randomization: chance: a list, want text`},
		{"design: efron\nchance: 1/2", `2: randomization: chance: chance 1/2 of the arm that is behind: use more than 1/2, or the complete design for a fair coin`},
		{"design: urn\nalpha: 0", `1: randomization: key "beta" is missing`},
		{"design: urn\nalpha: 2\nbeta: 4", `2: randomization: alpha: alpha 2 and beta 4 have a common divisor: divide both by 2`},
		{"design: urn\nalpha: -1\nbeta: 1", `2: randomization: alpha: -1, want 0 to 1000`},
		{"block_sizes: [4]", `1: randomization: key "design" is missing`},
		{design, `1: randomization: key "block_sizes" is missing`},
		{design + "block_size: [4]", `1: randomization: key "block_sizes" is missing
2: unknown key "block_size"; expected one of design, block_sizes, tolerance, length, chance, alpha, beta, factors, measure`},
		{design + "block_sizes: 4", `2: randomization: block_sizes: the number 4, want a list`},
		{design + "block_sizes: []", `2: randomization: block_sizes: 0 given, want 1 to 16`},
		{design + "block_sizes:\n  - 4\n  - 0", `4: block size: size: 0, want 1 to 256`},
		{design + "block_sizes:\n  - 4\n  - six", `4: block size: text, want the keys size, chance`},
		{design + "block_sizes:\n  - {chance: 2}", `3: block size: key "size" is missing`},
		{design + "block_sizes:\n  - {size: 4, odds: 2}", `3: unknown key "odds"; expected one of size, chance`},
		{design + "block_sizes:\n  - {size: 4, chance: 0}", `3: block size: chance: 0, want 1 to 1000`},
		{design + "block_sizes:\n  - {size: 4, chance: 0.5}", `3: block size: chance: the number 0.5, want an integer from 1 to 1000`},
	} {
		_, err := protocol.ParseRandomization("r.yaml", []byte(tt.data), []int{1, 1})
		if err == nil {
			t.Errorf("%s: accepted", tt.data)
			continue
		}
		want := "r.yaml:" + strings.ReplaceAll(tt.want, "\n", "\nr.yaml:")
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.data, diff)
		}
	}
}

// What package randomization says of a design stands at the line of the sizes.
func TestParseRandomizationChecksTheDesign(t *testing.T) {
	for _, tt := range []struct{ sizes, want string }{
		{"[2]", `a block of 2 is a single round of ratio 1:1, so its end is easily predicted: use 4 or more`},
		{"[5]", `block size 5: use multiples of 2 from 4 to 256`},
		{"[6, 4]", `block size 4 after 6: give each size once, smallest first`},
		{"[{size: 4, chance: 2}, {size: 6, chance: 4}]", `weights 2:4 are not in lowest terms: divide them by 2`},
	} {
		_, err := protocol.ParseRandomization("r.yaml", []byte("design: permuted-blocks\nblock_sizes: "+tt.sizes), []int{1, 1})
		if want := "r.yaml:2: randomization: block_sizes: " + tt.want; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", tt.sizes, err, want)
		}
	}
}
