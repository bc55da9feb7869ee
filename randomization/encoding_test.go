package randomization_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

func TestDesignEncodingGolden(t *testing.T) {
	for file, cases := range map[string][]goldenCase{"designs": goldenCases, "other-designs": otherCases} {
		var out strings.Builder
		for _, c := range cases {
			fmt.Fprintf(&out, "%s %s: %x\n", c.ratio, c.sizes, c.design.Encode())
		}
		golden(t, "testdata/"+file+".golden", out.String())
	}
}

// DecodeDesign undoes Encode.
func TestDecodeDesignIsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyDesigns().Draw(t, "design")
		got, err := randomization.DecodeDesign(want.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDecodeDesignIsStrict(t *testing.T) {
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
		{"big stick of tolerance 1", randomization.BigStick{Tolerance: 1}.Encode()},
		{"tolerance as a list", append(randomization.BigStick{Tolerance: 2}.Encode(), make([]byte, 8)...)},
		{"numbers of the maximal procedure in another order", randomization.Maximal{Tolerance: 12, Length: 3}.Encode()},
		{"unknown tag", append([]byte{0, 0, 0, 0, 0, 0, 0, 4}, "coin"...)},
		{"tag longer than what there is", []byte{0, 0, 0, 0, 0, 0, 0, 8}},
		{"minimization of measure 3", minimization([]int{1, 1}, 3, 2, 1).Encode()},
		{"minimization without factors", minimization([]int{1, 1}, randomization.Range).Encode()},
		{"list in another order", listOf(listed("oslo", "01"), listed("bergen", "01")).Encode()},
		{"list cut short", listOf(listed("oslo", "01")).Encode()[:90]},
		{"list of a million strata", append(listOf().Encode()[:8+26+3*8+8], 0, 0, 0, 0, 0, 0xf, 0xff, 0xff)},
		{"list with arm 16", bytes.ReplaceAll(listOf(listed("oslo", "01")).Encode(), []byte{0, 1}, []byte{0, 16})},
		{"unusable design", equalChances([]int{1, 1}, 2).Encode()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if b, err := randomization.DecodeDesign(tt.data); !errors.Is(err, randomization.ErrDesign) {
				t.Errorf("DecodeDesign(%x) = %v, %v; want an ErrDesign", tt.data, b, err)
			}
		})
	}
}

// Two designs never share their bytes, not even unusable ones: a commitment
// binds whatever it was given.
func TestEncodeIsInjective(t *testing.T) {
	seen := map[string]string{}
	for _, b := range []randomization.Design{
		randomization.Blocks{},
		equalChances(nil, 1),
		equalChances([]int{1}, 1),
		equalChances([]int{1, 1}),
		equalChances([]int{1, 1}, 1),
		equalChances([]int{-1}),
		equalChances([]int{255}),
		equalChances([]int{1 << 32}),
		randomization.Blocks{Ratio: []int{0}, Sizes: []randomization.BlockSize{{}}},
		randomization.Blocks{Ratio: []int{0, 1, 0, 0}},
		randomization.Complete{},
		randomization.Complete{Ratio: []int{1}},
		randomization.Complete{Ratio: []int{1, 1}},
		randomization.BigStick{Tolerance: 2},
		randomization.BigStick{Tolerance: -2},
		randomization.Maximal{Tolerance: 2, Length: 3},
		randomization.Maximal{Tolerance: 3, Length: 2},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.BiasedCoin{Favored: 3, Of: 2},
		randomization.Urn{Arms: 2, Alpha: 0, Beta: 1},
		randomization.Urn{Arms: 2, Alpha: 1, Beta: 0},
		minimization([]int{1, 1}, randomization.Range, 2, 1, 3, 1),
		minimization([]int{1, 1}, randomization.Variance, 2, 1, 3, 1),
		minimization([]int{1, 1}, randomization.Range, 2, 1),
		listOf(),
		listOf(listed("", "")),
		listOf(listed("oslo", "01")),
		listOf(listed("oslo", "10")),
		listOf(listed("oslo", "0"), listed("", "1")),
		randomization.List{Ratio: []int{1, 1}, Tolerance: 1},
	} {
		key, name := hex.EncodeToString(b.Encode()), fmt.Sprintf("%T%v", b, b)
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the same bytes", name, other)
		}
		seen[key] = name
	}
}

// What DecodeDesign accepts is what Encode writes for a design that can be
// used.
func FuzzDecodeDesign(f *testing.F) {
	for _, c := range slices.Concat(goldenCases, otherCases) {
		f.Add(c.design.Encode())
	}
	for _, d := range adaptiveDesigns() {
		f.Add(d.Encode())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := randomization.DecodeDesign(data)
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
