package table_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
)

func secret(first byte) []byte {
	b := make([]byte, randomization.SecretSize)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// revealed is a trial with minimization in which something of each kind
// happened.
func revealed(t *testing.T) randomization.Reveal {
	t.Helper()
	seed, err := randomization.SeedFromBytes(secret(0))
	if err != nil {
		t.Fatal(err)
	}
	salt, err := randomization.SaltFromBytes(secret(0x20))
	if err != nil {
		t.Fatal(err)
	}
	m := randomization.Minimization{Ratio: []int{1, 1}, Measure: randomization.Range, Favored: 4, Of: 5, Factors: []randomization.Factor{{Levels: 2, Weight: 1}, {Levels: 3, Weight: 1}}}
	return randomization.Reveal{
		Trial: "ips", Design: m, Drawn: seed, Salt: salt, Contributed: true, Entropy: []byte("dice"),
		Commitment: randomization.Commit("ips", m, seed, salt),
		Allocations: []randomization.Allocation{
			{Kind: randomization.Drawn, Participant: "P001", Stratum: "oslo", Slot: 0, Arm: 1, Levels: []int{0, 2}},
			{Kind: randomization.Lost, Stratum: "oslo", Slot: 1, Arm: randomization.NoArm},
			{Kind: randomization.Contingency, Participant: "P, \"2\"", Stratum: "tromsø/kvinne", Slot: 3, Arm: 0, Levels: []int{1, 1}},
		},
	}
}

const revealedDesign = `format: lodd/randomization/v1/unsealed
trial: ips
design: 00000000000000226c6f64642f72616e646f6d697a6174696f6e2f76312f6d696e696d697a6174696f6e00000000000000020000000000000001000000000000000100000000000000010000000000000004000000000000000500000000000000020000000000000002000000000000000100000000000000030000000000000001
seed: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
salt: 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
entropy: 64696365
commitment: `

const revealedAllocations = `order,kind,participant,stratum,slot,arm,levels
0,drawn,P001,oslo,0,1,0 2
1,lost,,oslo,1,,
2,contingency,"P, ""2""",tromsø/kvinne,3,0,1 1
`

// The two files of a reveal are what the specification says, and are read
// again, with line ends as other systems write them too.
func TestRevealIsReadAgain(t *testing.T) {
	r := revealed(t)
	var design, allocations bytes.Buffer
	if err := table.WriteReveal(&design, &allocations, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(revealedDesign+r.Commitment.String()+"\n", design.String()); diff != "" {
		t.Errorf("design: (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(revealedAllocations, allocations.String()); diff != "" {
		t.Errorf("allocations: (-want +got)\n%s", diff)
	}
	for _, end := range []string{"\n", "\r\n"} {
		got, err := table.ReadReveal(strings.NewReader(strings.ReplaceAll(design.String(), "\n", end)), strings.NewReader(strings.ReplaceAll(allocations.String(), "\n", end)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Drawn.Bytes(), r.Drawn.Bytes()) || !bytes.Equal(got.Salt.Bytes(), r.Salt.Bytes()) {
			t.Error("another seed or salt is read")
		}
		if diff := cmp.Diff(r, got, cmpopts.IgnoreFields(randomization.Reveal{}, "Drawn", "Salt")); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// No contribution and an empty one are not the same.
func TestRevealWithoutContribution(t *testing.T) {
	r := revealed(t)
	for _, contributed := range []bool{false, true} {
		r.Contributed, r.Entropy = contributed, nil
		var design, allocations bytes.Buffer
		if err := table.WriteReveal(&design, &allocations, r); err != nil {
			t.Fatal(err)
		}
		if got, err := table.ReadReveal(&design, &allocations); err != nil || got.Contributed != contributed || len(got.Entropy) > 0 {
			t.Errorf("contributed %t: %t, entropy %x, error %v", contributed, got.Contributed, got.Entropy, err)
		}
	}
	r.Trial = "a\nb"
	if err := table.WriteReveal(&bytes.Buffer{}, &bytes.Buffer{}, r); err == nil {
		t.Error("a trial's name of two lines is written")
	}
}

func TestReadRevealSaysWhere(t *testing.T) {
	design := revealedDesign + revealed(t).Commitment.String() + "\n"
	for _, tt := range []struct {
		file, old, new string
		say            string
	}{
		{"design", "v1/unsealed", "v2/unsealed", `design.txt, line 1: format: "lodd/randomization/v2/unsealed", want "lodd/randomization/v1/unsealed"`},
		{"design", "trial: ips\n", "", `design.txt, line 2: want "trial: …"`},
		{"design", "design: 00", "design: 01", "design.txt, line 3: design: randomization: unusable design"},
		{"design", "seed: 00", "seed: ", "design.txt, line 4: seed: randomization: read seed: 31 bytes, want 32"},
		{"design", "salt: 20", "salt: 2x", "design.txt, line 5: salt: encoding/hex"},
		{"design", "entropy: 64", "entropy: 6", "design.txt, line 6: entropy: encoding/hex: odd length"},
		{"design", "entropy: 64696365", "entropy: None", "design.txt, line 6: entropy: encoding/hex"},
		{"design", "commitment: ", "commitment: 0", "design.txt, line 7: commitment"},
		{"design", "commitment: ", "comment: 0", `design.txt, line 7: want "commitment: …"`},
		{"design", design, design + "more\n", "design.txt, line 8: want nothing after commitment"},
		{"design", "entropy: 64696365", "entropy: none\nentropy: 64696365", `design.txt, line 7: want "commitment: …"`},
		{"allocations", "order,", "", "allocations.csv, line 1: want order,kind,participant"},
		{"allocations", "order,kind", "kind,order", "allocations.csv, line 1: want order,kind,participant"},
		{"allocations", "order,", "\ufefforder,", "allocations.csv, line 1: want order,kind,participant"},
		{"allocations", revealedAllocations, strings.ReplaceAll(revealedAllocations, ",", ";"), "allocations.csv, line 1: want order,kind,participant"},
		{"allocations", revealedAllocations, "", "allocations.csv, line 1: want order,kind,participant"},
		{"allocations", "order", "\"order", "allocations.csv, line 4: extraneous"},
		{"allocations", "\n1,lost", "\n2,lost", `allocations.csv, line 3, column order: "2", want 1`},
		{"allocations", "oslo,0", "oslo,00", `allocations.csv, line 2, column slot: "00", want a number from 0`},
		{"allocations", "oslo,0,1", "oslo,0,A", `allocations.csv, line 2, column arm: "A", want the number of an arm`},
		{"allocations", "0 2", "0  2", `allocations.csv, line 2, column levels: "0  2", want the number of a level for each factor`},
		{"allocations", "oslo,1,,", "oslo,1,", "allocations.csv, line 3: wrong number of fields"},
	} {
		texts := map[string]string{"design": design, "allocations": revealedAllocations}
		texts[tt.file] = strings.Replace(texts[tt.file], tt.old, tt.new, 1)
		_, err := table.ReadReveal(strings.NewReader(texts["design"]), strings.NewReader(texts["allocations"]))
		if _, ok := errors.AsType[*table.Error](err); !ok || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("error %v, want %q", err, tt.say)
		}
	}
}

// What is read as a reveal is written as it was, but for line ends and quotes.
func FuzzReadReveal(f *testing.F) {
	f.Add(revealedDesign+strings.Repeat("0", 64)+"\n", revealedAllocations)
	f.Fuzz(func(t *testing.T, design, allocations string) {
		r, err := table.ReadReveal(strings.NewReader(design), strings.NewReader(allocations))
		if err != nil {
			return
		}
		var d, a bytes.Buffer
		if err := table.WriteReveal(&d, &a, r); err != nil {
			return
		}
		again, err := table.ReadReveal(&d, &a)
		if err != nil {
			t.Fatalf("what was read isn't read again: %v", err)
		}
		if diff := cmp.Diff(r.Allocations, again.Allocations); diff != "" {
			t.Fatal(diff)
		}
	})
}
