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

// A question is a command of the second implementations, and what the program
// answers.
type question struct {
	words []string
	want  string
}

func ask(want string, words ...string) question { return question{words, want} }

// The second implementations answer as the program does: what is in the golden
// files, and designs, names, histories and reveals that nobody chose. Each is
// started once, because that is what takes time.
func TestSecondImplementationsAgree(t *testing.T) {
	questions := slices.Concat(goldenQuestions(t), reductionQuestions(), sequenceQuestions(t), minimizationQuestions(t), revealQuestions(t), recordQuestions(t), brokenQuestions(t))
	var in strings.Builder
	for _, q := range questions {
		fmt.Fprintln(&in, strings.Join(q.words, "\t"))
	}
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			out, err := s.run(t, in.String(), "batch")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if len(got) != len(questions) {
				t.Fatalf("%d answers, want %d", len(got), len(questions))
			}
			for i, q := range questions {
				if diff := cmp.Diff(q.want, got[i]); diff != "" {
					t.Fatalf("%.2000q (-Go +script):\n%s", q.words, diff)
				}
			}
		})
	}
}

// goldenQuestions ask for what the golden files hold.
func goldenQuestions(t *testing.T) (all []question) {
	seed, salt := fmt.Sprintf("%x", testSeed(t).Bytes()), fmt.Sprintf("%x", testSalt(t).Bytes())
	lists := slices.Concat(goldenAnswers(t, "testdata/sequences.golden"), goldenAnswers(t, "testdata/other-sequences.golden"))
	commitments := goldenAnswers(t, "testdata/commitments.golden")
	published := slices.Concat(commitments[:len(goldenCases)], goldenAnswers(t, "testdata/other-commitments.golden"))
	for i, c := range slices.Concat(goldenCases, otherCases) {
		all = append(all,
			ask(lists[i], "list", seed, c.ratio, c.sizes, c.trial, c.stratum, fmt.Sprint(goldenSlots)),
			ask(published[i], "commitment", c.trial, c.ratio, c.sizes, seed, salt))
	}
	for i, entropy := range contributions {
		all = append(all, ask(commitments[len(goldenCases)+i], "contribute", seed, fmt.Sprintf("%x", entropy)))
	}
	envelopes := goldenAnswers(t, "testdata/envelopes.golden")
	for i, c := range envelopeCases {
		all = append(all, ask(envelopes[i], "envelopes", seed, "-", fmt.Sprintf("encoded:%x", c.design.Encode()), c.trial, c.stratum, fmt.Sprint(goldenEnvelopes)))
	}
	minimized := goldenAnswers(t, "testdata/minimized.golden")
	for i, m := range minimizationCases {
		ratio, word := onCommandLine(t, m)
		all = append(all, ask(minimized[i], append([]string{"minimize", seed, ratio, word, "ips"}, history(m, goldenMinimized)...)...))
	}
	sealed := goldenAnswers(t, "testdata/adaptive-commitments.golden")
	for i, d := range adaptiveDesigns() {
		all = append(all, ask(sealed[i], "commitment", "ips", "-", fmt.Sprintf("encoded:%x", d.Encode()), seed, salt))
	}
	return all
}

func reductionQuestions() (all []question) {
	for _, tt := range reductions {
		want := "reject"
		if tt.ok {
			want = fmt.Sprint(tt.want)
		}
		all = append(all, ask(want, "reduce", fmt.Sprintf("%016x", tt.word), fmt.Sprint(tt.n)))
	}
	return all
}

// some is the number of questions of a kind, and a third of it if time is short.
func some(n int) int {
	if testing.Short() {
		return n / 3
	}
	return n
}

// sequenceQuestions ask for sequences and envelopes of 900 designs.
func sequenceQuestions(t *testing.T) (all []question) {
	designs, lists := anyDesigns(), anyLists()
	for i := range some(900) {
		design := designs.Example(i)
		ratio, word := "-", ""
		if i%10 == 0 {
			l := lists.Example(i)
			design, word = l, fmt.Sprintf("encoded:%x", l.Encode())
		} else {
			ratio, word = onCommandLine(t, design)
		}
		seed, trial, stratum, slots := anySeed(t, i), fmt.Sprint("trial", i%7), fmt.Sprint("stratum", i%3), 1+i*37%40
		start, command := randomization.NewSequence, "list"
		if i%4 == 1 {
			start, command = randomization.NewContingency, "envelopes"
		}
		s, err := start(seed, design, trial, stratum)
		if err != nil {
			t.Fatal(err)
		}
		var want []randomization.Arm
		for slot := 0; slot < slots && s.At(slot) != randomization.NoArm; slot++ {
			want = append(want, s.At(slot))
		}
		all = append(all, ask(arms(want), command, fmt.Sprintf("%x", seed.Bytes()), ratio, word, trial, stratum, fmt.Sprint(slots)))
	}
	return all
}

// minimizationQuestions replay 200 trials of up to 30 participants.
func minimizationQuestions(t *testing.T) (all []question) {
	designs := anyMinimizations()
	for i := range some(200) {
		m, seed := designs.Example(i), anySeed(t, i)
		ratio, word := onCommandLine(t, m)
		if i%2 == 0 {
			ratio, word = "-", fmt.Sprintf("encoded:%x", m.Encode())
		}
		words := history(m, 1+i%30)
		want := replayHistory(t, seed, m, fmt.Sprint("trial", i%5), words)
		all = append(all, ask(arms(want), append([]string{"minimize", fmt.Sprintf("%x", seed.Bytes()), ratio, word, fmt.Sprint("trial", i%5)}, words...)...))
	}
	return all
}

// A script is one of the further implementations of the specification.
type script struct{ name, program, file, hint string }

var scripts = []script{
	{"Python", "python3", "../docs/randomization.py", "install python3"},
	{"R", "Rscript", "../docs/randomization.R", "install r-base-core and r-cran-digest"},
}

// run returns what the script writes. The error has what it complains of.
func (s script) run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath(s.program)
	if err != nil {
		skip(t, s.program+" is missing: "+s.hint+" to run the second implementation")
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{s.file}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if strings.Contains(string(exit.Stderr), "no package called") {
			skip(t, "the R package digest is missing: "+s.hint)
		}
		return "", fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
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

func anySeed(t *testing.T, i int) randomization.Seed {
	t.Helper()
	seed, err := randomization.SeedFromBytes(append(counting(byte(i))[1:], byte(i>>8)))
	if err != nil {
		t.Fatal(err)
	}
	return seed
}
