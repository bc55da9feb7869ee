package randomization_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// contributions are what a statistician may give.
var contributions = []string{"", "dice", "6 1 4 4 2 5 3 1 6 6\n"}

func TestCommitmentGolden(t *testing.T) {
	seed, salt := testSeed(t), testSalt(t)
	var out strings.Builder
	for _, c := range goldenCases {
		fmt.Fprintf(&out, "%s %s %s: %v\n", c.trial, c.ratio, c.sizes, randomization.Commit(c.trial, c.design, seed, salt))
	}
	var others strings.Builder
	for _, c := range otherCases {
		fmt.Fprintf(&others, "%s %s %s: %v\n", c.trial, c.ratio, c.sizes, randomization.Commit(c.trial, c.design, seed, salt))
	}
	golden(t, "testdata/other-commitments.golden", others.String())
	for _, entropy := range contributions {
		fmt.Fprintf(&out, "contribute %x: %x\n", entropy, seed.Contribute([]byte(entropy)).Bytes())
	}
	golden(t, "testdata/commitments.golden", out.String())
}

// Whatever is changed after the commitment was published, it doesn't match.
func TestCommitmentBindsEveryArgument(t *testing.T) {
	design := equalChances([]int{1, 1}, 4, 6, 8)
	seed, salt := testSeed(t), testSalt(t)
	otherSeed, _ := randomization.SeedFromBytes(counting(0x20))
	otherSalt, _ := randomization.SaltFromBytes(counting(0))
	want := randomization.Commit("ips", design, seed, salt)
	for name, got := range map[string]randomization.Commitment{
		"trial":        randomization.Commit("ipt", design, seed, salt),
		"longer trial": randomization.Commit("ips\x00", design, seed, salt),
		"ratio":        randomization.Commit("ips", equalChances([]int{1, 2}, 4, 6, 8), seed, salt),
		"sizes":        randomization.Commit("ips", equalChances([]int{1, 1}, 4, 6), seed, salt),
		"weights":      randomization.Commit("ips", randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}, {Size: 8, Weight: 2}}}, seed, salt),
		"design":       randomization.Commit("ips", randomization.Complete{Ratio: []int{1, 1}}, seed, salt),
		"seed":         randomization.Commit("ips", design, otherSeed, salt),
		"salt":         randomization.Commit("ips", design, seed, otherSalt),
		"no salt":      randomization.Commit("ips", design, seed, randomization.Salt{}),
		"no seed":      randomization.Commit("ips", design, randomization.Seed{}, salt),
		"swapped":      randomization.Commit("ips", design, otherSeed, otherSalt),
	} {
		if got == want {
			t.Errorf("commitment doesn't bind the %s", name)
		}
	}
	if randomization.Commit("ips", design, testSeed(t), testSalt(t)) != want {
		t.Error("the same arguments give two commitments")
	}
}

func TestParseCommitment(t *testing.T) {
	want := randomization.Commit("ips", equalChances([]int{1, 1}, 4), testSeed(t), testSalt(t))
	for _, s := range []string{want.String(), strings.ToUpper(want.String())} {
		if got, err := randomization.ParseCommitment(s); err != nil || got != want {
			t.Errorf("ParseCommitment(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", want.String()[1:], want.String()[2:], want.String() + "00", " " + want.String()[1:], strings.Repeat("g", 64)} {
		if _, err := randomization.ParseCommitment(s); err == nil || !strings.Contains(err.Error(), "want 64 digits") {
			t.Errorf("ParseCommitment(%q): error %v", s, err)
		}
	}
}
