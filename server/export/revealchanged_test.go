package export_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// A change is something that somebody might do to a reveal, and where it shows.
type change struct{ name, file, old, replacement, where string }

const (
	designFile      = "unsealed/design.txt"
	allocationsFile = "unsealed/allocations.csv"
)

// changesOf are changes of the reveal of the story, which has twelve slots.
func changesOf(t *testing.T, b bundle) []change {
	t.Helper()
	lines := strings.SplitAfter(b.files[allocationsFile], "\n")
	otherArm := func(line string) string {
		f := strings.Split(line, ",")
		f[5] = map[string]string{"0": "1", "1": "0"}[f[5]]
		return strings.Join(f, ",")
	}
	swapped := strings.Replace(lines[3], "2,", "0,", 1) + lines[2] + strings.Replace(lines[1], "0,", "2,", 1)
	seed, encoded := field(b.files[designFile], "seed"), field(b.files[designFile], "design")
	sizes := func(n int) string { return fmt.Sprintf("%016x%016x", n, 1) } // a block size and its weight
	return []change{
		{name: "nothing", where: "the sealing record and 10 allocations match, 2 lost; compare 2 with the reconciliations in the log (lodd verify --archive)"},
		{"one arm", allocationsFile, lines[12], otherArm(lines[12]), `allocation 11 (drawn, stratum "OSLO", slot 6): arm `},
		{"the arm of an envelope", allocationsFile, lines[9], otherArm(lines[9]), `allocation 8 (contingency, stratum "OSLO", slot 1): arm `},
		{"one slot", allocationsFile, ",OSLO,6,", ",OSLO,7,", `allocation 11 (drawn, stratum "OSLO", slot 7): slot 7, want 6`},
		{"the order", allocationsFile, lines[1] + lines[2] + lines[3], swapped, `allocation 0 (drawn, stratum "OSLO", slot 1): slot 1, want 0`},
		{
			"a slot that was lost", allocationsFile, lines[10] + lines[11] + lines[12],
			strings.Replace(lines[11], "10,", "9,", 1) + strings.Replace(lines[12], "11,", "10,", 1),
			`allocation 9 (lost, stratum "OSLO", slot 5): slot 5, want 4`,
		},
		{"the seed", designFile, seed, strings.Repeat("5a", 32), "commitment "},
		{"the salt", designFile, field(b.files[designFile], "salt"), strings.Repeat("5a", 32), "commitment "},
		{"the design", designFile, encoded, strings.Replace(encoded, sizes(6), sizes(8), 1), "commitment "},
		{"who it was", allocationsFile, lines[12], strings.Replace(lines[12], field3(lines[12]), field3(lines[1]), 1), `allocation 11 (drawn, stratum "OSLO", slot 6): participant `},
		{"the contribution", designFile, "entropy: none", "entropy: 64696365", `allocation `},
	}
}

// Whoever changes the design, the seed, the order, a slot or an arm is found by
// all three programs, which say the same and where.
func TestChangedRevealIsFound(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	w.unseal()
	honest := w.reveal()
	commitment := honest.revealed(t).Commitment.String()
	changes := changesOf(t, honest)
	var said, questions []string
	for _, c := range changes {
		b := bundle{files: map[string]string{designFile: honest.files[designFile], allocationsFile: honest.files[allocationsFile]}}
		b.files[c.file] = strings.Replace(b.files[c.file], c.old, c.replacement, 1)
		if c.name == "nothing" == (b.files[c.file] != honest.files[c.file]) {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		r := b.revealed(t)
		text := changes[0].where
		if err := randomization.Verify(r); err != nil {
			text = strings.TrimPrefix(err.Error(), "randomization: ")
		}
		if !strings.HasPrefix(text, c.where) {
			t.Errorf("%s: Go says %q, want %q", c.name, text, c.where)
		}
		if r.Contributed { // which they hold to the record before they draw with it
			text = "entropy 64696365, want none: the contribution to the seed isn't that of the sealing record"
		}
		said = append(said, text)
		questions = append(questions, "verify\t"+b.unpack(t)+"\t"+commitment+"\tnone")
	}
	for _, script := range [][2]string{{"Rscript", "randomization.R"}, {"python3", "randomization.py"}} {
		t.Run(script[0], func(t *testing.T) {
			for i, answer := range answers(t, script, questions) {
				if answer != said[i] {
					t.Errorf("%s: it says %q, want %q as Go", changes[i].name, answer, said[i])
				}
			}
		})
	}
}

// A forger who changes the commitment too is found by whoever has the record of
// day 0.
func TestForgedCommitmentIsFoundWithTheRecord(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	w.unseal()
	honest, forged := w.reveal().revealed(t), w.reveal().revealed(t)
	forged.Allocations = nil
	forged.Salt, _ = randomization.SaltFromBytes([]byte(strings.Repeat("x", 32)))
	forged.Commitment = randomization.Commit(forged.Trial, forged.Design, forged.Drawn, forged.Salt)
	if err := randomization.Verify(forged); err != nil {
		t.Fatalf("it is no good forgery: %v", err)
	}
	forged.Commitment = honest.Commitment
	if m, ok := errors.AsType[*randomization.Mismatch](randomization.Verify(forged)); !ok || m.Part != randomization.PartCommitment {
		t.Errorf("Verify: %v, want a mismatch of the commitment", m)
	}
}

// unpack writes the folder that scripts check.
func (b bundle) unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{designFile, allocationsFile} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(b.files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// field3 returns who has a line of allocations.csv.
func field3(line string) string { return strings.Split(line, ",")[2] }

// field returns the value of a line of design.txt.
func field(text, name string) string {
	_, rest, _ := strings.Cut(text, name+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// answers asks a second implementation several questions at once: it takes
// longer to start than to answer.
func answers(t *testing.T, script [2]string, questions []string) []string {
	t.Helper()
	program, err := exec.LookPath(script[0])
	if err != nil {
		skip(t, script[0]+" is missing: install it to run the second implementation")
	}
	cmd := exec.CommandContext(t.Context(), program, filepath.Join("../../docs", script[1]), "batch")
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if strings.Contains(string(exit.Stderr), "no package called") {
			skip(t, "the R package digest is missing: install r-cran-digest")
		}
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(questions) {
		t.Fatalf("%d answers to %d questions:\n%s", len(got), len(questions), out)
	}
	return got
}

// skip skips a test that needs something beside Go; in CI it must not be
// missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
