package randomization_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lodd-rct/lodd/randomization"
)

func forecast(t *testing.T, d randomization.Design, p randomization.Plan) randomization.Forecast {
	t.Helper()
	f, err := randomization.NewForecast(d, p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// One stratum of so many participants.
func alone(n int) randomization.Plan {
	return randomization.Plan{Participants: n, Sites: 1, Strata: 1}
}

// The forecast is what is known of the designs, exactly.
//
// Source: the shares over 12 allocations were computed independently of this
// project, by simulation: blocks of 4 are .709 there, and 17/24 in truth. The
// rows of one block are exact; see Blackwell & Hodges (1957).
func TestForecastReproducesPublishedPredictability(t *testing.T) {
	for _, tt := range []struct {
		design           randomization.Design
		slots            int
		correct, certain float64 // negative if it isn't known
		within           float64
	}{
		{equalChances([]int{1, 1}, 4), 4, 17.0 / 24, 1.0 / 3, 1e-9},
		{equalChances([]int{1, 1}, 6), 6, 41.0 / 60, 1.0 / 4, 1e-9},
		{equalChances([]int{1, 1}, 8), 8, 373.0 / 560, 1.0 / 5, 1e-9},
		{equalChances([]int{1, 1}, 4, 6), 12, .6795, .0627, .00005},
		{equalChances([]int{1, 1}, 4, 6, 8), 12, .6651, .0238, .00005},
		{equalChances([]int{1, 1}, 4), 12, .709, 1.0 / 3, .0015},
		{randomization.BigStick{Tolerance: 3}, 12, .564, -1, .0015},
		{randomization.Maximal{Tolerance: 3, Length: 12}, 12, .655, -1, .0015},
		{randomization.BiasedCoin{Favored: 2, Of: 3}, 12, .612, 0, .0015},
		{randomization.Urn{Arms: 2, Alpha: 0, Beta: 1}, 12, .610, 1.0 / 12, .0015},
		{randomization.Complete{Ratio: []int{1, 1}}, 12, .5, 0, 1e-12},
		{randomization.Complete{Ratio: []int{2, 1}}, 12, 2.0 / 3, 0, 1e-12},
	} {
		got := forecast(t, tt.design, alone(tt.slots)).Observer
		if got.Correct.Error != 0 || got.Certain.Error != 0 {
			t.Errorf("%T%v: %+v is not exact", tt.design, tt.design, got)
		}
		if math.Abs(got.Correct.Value-tt.correct) > tt.within || tt.certain >= 0 && math.Abs(got.Certain.Value-tt.certain) > tt.within {
			t.Errorf("%T%v: %+v, want %g and %g", tt.design, tt.design, got, tt.correct, tt.certain)
		}
	}
}

// The same observer as that of the tests, who cuts the past into blocks, does
// as well where both know blocks of 2, which no trial may have.
func TestForecastOfBlocksAgreesWithTheTestsObserver(t *testing.T) {
	for _, sizes := range [][]int{{2, 4}, {2, 4, 6}, {4, 6, 8}, {6, 10}} {
		correct, certain := newObserver(sizes...).expect(12)
		gotCorrect, gotCertain := randomization.Enumerate(equalChances([]int{1, 1}, sizes...), 12)
		if math.Abs(gotCorrect-correct) > 1e-9 || math.Abs(gotCertain-certain) > 1e-9 {
			t.Errorf("%v: %g and %g, want %g and %g", sizes, gotCorrect, gotCertain, correct, certain)
		}
	}
}

// The exact distribution of the imbalance is that of all lists, one by one.
func TestImbalanceIsThatOfAllLists(t *testing.T) {
	const n = 8
	for _, design := range []randomization.Design{
		equalChances([]int{1, 1}, 4, 6), equalChances([]int{2, 1}, 6),
		randomization.Complete{Ratio: []int{3, 2}},
		randomization.BigStick{Tolerance: 2},
		randomization.Maximal{Tolerance: 3, Length: 10},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 2, Alpha: 1, Beta: 2},
	} {
		want, ratio := map[float64]float64{}, design.ArmRatio()
		lists(2, n, func(list []int) {
			counts := [2]int{}
			for _, arm := range list {
				counts[arm]++
			}
			ahead := float64(counts[0]*ratio[1]-counts[1]*ratio[0]) / float64(ratio[1])
			behind := float64(counts[1]*ratio[0]-counts[0]*ratio[1]) / float64(ratio[0])
			if chance, _ := chanceOf(design, list).Float64(); chance > 0 {
				want[max(ahead, behind)] += chance
			}
		})
		got := forecast(t, design, alone(n)).Imbalance
		if diff := cmp.Diff(want, chancesOf(got), cmpopts.EquateApprox(0, 1e-12)); diff != "" || got.Error != 0 {
			t.Errorf("%T%v: error %g, (-want +got)\n%s", design, design, got.Error, diff)
		}
	}
}

func chancesOf(i randomization.Imbalance) map[float64]float64 {
	chances := map[float64]float64{}
	for _, c := range i.Chances {
		chances[c.Ahead] = c.Chance
	}
	return chances
}

// Over several strata, participants come to each with equal chances: the
// imbalance is that of all ways in which six participants can come to three
// strata and get an arm there.
func TestImbalanceIsThatOfAllTrials(t *testing.T) {
	const n, strata = 6, 3
	for _, design := range []randomization.Design{randomization.BigStick{Tolerance: 2}, randomization.BiasedCoin{Favored: 4, Of: 5}} {
		want := map[float64]float64{}
		counts := make([][]int, strata)
		for i := range counts {
			counts[i] = make([]int, 2)
		}
		var walk func(left, ahead int, chance float64)
		walk = func(left, ahead int, chance float64) {
			if left == 0 {
				want[math.Abs(float64(ahead))] += chance
				return
			}
			for _, c := range counts {
				for arm := range c {
					p, _ := chanceOfNext(design, c, c[0]+c[1], arm).Float64()
					if p == 0 {
						continue
					}
					c[arm]++
					walk(left-1, ahead+1-2*arm, chance*p/strata)
					c[arm]--
				}
			}
		}
		walk(n, 0, 1)
		got := forecast(t, design, randomization.Plan{Participants: n, Sites: strata, Strata: 1}).Imbalance
		if diff := cmp.Diff(want, chancesOf(got), cmpopts.EquateApprox(0, 1e-12)); diff != "" || got.Error != 0 {
			t.Errorf("%T%v: error %g, (-want +got)\n%s", design, design, got.Error, diff)
		}
	}
}

// A bound is never more than the participants.
func TestImbalanceBoundOfASmallTrial(t *testing.T) {
	got := forecast(t, randomization.BigStick{Tolerance: 2}, randomization.Plan{Participants: 3, Sites: 2, Strata: 1}).Imbalance
	if !got.Bounded || got.Bound != 3 {
		t.Errorf("bound %d, want the 3 participants, who are fewer than 2 strata times 2", got.Bound)
	}
}

// What is simulated agrees, within twice the error that it states, with what is
// exact.
func TestSimulationAgreesWithEnumeration(t *testing.T) {
	t.Parallel()
	longForecast(t)
	for _, design := range []randomization.Design{
		equalChances([]int{1, 1}, 4, 6), equalChances([]int{2, 1}, 6),
		randomization.BigStick{Tolerance: 3},
		randomization.Maximal{Tolerance: 3, Length: 12},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 2, Alpha: 0, Beta: 1},
	} {
		exact := forecast(t, design, randomization.Plan{Participants: 20, Sites: 3, Strata: 1})
		if exact.Observer.Correct.Error != 0 || exact.Imbalance.Error != 0 {
			t.Fatalf("%T%v: not exact", design, design)
		}
		guesses, chances, err := randomization.Simulate(design, 20, 3)
		for name, pair := range map[string][2]randomization.Estimate{
			"correct": {exact.Observer.Correct, guesses.Correct}, "certain": {exact.Observer.Certain, guesses.Certain},
		} {
			if d := math.Abs(pair[0].Value - pair[1].Value); d > 2*pair[1].Error+1e-9 || pair[1].Error > .005 {
				t.Errorf("%T%v: %s: exact %g, simulated %+v", design, design, name, pair[0].Value, pair[1])
			}
		}
		for ahead, chance := range chancesOf(exact.Imbalance) {
			if math.Abs(chances[ahead]-chance) > 2*err {
				t.Errorf("%T%v: imbalance %g: chance %g, simulated %g", design, design, ahead, chance, chances[ahead])
			}
		}
	}
}

// Who sees the arms of the own site only guesses worse, if sites share a
// sequence, and no better than blindly with very many sites; a forecast is the
// same at each call.
func TestOwnSiteSeesLessOfASharedSequence(t *testing.T) {
	t.Parallel()
	longForecast(t)
	design := equalChances([]int{1, 1}, 4, 6)
	last := 1.0
	for _, sites := range []int{2, 5, 20} {
		plan := randomization.Plan{Participants: 40, Sites: sites, Strata: 1}
		f := forecast(t, design, plan)
		if f.SharedAll == nil || f.SharedOwn == nil {
			t.Fatalf("%d sites: shared sequences are missing", sites)
		}
		all, own := f.SharedAll.Correct.Value, f.SharedOwn.Correct.Value
		if own >= all || own >= last || own < f.Blind-.002 {
			t.Errorf("%d sites: own site %g, all arms %g, fewer sites %g", sites, own, all, last)
		}
		last = own
		if diff := cmp.Diff(f, forecast(t, design, plan)); diff != "" {
			t.Errorf("another call gives another forecast:\n%s", diff)
		}
	}
	if f := forecast(t, design, alone(50)); f.SharedAll != nil || f.SharedOwn != nil {
		t.Error("one site shares its sequence with nobody")
	}
}

// A trial of 7 sites with the default blocks, as in the documents.
func TestForecastOfTheDefaultDesign(t *testing.T) {
	t.Parallel()
	longForecast(t)
	f := forecast(t, equalChances([]int{1, 1}, 4, 6, 8), randomization.Plan{Participants: 202, Sites: 7, Strata: 1})
	if f.Imbalance.Bound != 28 || f.Imbalance.Error != 0 || f.Imbalance.Quantile(1) != 28 || f.Imbalance.Quantile(.95) != 6 {
		t.Errorf("imbalance %d, error %g, largest %g, 95 %% %g", f.Imbalance.Bound, f.Imbalance.Error, f.Imbalance.Quantile(1), f.Imbalance.Quantile(.95))
	}
	total := 0.0
	for _, c := range f.Imbalance.Chances {
		total += c.Chance
	}
	if math.Abs(total-1) > 1e-9 {
		t.Errorf("the chances add up to %g", total)
	}
}

func TestQuantile(t *testing.T) {
	i := randomization.Imbalance{Chances: []randomization.ImbalanceChance{{Ahead: 0, Chance: .5}, {Ahead: 2, Chance: .4}, {Ahead: 4, Chance: .1}}}
	for p, want := range map[float64]float64{0: 0, .5: 0, .51: 2, .9: 2, .95: 4, 1: 4} {
		if got := i.Quantile(p); got != want {
			t.Errorf("Quantile(%g) = %g, want %g", p, got, want)
		}
	}
	if got := (randomization.Imbalance{}).Quantile(.5); got != 0 {
		t.Errorf("Quantile of nothing = %g, want 0", got)
	}
}

func TestForecastRefusesWhatCannotBe(t *testing.T) {
	good := randomization.BigStick{Tolerance: 3}
	for _, tt := range []struct {
		design randomization.Design
		plan   randomization.Plan
		say    string
	}{
		{nil, alone(10), "there is none"},
		{randomization.BigStick{}, alone(10), "tolerated imbalance 0"},
		{good, alone(1), "plan for 1 participants: use 2 to 100000"},
		{good, alone(100_001), "plan for 100001 participants"},
		{good, randomization.Plan{Participants: 10, Sites: 0, Strata: 1}, "plan for 0 sites with 1 strata each"},
		{good, randomization.Plan{Participants: 10, Sites: 1 << 40, Strata: 1 << 40}, "at most 10000 strata in all"},
	} {
		if _, err := randomization.NewForecast(tt.design, tt.plan); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%v %+v: error %v, want %q", tt.design, tt.plan, err, tt.say)
		}
	}
	if _, err := randomization.NewForecast(randomization.BigStick{}, alone(10)); !errors.Is(err, randomization.ErrDesign) {
		t.Errorf("error %v, want ErrDesign", err)
	}
}

func BenchmarkForecast(b *testing.B) {
	for _, design := range []randomization.Design{
		equalChances([]int{1, 1}, 4, 6, 8),
		randomization.Maximal{Tolerance: 3, Length: 30},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 3, Beta: 1},
	} {
		b.Run(fmt.Sprintf("%T", design), func(b *testing.B) {
			for b.Loop() {
				if _, err := randomization.NewForecast(design, randomization.Plan{Participants: 202, Sites: 7, Strata: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
