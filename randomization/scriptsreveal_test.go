package randomization_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
)

// revealQuestions check 160 reveals, of which three in four were changed at one
// place after the record was made; the answer is what is wrong and where.
func revealQuestions(t *testing.T) (all []question) {
	reveals := anyReveals()
	for i := range some(160) {
		r := reveals.Example(i)
		sealed := []string{r.Commitment.String(), entropyText(r)}
		if i%4 > 0 && len(r.Allocations) > 0 {
			change(&r, i)
		}
		want := "the sealing record and " + matching(r)
		if err := randomization.Verify(r); err != nil {
			want = strings.TrimPrefix(err.Error(), "randomization: ")
		}
		if m, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(r)); (!ok || m.Part != randomization.PartCommitment) && entropyText(r) != sealed[1] {
			want = otherEntropy(entropyText(r), sealed[1])
		}
		all = append(all, ask(want, append([]string{"verify", writeReveal(t, r)}, sealed...)...))
	}
	return all
}

// matching is what the scripts say of allocations that match.
func matching(r randomization.Reveal) string {
	lost := 0
	for _, a := range r.Allocations {
		if a.Kind == randomization.Lost {
			lost++
		}
	}
	text := fmt.Sprintf("%d allocations match, %d lost", len(r.Allocations)-lost, lost)
	if lost > 0 {
		text += fmt.Sprintf("; compare %d with the reconciliations in the log (lodd verify --archive)", lost)
	}
	return text
}

// entropyText is the contribution as design.txt has it.
func entropyText(r randomization.Reveal) string {
	if !r.Contributed {
		return "none"
	}
	return fmt.Sprintf("%x", r.Entropy)
}

func otherEntropy(got, want string) string {
	return "entropy " + got + ", want " + want + ": the contribution to the seed isn't that of the sealing record"
}

// brokenQuestions are about files that aren't as the specification says, which
// nobody may read in their own way.
func brokenQuestions(t *testing.T) (all []question) {
	r := played(t, 2, []byte("dice"))
	const lines = "design.txt: want the lines format, trial, design, seed, salt, entropy, commitment, and no other"
	const columns = "allocations.csv: want the columns order,kind,participant,stratum,slot,arm,levels"
	for _, tt := range []struct{ file, old, replacement, want string }{
		{table.DesignFile, "\n", "\r\n", "the sealing record and 2 allocations match, 0 lost"},
		{table.AllocationsFile, "\n", "\r\n", "the sealing record and 2 allocations match, 0 lost"},
		{table.DesignFile, "entropy: ", "entropy: none\nentropy: ", lines},
		{table.DesignFile, "entropy: 64696365\n", "entropy: 64696365\nentropy: none\n", lines},
		{table.DesignFile, "entropy: 64696365\n", "", lines},
		{table.DesignFile, "format: ", "\nformat: ", lines},
		{table.DesignFile, r.Commitment.String() + "\n", r.Commitment.String() + "\nentropy: none\n", lines},
		{table.DesignFile, "v1/", "v2/", "design.txt isn't of version 1"},
		{table.DesignFile, "64696365", "64 69 63 65", "design.txt: entropy: want hexadecimal"},
		{table.DesignFile, "64696365", "6469636", "design.txt: entropy: want hexadecimal"},
		{table.AllocationsFile, ",", ";", columns},
		{table.AllocationsFile, "0,drawn", "x,0,drawn", columns},
		{table.AllocationsFile, ",drawn,", ",0,drawn,", columns}, // which R would take for the names of the rows
		{table.AllocationsFile, "\n0,drawn", "\ndrawn", columns},
		{table.AllocationsFile, "order,kind", "kind,order", columns},
		{table.AllocationsFile, "\n1,", "\n2,", "allocations.csv: order 2, want 1"},
		{table.AllocationsFile, "OSL-1", "OSL-0", `allocation 1 (drawn, stratum "oslo", slot 1): participant OSL-0, want one who was not named before`},
	} {
		dir := writeReveal(t, r)
		path := filepath.Join(dir, tt.file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, strings.ReplaceAll(string(b), tt.old, tt.replacement))
		if err := verifyFolder(t, dir); (err == nil) != strings.HasPrefix(tt.want, "the sealing record") {
			t.Errorf("%q instead of %q: Go says %v, want %q", tt.replacement, tt.old, err, tt.want)
		}
		all = append(all, ask(tt.want, "verify", dir, r.Commitment.String(), entropyText(r)))
	}
	for i := range r.Allocations {
		r.Allocations[i].Participant = randomization.Erased
	}
	return append(all, ask("the sealing record and "+matching(r), "verify", writeReveal(t, r), r.Commitment.String(), entropyText(r)))
}

func verifyFolder(t *testing.T, dir string) error {
	t.Helper()
	var texts [2]string
	for i, name := range []string{table.DesignFile, table.AllocationsFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(b)
	}
	r, err := table.ReadReveal(strings.NewReader(texts[0]), strings.NewReader(texts[1]))
	if err != nil {
		return err
	}
	return randomization.Verify(r)
}

// On the command line, a reveal that doesn't match ends with 1, and one that
// nothing of day 0 was compared with with 2.
func TestScriptsExit(t *testing.T) {
	good, bad := played(t, 3, nil), played(t, 3, nil)
	bad.Allocations[0].Arm = 1 - bad.Allocations[0].Arm
	sealed := good.Commitment.String()
	goodDir, badDir := writeReveal(t, good), writeReveal(t, bad)
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range []struct {
				words []string
				code  int
				say   string
			}{
				{[]string{goodDir, sealed, "none"}, 0, ""},
				{[]string{badDir, sealed, "none"}, 1, "allocation 0 ("},
				{[]string{goodDir, sealed}, 2, "NOT CHECKED"},
			} {
				_, err := s.run(t, "", append([]string{"verify"}, tt.words...)...)
				code, say := 0, ""
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					code, say = exit.ExitCode(), string(exit.Stderr)
				}
				if code != tt.code || !strings.HasPrefix(say, tt.say) {
					t.Errorf("%q: status %d, want %d; it says %q, want %q", tt.words, code, tt.code, say, tt.say)
				}
			}
		})
	}
}

func writeReveal(t *testing.T, r randomization.Reveal) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var design, allocations strings.Builder
	if err := table.WriteReveal(&design, &allocations, r); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, table.DesignFile), design.String())
	write(t, filepath.Join(dir, table.AllocationsFile), allocations.String())
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
