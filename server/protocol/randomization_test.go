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
		got, err := protocol.ParseRandomization("r.yaml", []byte("design: permuted-blocks\n"+tt.data), []int{2, 1})
		if err != nil {
			t.Errorf("%s: %v", tt.data, err)
		}
		if diff := cmp.Diff(randomization.Blocks{Ratio: []int{2, 1}, Sizes: tt.sizes}, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.data, diff)
		}
	}
}

// A design that can't be used, or isn't clear, is refused with its line.
func TestParseRandomizationRefuses(t *testing.T) {
	const design = "design: permuted-blocks\n"
	for _, tt := range []struct{ data, want string }{
		{"", `1: the file is empty`},
		{"design: coin\nblock_sizes: [4]", `1: randomization: design: "coin", want permuted-blocks`},
		{"block_sizes: [4]", `1: randomization: key "design" is missing`},
		{design, `1: randomization: key "block_sizes" is missing`},
		{design + "block_size: [4]", `1: randomization: key "block_sizes" is missing
2: unknown key "block_size"; expected one of design, block_sizes`},
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
