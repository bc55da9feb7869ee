package randomization_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
)

// A script is one of the further implementations of the specification.
type script func(t *testing.T, stdin string, args ...string) string

func TestPythonGivesTheSameLists(t *testing.T) { compareWithGolden(t, pythonScript(t)) }

func TestRGivesTheSameLists(t *testing.T) { compareWithGolden(t, rScript(t)) }

// compareWithGolden runs a script on what the golden files were made from.
func compareWithGolden(t *testing.T, run script) {
	seed, salt := fmt.Sprintf("%x", testSeed(t).Bytes()), fmt.Sprintf("%x", testSalt(t).Bytes())
	lists := slices.Concat(goldenAnswers(t, "testdata/sequences.golden"), goldenAnswers(t, "testdata/other-sequences.golden"))
	commitments := goldenAnswers(t, "testdata/commitments.golden")
	published := slices.Concat(commitments[:len(goldenCases)], goldenAnswers(t, "testdata/other-commitments.golden"))
	for i, c := range slices.Concat(goldenCases, otherCases) {
		got := run(t, "", "list", seed, c.ratio, c.sizes, c.trial, c.stratum, fmt.Sprint(goldenSlots))
		if diff := cmp.Diff(strings.Fields(lists[i]), strings.Fields(got)); diff != "" {
			t.Errorf("%s %s %q %q (-Go +script):\n%s", c.ratio, c.sizes, c.trial, c.stratum, diff)
		}
		got = run(t, "", "commitment", c.trial, c.ratio, c.sizes, seed, salt)
		if got != published[i] {
			t.Errorf("commitment to %s %s %q is %q, want %q", c.ratio, c.sizes, c.trial, got, published[i])
		}
	}
	for i, entropy := range contributions {
		want := commitments[len(goldenCases)+i]
		if got := run(t, "", "contribute", seed, fmt.Sprintf("%x", entropy)); got != want {
			t.Errorf("contribution %q gives %q, want %q", entropy, got, want)
		}
	}
	words, want := []string{"reduce"}, []string{}
	for _, tt := range reductions {
		words = append(words, fmt.Sprintf("%016x", tt.word), fmt.Sprint(tt.n))
		if tt.ok {
			want = append(want, fmt.Sprint(tt.want))
		} else {
			want = append(want, "reject")
		}
	}
	if diff := cmp.Diff(want, strings.Fields(run(t, "", words...))); diff != "" {
		t.Errorf("%q (-want +script):\n%s", words, diff)
	}
}

// The worked example in the specification is what the code does.
func TestSpecificationExample(t *testing.T) {
	text, err := os.ReadFile("../docs/randomization-spec.md")
	if err != nil {
		t.Fatal(err)
	}
	spec := strings.Join(strings.Fields(string(text)), "")
	c, seed, salt := goldenCases[0], testSeed(t), testSalt(t)
	sequence := newSequence(t, c.design, c.trial, c.stratum)
	words := randomization.Words(seed, c.trial, c.stratum, 8)
	for name, want := range map[string]string{
		"seed":         fmt.Sprintf("seed%x", seed.Bytes()),
		"salt":         fmt.Sprintf("salt%x", salt.Bytes()),
		"design":       fmt.Sprintf("design%x", c.design.Encode()),
		"commitment":   "commitment" + randomization.Commit(c.trial, c.design, seed, salt).String(),
		"info":         fmt.Sprintf("info%x", randomization.StreamInfo(c.trial, c.stratum, "blocks")),
		"key":          fmt.Sprintf("key%x", randomization.StreamKey(seed, c.trial, c.stratum)),
		"output 0":     fmt.Sprintf("output0%016x%016x%016x%016x", words[0], words[1], words[2], words[3]),
		"output 1":     fmt.Sprintf("output1%016x%016x%016x%016x", words[4], words[5], words[6], words[7]),
		"list":         "list" + strings.ReplaceAll(arms(sequence.First(24)), " ", ""),
		"contribution": fmt.Sprintf("contributed%x", seed.Contribute([]byte("dice")).Bytes()),
		"maximal":      fmt.Sprintf("design%x", randomization.Maximal{Tolerance: 3, Length: 12}.Encode()),
		"first word":   fmt.Sprintf("word%016x", randomization.FirstWord(seed, randomization.Maximal{})),
	} {
		if !strings.Contains(spec, want) {
			t.Errorf("docs/randomization-spec.md lacks the %s: %s", name, want)
		}
	}
	for _, design := range []randomization.Design{
		randomization.Complete{Ratio: []int{1, 1}},
		randomization.BigStick{Tolerance: 3},
		randomization.Maximal{Tolerance: 3, Length: 12},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 2, Beta: 1},
		randomization.Urn{Arms: 3, Alpha: 1, Beta: 3},
	} {
		ratio, word := onCommandLine(t, design)
		list := arms(newSequence(t, design, c.trial, c.stratum).First(24))
		if want := word + ratio + strings.ReplaceAll(list, " ", ""); !strings.Contains(spec, want) {
			t.Errorf("docs/randomization-spec.md lacks the list %s %s %s", word, ratio, list)
		}
	}
}

// goldenAnswers returns what stands behind ": " in each line of a golden file.
func goldenAnswers(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	for line := range strings.Lines(string(text)) {
		_, answer, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Fatalf("%s: line %q", file, line)
		}
		answers = append(answers, answer)
	}
	return answers
}

func runner(program, file string) script {
	return func(t *testing.T, stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{file}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("%s %q: %v\n%s", file, args, err, exit.Stderr)
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(out), "\n")
	}
}

// needProgram returns the path of a program, or skips the test.
func needProgram(t *testing.T, name, hint string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, name+" is missing: "+hint)
	}
	return path
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
