package randomization_test

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

// goldenSlots is the length of the lists in testdata/sequences.golden.
const goldenSlots = 600

func TestSequenceGolden(t *testing.T) {
	for file, cases := range map[string][]goldenCase{"sequences": goldenCases, "other-sequences": otherCases} {
		var out strings.Builder
		for _, c := range cases {
			list := newSequence(t, c.design, c.trial, c.stratum).First(goldenSlots)
			fmt.Fprintf(&out, "%s %s %q %q: %s\n", c.ratio, c.sizes, c.trial, c.stratum, arms(list))
		}
		golden(t, "testdata/"+file+".golden", out.String())
	}
}

// Every block has a size of the design and brings the arms back in ratio.
func TestBlocksAreBalanced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		design := designs().Draw(t, "design")
		for _, block := range sequence(t, design)().Blocks(20) {
			allowed, sum := false, 0
			for _, s := range design.Sizes {
				allowed = allowed || s.Size == len(block)
			}
			if !allowed {
				t.Fatalf("block of %d, design %v", len(block), design)
			}
			count := make([]int, len(design.Ratio))
			for _, arm := range block {
				count[arm]++
			}
			for _, r := range design.Ratio {
				sum += r
			}
			for arm, r := range design.Ratio {
				if count[arm] != r*len(block)/sum {
					t.Fatalf("block %v doesn't hold arms in ratio %v", block, design.Ratio)
				}
			}
		}
	})
}

// What stands at a slot doesn't depend on what was asked for before, and a list
// is the start of every longer one.
func TestAtIsAFunctionOfTheSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		design := anyDesigns().Draw(t, "design")
		start := sequence(t, design)
		s, long := start(), start().First(500)
		for _, slot := range rapid.SliceOfN(rapid.IntRange(0, 499), 1, 20).Draw(t, "slots") {
			if got := s.At(slot); got != long[slot] {
				t.Fatalf("At(%d) = %d, want %d", slot, got, long[slot])
			}
			if diff := cmp.Diff(long[:slot], s.First(slot)); slot > 0 && diff != "" {
				t.Fatalf("First(%d) is no prefix of First(500):\n%s", slot, diff)
			}
		}
	})
}

// The trial, the stratum and the seed each lead to another list; so does
// moving the border between the two names.
func TestSequencesDiffer(t *testing.T) {
	design := equalChances([]int{1, 1}, 4, 6, 8)
	seen := map[string]string{}
	for _, v := range []struct {
		seed           byte
		trial, stratum string
	}{{0, "ips", "oslo"}, {1, "ips", "oslo"}, {0, "ips2", "oslo"}, {0, "ips", "Oslo"}, {0, "ips", "oslo "}, {0, "ipso", "slo"}, {0, "", "ipsoslo"}, {0, "ips", ""}} {
		seed, err := randomization.SeedFromBytes(counting(v.seed))
		if err != nil {
			t.Fatal(err)
		}
		s, err := randomization.NewSequence(seed, design, v.trial, v.stratum)
		if err != nil {
			t.Fatal(err)
		}
		list, name := arms(s.First(200)), fmt.Sprintf("%+v", v)
		if other, ok := seen[list]; ok {
			t.Errorf("%s and %s have the same list", name, other)
		}
		seen[list] = name
	}
}

// The bits of two streams agree in half of all places: 5 standard deviations
// of 640,000 fair coins.
func TestStreamsAreIndependent(t *testing.T) {
	const n = 10000
	base := randomization.Words(testSeed(t), "ips", "oslo", n)
	other, _ := randomization.SeedFromBytes(counting(1))
	for name, words := range map[string][]uint64{
		"stratum":     randomization.Words(testSeed(t), "ips", "bergen", n),
		"trial":       randomization.Words(testSeed(t), "spi", "oslo", n),
		"seed":        randomization.Words(other, "ips", "oslo", n),
		"contributed": randomization.Words(testSeed(t).Contribute(nil), "ips", "oslo", n),
		"later words": randomization.Words(testSeed(t), "ips", "oslo", n+1)[1:],
	} {
		agree := 0
		for i := range words {
			agree += 64 - bits.OnesCount64(words[i]^base[i])
		}
		if d := agree - 32*n; d < -2000 || d > 2000 {
			t.Errorf("another %s: %d of %d bits agree", name, agree, 64*n)
		}
	}
}

func TestSlotsThatDoNotExist(t *testing.T) {
	s := newSequence(t, equalChances([]int{1, 1}, 4), "ips", "oslo")
	for _, slot := range []int{-1, -1 << 62, randomization.MaxSlots, 1 << 62} {
		if got := s.At(slot); got != randomization.NoArm {
			t.Errorf("At(%d) = %d, want NoArm", slot, got)
		}
	}
	for _, n := range []int{-1, randomization.MaxSlots + 1, 1 << 62} {
		if got := s.First(n); got != nil {
			t.Errorf("First(%d) has %d arms, want nil", n, len(got))
		}
	}
	if got := s.First(0); len(got) != 0 || s.Hashes() != 0 {
		t.Errorf("First(0) = %v after %d hashes, want nothing drawn", got, s.Hashes())
	}
}

func TestNewSequenceRefusesUnusableDesign(t *testing.T) {
	_, err := randomization.NewSequence(testSeed(t), equalChances([]int{1, 1}, 2), "ips", "oslo")
	if !errors.Is(err, randomization.ErrDesign) {
		t.Errorf("NewSequence: error %v, want ErrDesign", err)
	}
}

// A design that its owner changes later doesn't change a sequence.
func TestSequenceOwnsItsDesign(t *testing.T) {
	design := equalChances([]int{2, 1}, 6, 9)
	want := arms(newSequence(t, design, "ips", "oslo").First(300))
	s := newSequence(t, design, "ips", "oslo")
	design.Ratio[0], design.Sizes[0].Size, design.Sizes[1].Weight = 5, 60, 7
	if got := arms(s.First(300)); got != want {
		t.Error("the sequence follows the caller's slices")
	}
}

// sequence starts a sequence with a seed that rapid draws.
func sequence(t *rapid.T, design randomization.Design) func() *randomization.Sequence {
	b := rapid.SliceOfN(rapid.Byte(), randomization.SecretSize-1, randomization.SecretSize-1).Draw(t, "seed")
	seed, err := randomization.SeedFromBytes(append(b, 1))
	if err != nil {
		t.Fatal(err)
	}
	return func() *randomization.Sequence {
		s, err := randomization.NewSequence(seed, design, "ips", "oslo")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
