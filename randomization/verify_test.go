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

// anyReveals draws what trials of up to 40 allocations would publish: all
// designs, some slots lost, some envelopes opened, some with a contribution.
func anyReveals() *rapid.Generator[randomization.Reveal] {
	return rapid.Custom(func(t *rapid.T) randomization.Reveal {
		r := randomization.Reveal{
			Trial: rapid.SampledFrom([]string{"ips", "", "ips: zwei"}).Draw(t, "trial"),
			Design: rapid.OneOf(
				anyDesigns(),
				rapid.Map(anyMinimizations(), func(m randomization.Minimization) randomization.Design { return m }),
				rapid.Map(anyLists(), func(l randomization.List) randomization.Design { return l }),
			).Draw(t, "design"),
			Drawn: drawnSeed(t), Contributed: rapid.Bool().Draw(t, "contributed"),
		}
		if r.Contributed {
			r.Entropy = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "entropy")
		}
		salt, err := randomization.SaltFromBytes(drawnSeed(t).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		r.Salt = salt
		r.Commitment = randomization.Commit(r.Trial, r.Design, r.Drawn, r.Salt)
		r.Allocations = playTrial(t, r, rapid.IntRange(1, 40).Draw(t, "participants"))
		return r
	})
}

// playTrial allocates n participants, as a server would.
func playTrial(t *rapid.T, r randomization.Reveal, n int) (all []randomization.Allocation) {
	seed := r.Drawn
	if r.Contributed {
		seed = seed.Contribute(r.Entropy)
	}
	slots, envelopes := map[string]int{}, map[string]int{}
	m, minimized := r.Design.(randomization.Minimization)
	var minimizer *randomization.Minimizer
	if minimized {
		minimizer = must(randomization.NewMinimizer(seed, m, r.Trial))(t)
	}
	for i := range n {
		a := randomization.Allocation{
			Kind:    rapid.SampledFrom([]randomization.Kind{"drawn", "drawn", "drawn", "lost", "contingency"}).Draw(t, "kind"),
			Stratum: rapid.SampledFrom([]string{"stratum0", "stratum1", "stratum2"}).Draw(t, "stratum"), Arm: randomization.NoArm,
		}
		used, key := slots, a.Stratum
		switch {
		case a.Kind == randomization.Contingency:
			used = envelopes
		case minimized:
			key = "the trial"
		}
		a.Slot = used[key]
		used[key]++
		if a.Kind != randomization.Lost {
			a.Participant = fmt.Sprintf("P%03d", i)
			for _, f := range m.Factors {
				a.Levels = append(a.Levels, rapid.IntRange(0, f.Levels-1).Draw(t, "level"))
			}
		}
		switch {
		case a.Kind == randomization.Lost:
		case a.Kind == randomization.Contingency:
			a.Arm = must(randomization.NewContingency(seed, r.Design, r.Trial, a.Stratum))(t).At(a.Slot)
		case minimized:
			a.Arm = must(minimizer.Next(a.Slot, a.Levels))(t)
		default:
			a.Arm = must(randomization.NewSequence(seed, r.Design, r.Trial, a.Stratum))(t).At(a.Slot)
			if a.Arm == randomization.NoArm { // the list is used up
				return all
			}
		}
		if minimized && a.Kind != randomization.Lost {
			must(0, minimizer.Count(a.Levels, a.Arm))(t)
		}
		all = append(all, a)
	}
	return all
}

// must returns a value if there is no error.
func must[T any](value T, err error) func(t *rapid.T) T {
	return func(t *rapid.T) T {
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// change changes a reveal at one place, in the way with the given number.
func change(r *randomization.Reveal, way int) {
	at := way * 7 % len(r.Allocations)
	a := &r.Allocations[at]
	switch way % 12 {
	case 0:
		r.Trial += "x"
	case 1:
		a.Arm = (a.Arm + 1) % 2
	case 2:
		a.Slot++
	case 3:
		a.Stratum = "stratum9"
	case 4:
		a.Kind = "free"
	case 5:
		a.Levels = append(slices.Clone(a.Levels), 0)
	case 6:
		r.Allocations = append(r.Allocations, *a)
	case 7:
		r.Allocations = slices.Delete(r.Allocations, at, at+1)
	case 8:
		a.Kind = randomization.Lost
	case 9:
		a.Slot = 1 << 23
		a.Kind = randomization.Lost
	case 10:
		r.Contributed, r.Entropy = true, append(slices.Clone(r.Entropy), 7)
	case 11:
		a.Participant = r.Allocations[0].Participant
	}
}

// Whatever a trial's design, what it publishes can be checked.
func TestVerifyConfirmsWhatWasDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := randomization.Verify(anyReveals().Draw(t, "reveal")); err != nil {
			t.Fatal(err)
		}
	})
}

// Any one arm that was changed is found, and named.
func TestVerifyFindsAnyChangedArm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyReveals().Draw(t, "reveal")
		at := rapid.IntRange(0, max(len(r.Allocations)-1, 0)).Draw(t, "at")
		if len(r.Allocations) == 0 || r.Allocations[at].Kind == randomization.Lost {
			return
		}
		right, arms := r.Allocations[at].Arm, len(r.Design.ArmRatio())
		r.Allocations[at].Arm = randomization.Arm((int(right) + rapid.IntRange(1, arms-1).Draw(t, "by")) % arms)
		got, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(r))
		want := &randomization.Mismatch{
			Part: randomization.PartArm, Index: at, Allocation: r.Allocations[at],
			Got: fmt.Sprint(int(r.Allocations[at].Arm)), Want: fmt.Sprint(int(right)),
		}
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// Two allocations of a stratum that swapped places are found, whatever their
// arms are.
func TestVerifyFindsAnotherOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyReveals().Draw(t, "reveal")
		for i := range len(r.Allocations) - 1 {
			a, b := r.Allocations[i], r.Allocations[i+1]
			if a.Kind != randomization.Drawn || b.Kind != randomization.Drawn || a.Stratum != b.Stratum {
				continue
			}
			r.Allocations[i], r.Allocations[i+1] = b, a
			got, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(r))
			if !ok || got.Part != randomization.PartSlot || got.Index != i {
				t.Fatalf("Verify() = %v, want a wrong slot at %d", got, i)
			}
			return
		}
	})
}

// What doesn't match is named, and what was expected there.
func TestVerifySaysWhere(t *testing.T) {
	blocks, minimized := equalChances([]int{1, 1}, 4, 6), minimization([]int{1, 1}, randomization.Range, 2, 1)
	list := listOf(listed("bergen", "01"))
	drawn := func(stratum string, slot int, levels ...int) randomization.Allocation {
		return randomization.Allocation{Kind: randomization.Drawn, Participant: "P1", Stratum: stratum, Slot: slot, Levels: levels}
	}
	kind := func(kind randomization.Kind, a randomization.Allocation) randomization.Allocation {
		a.Kind = kind
		return a
	}
	lost := randomization.Allocation{Kind: randomization.Lost, Stratum: "oslo", Arm: randomization.NoArm}
	for _, tt := range []struct {
		design      randomization.Design
		allocations []randomization.Allocation
		say         string
	}{
		{blocks, []randomization.Allocation{drawn("oslo", 1)}, `allocation 0 (drawn, stratum "oslo", slot 1): slot 1, want 0`},
		{blocks, []randomization.Allocation{lost, drawn("oslo", 0)}, `allocation 1 (drawn, stratum "oslo", slot 0): slot 0, want 1`},
		{blocks, []randomization.Allocation{drawn("oslo", -1)}, `slot -1, want 0`},
		{blocks, []randomization.Allocation{drawn("oslo", 0, 1)}, `levels 1, want none`},
		{blocks, []randomization.Allocation{kind("", drawn("oslo", 0))}, `kind , want drawn, contingency or lost`},
		{blocks, []randomization.Allocation{kind("lost", drawn("oslo", 0))}, `kind lost with a participant, an arm or levels, want lost with none of them`},
		{blocks, []randomization.Allocation{kind("contingency", drawn("oslo", 1<<24))}, `slot 16777216, want a slot that exists`},
		{blocks, []randomization.Allocation{kind("contingency", drawn("oslo", 1000))}, `slot 1000, want a slot that exists`},
		{randomization.Maximal{Tolerance: 64, Length: 1024}, []randomization.Allocation{kind("contingency", drawn("oslo", 1<<23))}, `slot 8388608, want a slot that exists`},
		{blocks, []randomization.Allocation{kind("contingency", drawn("oslo", -1))}, `slot -1, want a slot that exists`},
		{minimized, []randomization.Allocation{drawn("oslo", 0)}, `levels , want one level of each factor`},
		{minimized, []randomization.Allocation{drawn("oslo", 0, 2)}, `levels 2, want one level of each factor`},
		{minimized, []randomization.Allocation{lost, drawn("bergen", 0, 1)}, `allocation 1 (drawn, stratum "bergen", slot 0): slot 0, want 1`},
		{list, []randomization.Allocation{drawn("oslo", 0)}, `stratum oslo, want a stratum of the list`},
		{list, []randomization.Allocation{drawn("bergen", 0), {Kind: "lost", Stratum: "bergen", Slot: 1, Arm: randomization.NoArm}, drawn("bergen", 2)}, `allocation 2 (drawn, stratum "bergen", slot 2): slot 2, want a slot that exists`},
	} {
		r := randomization.Reveal{Trial: "ips", Design: tt.design, Drawn: testSeed(t), Salt: testSalt(t), Allocations: tt.allocations}
		r.Commitment = randomization.Commit(r.Trial, r.Design, r.Drawn, r.Salt)
		if err := randomization.Verify(r); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%T: error %v, want %q", tt.design, err, tt.say)
		}
	}
}

// Each envelope is opened once, in whichever order, and some never.
func TestVerifyOfEnvelopes(t *testing.T) {
	r := randomization.Reveal{Trial: "ips", Design: randomization.BigStick{Tolerance: 2}, Drawn: testSeed(t), Salt: testSalt(t)}
	r.Commitment = randomization.Commit(r.Trial, r.Design, r.Drawn, r.Salt)
	s := newContingency(t, r.Design, r.Trial, "oslo")
	for _, slot := range []int{3, 0, 7, randomization.MaxEnvelopes - 1} {
		r.Allocations = append(r.Allocations, randomization.Allocation{Kind: randomization.Contingency, Stratum: "oslo", Slot: slot, Arm: s.At(slot)})
	}
	if err := randomization.Verify(r); err != nil {
		t.Fatal(err)
	}
	r.Allocations = append(r.Allocations, r.Allocations[1])
	if err := randomization.Verify(r); err == nil || !strings.Contains(err.Error(), "allocation 4 (contingency, stratum \"oslo\", slot 0): slot 0, want an envelope that wasn't opened before") {
		t.Errorf("an envelope twice: error %v", err)
	}
}

// Nobody has two arms; only of those who withdrew from the data there may be
// several.
func TestVerifyFindsWhoIsNamedTwice(t *testing.T) {
	r := randomization.Reveal{Trial: "ips", Design: randomization.BigStick{Tolerance: 2}, Drawn: testSeed(t), Salt: testSalt(t)}
	r.Commitment = randomization.Commit(r.Trial, r.Design, r.Drawn, r.Salt)
	for slot, arm := range newSequence(t, r.Design, r.Trial, "oslo").First(3) {
		r.Allocations = append(r.Allocations, randomization.Allocation{Kind: randomization.Drawn, Stratum: "oslo", Slot: slot, Arm: arm})
	}
	r.Allocations = append(r.Allocations, randomization.Allocation{Kind: randomization.Contingency, Stratum: "oslo", Arm: newContingency(t, r.Design, r.Trial, "oslo").At(0)})
	for _, tt := range []struct {
		name  string
		at    []int
		finds bool
	}{
		{"P1", []int{0, 2}, true},
		{"P1", []int{1, 3}, true},
		{"P1", []int{1}, false},
		{randomization.Erased, []int{0, 1, 3}, false},
	} {
		named := r
		named.Allocations = slices.Clone(r.Allocations)
		for _, i := range tt.at {
			named.Allocations[i].Participant = tt.name
		}
		last := tt.at[len(tt.at)-1]
		m, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(named))
		if ok != tt.finds || ok && (m.Part != randomization.PartParticipant || m.Index != last || m.Got != tt.name) {
			t.Errorf("%s at %v: %+v", tt.name, tt.at, m)
		}
	}
}

// Another design, seed, salt, trial or commitment is found before any arm is
// looked at; another contribution at the first arm that differs.
func TestVerifyFindsWhatWasNotCommittedTo(t *testing.T) {
	good := anyReveals().Example(1)
	seed, _ := randomization.SeedFromBytes(counting(77))
	salt, _ := randomization.SaltFromBytes(counting(77))
	for name, change := range map[string]func(r *randomization.Reveal){
		"trial":      func(r *randomization.Reveal) { r.Trial += "x" },
		"design":     func(r *randomization.Reveal) { r.Design = randomization.BigStick{Tolerance: 60} },
		"seed":       func(r *randomization.Reveal) { r.Drawn = seed },
		"salt":       func(r *randomization.Reveal) { r.Salt = salt },
		"commitment": func(r *randomization.Reveal) { r.Commitment[3] ^= 1 },
	} {
		r := good
		change(&r)
		got, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(r))
		if !ok || got.Part != randomization.PartCommitment || got.Index != -1 || got.Want != r.Commitment.String() {
			t.Errorf("another %s: %+v", name, got)
		}
	}
	for name, change := range map[string]func(r *randomization.Reveal){
		"no seed":         func(r *randomization.Reveal) { r.Drawn = randomization.Seed{} },
		"no salt":         func(r *randomization.Reveal) { r.Salt = randomization.Salt{} },
		"no design":       func(r *randomization.Reveal) { r.Design = nil },
		"unusable design": func(r *randomization.Reveal) { r.Design = randomization.BigStick{} },
	} {
		r := good
		change(&r)
		err := randomization.Verify(r)
		if _, ok := errors.AsType[*randomization.Mismatch](err); err == nil || ok {
			t.Errorf("%s: error %v, want one that isn't a mismatch", name, err)
		}
	}
	blocks := randomization.Reveal{Trial: "ips", Design: equalChances([]int{1, 1}, 8), Drawn: testSeed(t), Salt: testSalt(t), Contributed: true, Entropy: []byte("dice")}
	blocks.Commitment = randomization.Commit(blocks.Trial, blocks.Design, blocks.Drawn, blocks.Salt)
	for slot, arm := range newSequence(t, blocks.Design, "ips", "oslo").First(30) { // without the contribution
		blocks.Allocations = append(blocks.Allocations, randomization.Allocation{Kind: randomization.Drawn, Stratum: "oslo", Slot: slot, Arm: arm})
	}
	if got, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(blocks)); !ok || got.Part != randomization.PartArm {
		t.Errorf("another contribution: %+v", got)
	}
}
