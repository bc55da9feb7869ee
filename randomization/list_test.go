package randomization_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

// listed returns a stratum's list, whose arms are written as digits.
func listed(name, arms string) randomization.ListStratum {
	s := randomization.ListStratum{Name: name}
	for _, digit := range arms {
		s.Arms = append(s.Arms, randomization.Arm(digit-'0'))
	}
	return s
}

func listOf(strata ...randomization.ListStratum) randomization.List {
	return randomization.List{Ratio: []int{1, 1}, Strata: strata}
}

// adaptiveDesigns are those of the golden files that are drawn otherwise than
// as a sequence.
func adaptiveDesigns() []randomization.Design {
	designs := []randomization.Design{
		listOf(listed("", "01")),
		randomization.List{Ratio: []int{2, 1}, Tolerance: 3, Strata: []randomization.ListStratum{listed("bergen", "0010"), listed("oslo", "100001"), listed("tromsø/kvinne", "001")}},
	}
	for _, m := range minimizationCases {
		designs = append(designs, m)
	}
	return designs
}

func TestAdaptiveDesignsGolden(t *testing.T) {
	var encoded, commitments strings.Builder
	for i, d := range adaptiveDesigns() {
		fmt.Fprintf(&encoded, "%T %d: %x\n", d, i, d.Encode())
		fmt.Fprintf(&commitments, "%T %d: %v\n", d, i, randomization.Commit("ips", d, testSeed(t), testSalt(t)))
	}
	golden(t, "testdata/adaptive-designs.golden", encoded.String())
	golden(t, "testdata/adaptive-commitments.golden", commitments.String())
}

// What can't be used is refused with what to do instead.
func TestListValidate(t *testing.T) {
	uneven := listOf(listed("oslo", "00010"))
	tolerant := uneven
	tolerant.Tolerance = 3
	third := randomization.List{Ratio: []int{2, 1}, Strata: []randomization.ListStratum{listed("oslo", "0011")}}
	for _, tt := range []struct {
		list randomization.List
		say  string
	}{
		{listOf(listed("", "01")), ""},
		{listOf(listed("bergen", "0011"), listed("oslo", "10")), ""},
		{tolerant, ""},
		{randomization.List{Ratio: []int{2}, Strata: []randomization.ListStratum{listed("oslo", "0")}}, "1 arms: give a ratio"},
		{listOf(), "0 strata in a list: give 1 to 10000"},
		{listOf(listed("oslo", "01"), listed("bergen", "01")), `stratum "bergen" after "oslo" in a list: give each stratum once`},
		{listOf(listed("oslo", "01"), listed("oslo", "01")), `stratum "oslo" after "oslo"`},
		{listOf(listed("oslo", "")), `stratum "oslo" has no arms`},
		{listOf(listed("oslo", "0121")), `arm 2 at slot 2 of stratum "oslo": use 0 to 1`},
		{listOf(randomization.ListStratum{Name: "oslo", Arms: []randomization.Arm{0, randomization.NoArm}}), "arm -1 at slot 1"},
		{listOf(listed("osl\xff", "01")), "UTF-8"},
		{listOf(listed(strings.Repeat("x", 1025), "01")), "at most 1024 bytes"},
		{uneven, `stratum "oslo" has arms 4:1 in the list, which is ahead of the ratio 1:1 by 3: the tolerated imbalance is 0`},
		{third, "has arms 2:2 in the list, which is ahead of the ratio 2:1 by 1"},
		{randomization.List{Ratio: []int{1, 1}, Tolerance: -1, Strata: tolerant.Strata}, "tolerated imbalance -1 of a list"},
		{listOf(randomization.ListStratum{Name: "oslo", Arms: slices.Repeat([]randomization.Arm{0, 1}, 1<<19)}), ""},
		{listOf(listed("bergen", "01"), randomization.ListStratum{Name: "oslo", Arms: slices.Repeat([]randomization.Arm{0, 1}, 1<<19)}), "a list of more than 1048576 arms"},
	} {
		err := tt.list.Validate()
		if tt.say == "" && err != nil {
			t.Errorf("%.200v: Validate() = %v, want nil", tt.list, err)
		}
		if tt.say != "" && (!errors.Is(err, randomization.ErrDesign) || !strings.Contains(err.Error(), tt.say)) {
			t.Errorf("%.200v: Validate() = %v, want an ErrDesign that says %q", tt.list, err, tt.say)
		}
	}
}

// A list is what was written down, whatever the seed, and then it is used up.
func TestListIsItsSequence(t *testing.T) {
	l := listOf(listed("bergen", "0011"), listed("oslo", "101100"))
	other, _ := randomization.SeedFromBytes(counting(9))
	for _, seed := range []randomization.Seed{testSeed(t), other} {
		s, err := randomization.NewSequence(seed, l, "ips", "oslo")
		if err != nil {
			t.Fatal(err)
		}
		for slot, want := range []randomization.Arm{1, 0, 1, 1, 0, 0, randomization.NoArm, randomization.NoArm} {
			if got := s.At(slot); got != want {
				t.Errorf("At(%d) = %d, want %d", slot, got, want)
			}
		}
		if got := arms(s.First(6)); got != "1 0 1 1 0 0" || s.First(7) != nil || s.At(-1) != randomization.NoArm {
			t.Errorf("First(6) = %s, First(7) = %v, At(-1) = %d", got, s.First(7), s.At(-1))
		}
	}
	if _, err := randomization.NewSequence(other, l, "ips", "tromsø"); !errors.Is(err, randomization.ErrDesign) || !strings.Contains(err.Error(), `no stratum "tromsø"`) {
		t.Errorf("another stratum: error %v", err)
	}
	if _, err := randomization.NewSequence(randomization.Seed{}, l, "ips", "oslo"); err == nil {
		t.Error("a list without a seed starts a sequence")
	}
}

// A list that its owner changes later doesn't change a sequence.
func TestSequenceOwnsItsList(t *testing.T) {
	l := listOf(listed("oslo", "0101"))
	s := newSequence(t, l, "ips", "oslo")
	l.Strata[0].Arms[0] = 1
	if got := arms(s.First(4)); got != "0 1 0 1" {
		t.Errorf("the sequence is %s, want 0 1 0 1", got)
	}
}

// The bound is what the strata reach at their worst slots, all at once.
func TestListMaxImbalance(t *testing.T) {
	for _, tt := range []struct {
		list randomization.List
		want int
	}{
		{listOf(listed("oslo", "0011")), 2},
		{listOf(listed("bergen", "01"), listed("oslo", "000111")), 4},
		{randomization.List{Ratio: []int{2, 1}, Strata: []randomization.ListStratum{listed("oslo", "000011")}}, 4},
		{randomization.List{Ratio: []int{2, 1}, Strata: []randomization.ListStratum{listed("oslo", "010")}}, 1},
		{randomization.List{Ratio: []int{2, 1}, Strata: []randomization.ListStratum{listed("oslo", "100")}}, 1},
		{listOf(), 0},
	} {
		if got := tt.list.MaxImbalance(3); got != tt.want {
			t.Errorf("%v: MaxImbalance = %d, want %d", tt.list, got, tt.want)
		}
		if got := tt.list.MaxImbalance(0); got != 0 {
			t.Errorf("%v: MaxImbalance(0) = %d", tt.list, got)
		}
	}
}

// anyLists draws usable lists of 1:1 or 2:1, with the strata stratum0 to
// stratum2 and perhaps another.
func anyLists() *rapid.Generator[randomization.List] {
	return rapid.Custom(func(t *rapid.T) randomization.List {
		l := randomization.List{Ratio: rapid.SampledFrom([][]int{{1, 1}, {2, 1}, {1, 2, 3}}).Draw(t, "ratio"), Tolerance: 300}
		names := []string{"stratum0", "stratum1", "stratum2"}
		if rapid.Bool().Draw(t, "another") {
			names = append(names, "tromsø, \"kvinne\"")
		}
		for _, name := range names {
			arms := rapid.SliceOfN(rapid.IntRange(0, len(l.Ratio)-1), 1, 60).Draw(t, "arms")
			s := randomization.ListStratum{Name: name}
			for _, arm := range arms {
				s.Arms = append(s.Arms, randomization.Arm(arm))
			}
			l.Strata = append(l.Strata, s)
		}
		return l
	})
}

// Lists and minimization are decoded as they were encoded.
func TestDecodeAdaptiveDesignIsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, want := range []randomization.Design{anyLists().Draw(t, "list"), anyMinimizations().Draw(t, "minimization")} {
			got, err := randomization.DecodeDesign(want.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
