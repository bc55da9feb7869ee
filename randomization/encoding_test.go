package randomization_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

func TestDesignEncodingGolden(t *testing.T) {
	var out strings.Builder
	for _, c := range goldenCases {
		fmt.Fprintf(&out, "%s %s: %x\n", c.ratio, c.sizes, c.design.Encode())
	}
	golden(t, "testdata/designs.golden", out.String())
}

// DecodeBlocks undoes Encode.
func TestDecodeBlocksIsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := designs().Draw(t, "design")
		got, err := randomization.DecodeBlocks(want.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDecodeBlocksIsStrict(t *testing.T) {
	good := equalChances([]int{1, 1}, 4, 6, 8).Encode()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	tag := 8 + len("lodd/randomization/v1/blocks") // the numbers start here
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"empty", nil},
		{"cut short", good[:len(good)-1]},
		{"cut after the tag", good[:tag]},
		{"byte too many", append(bytes.Clone(good), 0)},
		{"another version", change(tag-len("1/blocks"), '2')},
		{"another tag length", change(7, 1)},
		{"three arms", change(tag+7, 3)},
		{"2^63 arms", change(tag, 0x80)},
		{"ratio 0", change(tag+15, 0)},
		{"size that is no multiple", change(tag+39, 5)},
		{"size with a high byte", change(tag+33, 1)},
		{"sizes descend", change(tag+39, 16)},
		{"weight 0", change(tag+47, 0)},
		{"unusable design", equalChances([]int{1, 1}, 2).Encode()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if b, err := randomization.DecodeBlocks(tt.data); !errors.Is(err, randomization.ErrDesign) {
				t.Errorf("DecodeBlocks(%x) = %v, %v; want an ErrDesign", tt.data, b, err)
			}
		})
	}
}

// Two designs never share their bytes, not even unusable ones: a commitment
// binds whatever it was given.
func TestEncodeIsInjective(t *testing.T) {
	seen := map[string]string{}
	for _, b := range []randomization.Blocks{
		{},
		equalChances(nil, 1),
		equalChances([]int{1}, 1),
		equalChances([]int{1, 1}),
		equalChances([]int{1, 1}, 1),
		equalChances([]int{-1}),
		equalChances([]int{255}),
		equalChances([]int{1 << 32}),
		{Ratio: []int{0}, Sizes: []randomization.BlockSize{{}}},
		{Ratio: []int{0, 1, 0, 0}},
	} {
		key, name := hex.EncodeToString(b.Encode()), fmt.Sprintf("%v", b)
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the same bytes", name, other)
		}
		seen[key] = name
	}
}

// What DecodeBlocks accepts is what Encode writes for a design that can be
// used.
func FuzzDecodeBlocks(f *testing.F) {
	for _, c := range goldenCases {
		f.Add(c.design.Encode())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := randomization.DecodeBlocks(data)
		if err != nil {
			if !errors.Is(err, randomization.ErrDesign) {
				t.Errorf("error %v doesn't wrap ErrDesign", err)
			}
			return
		}
		if err := b.Validate(); err != nil {
			t.Errorf("decoded an unusable design: %v", err)
		}
		if !bytes.Equal(b.Encode(), data) {
			t.Errorf("%x is another encoding of %v", data, b)
		}
	})
}
