package randomization_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

// goldenEnvelopes is the length of the lists in testdata/envelopes.golden.
const goldenEnvelopes = 100

var envelopeCases = []goldenCase{
	{trial: "ips", stratum: "oslo", design: equalChances([]int{1, 1}, 4, 6, 8)},
	{trial: "ips", stratum: "tromsø/kvinne", design: equalChances([]int{2, 1}, 6, 9)},
	{trial: "ips", stratum: "oslo", design: randomization.Complete{Ratio: []int{1, 2, 3}}},
	{trial: "ips", stratum: "oslo", design: randomization.BigStick{Tolerance: 3}},
	{trial: "ips", stratum: "", design: randomization.Maximal{Tolerance: 3, Length: 12}},
	{trial: "ips", stratum: "oslo", design: randomization.BiasedCoin{Favored: 2, Of: 3}},
	{trial: "ips", stratum: "oslo", design: randomization.Urn{Arms: 3, Alpha: 1, Beta: 3}},
	{trial: "ips", stratum: "oslo", design: minimization([]int{2, 1}, randomization.Range, 4, 2, 3, 1)},
	{trial: "ips", stratum: "oslo", design: listOf(listed("bergen", "01"))},
}

func newContingency(t testing.TB, design randomization.Design, trial, stratum string) *randomization.Sequence {
	t.Helper()
	s, err := randomization.NewContingency(testSeed(t), design, trial, stratum)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEnvelopesGolden(t *testing.T) {
	var out strings.Builder
	for _, c := range envelopeCases {
		fmt.Fprintf(&out, "%T %q %q: %s\n", c.design, c.trial, c.stratum, arms(newContingency(t, c.design, c.trial, c.stratum).First(goldenEnvelopes)))
	}
	golden(t, "testdata/envelopes.golden", out.String())
}

// Envelopes say nothing of the sequence: pairs of arms at the same slot of both
// come as often as chance has it; and opening them moves nothing.
func TestEnvelopesAreIndependentOfTheSequence(t *testing.T) {
	t.Parallel()
	for _, design := range []randomization.Design{
		equalChances([]int{1, 1}, 4, 6), randomization.Complete{Ratio: []int{1, 1}}, randomization.BigStick{Tolerance: 2},
	} {
		counts, chances := make([]float64, 4), []float64{1, 1, 1, 1}
		for i := range draws(30000) {
			stratum := fmt.Sprint(i)
			s := newSequence(t, design, "ips", stratum)
			counts[2*s.At(2)+newContingency(t, design, "ips", stratum).At(2)]++
		}
		if x := chiSquare(counts, chances); x > chiSquareLimit[3] {
			t.Errorf("%T%v: chi-square %.3f, limit %.3f", design, design, x, chiSquareLimit[3])
		}
		s := newSequence(t, design, "ips", "oslo")
		before := arms(s.First(50))
		newContingency(t, design, "ips", "oslo").At(100)
		if after := arms(newSequence(t, design, "ips", "oslo").First(50)); after != before {
			t.Errorf("%T%v: opening envelopes changes the sequence", design, design)
		}
	}
}

// The envelopes of minimization, and those of a list for whichever stratum, are
// drawn by complete randomization.
func TestEnvelopesOfAdaptiveDesigns(t *testing.T) {
	want := arms(newContingency(t, randomization.Complete{Ratio: []int{2, 1}}, "ips", "oslo").First(50))
	for _, design := range []randomization.Design{
		minimization([]int{2, 1}, randomization.Variance, 3, 1),
		randomization.List{Ratio: []int{2, 1}, Strata: []randomization.ListStratum{listed("bergen", "001")}},
	} {
		if got := arms(newContingency(t, design, "ips", "oslo").First(50)); got != want {
			t.Errorf("%T: %s, want %s", design, got, want)
		}
	}
}

// Envelopes of blocks hold the arms in ratio after each block, as the design
// promises of its sequences.
func TestEnvelopesFollowTheDesign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		design := designs().Draw(t, "design")
		s, err := randomization.NewContingency(drawnSeed(t), design, "ips", "oslo")
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range s.Blocks(10) {
			counts := make([]int, len(design.Ratio))
			for _, arm := range block {
				counts[arm]++
			}
			for arm, n := range counts {
				if n*design.Ratio[0] != counts[0]*design.Ratio[arm] {
					t.Fatalf("block %v of ratio %v", block, design.Ratio)
				}
			}
		}
	})
}

func TestNewContingencyRefuses(t *testing.T) {
	if _, err := randomization.NewContingency(testSeed(t), nil, "ips", "oslo"); !errors.Is(err, randomization.ErrDesign) {
		t.Errorf("no design: error %v", err)
	}
	if _, err := randomization.NewContingency(testSeed(t), minimization(nil, randomization.Range), "ips", "oslo"); !errors.Is(err, randomization.ErrDesign) {
		t.Errorf("unusable minimization: error %v", err)
	}
	if _, err := randomization.NewContingency(randomization.Seed{}, randomization.BigStick{Tolerance: 2}, "ips", "oslo"); err == nil {
		t.Error("envelopes without a seed")
	}
}
