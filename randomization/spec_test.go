package randomization_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// The worked example in the specification is what the code does.
func TestSpecificationExample(t *testing.T) {
	spec := specification(t)
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

// The worked examples of minimization, of a list and of envelopes, too.
func TestSpecificationExampleOfAdaptiveDesigns(t *testing.T) {
	spec := specification(t)
	design := minimization([]int{2, 1}, randomization.Range, 2, 1, 3, 1)
	list := listOf(listed("bergen", "0110"), listed("oslo", "101"))
	list.Tolerance = 1
	wants := []string{
		fmt.Sprintf("design%x", design.Encode()),
		fmt.Sprintf("info%x", randomization.StreamInfo("ips", "", "minimization")),
		fmt.Sprintf("design%x", list.Encode()),
		"envelopes1:1" + arms(newContingency(t, equalChances([]int{1, 1}, 4, 6, 8), "ips", "oslo").First(24)) + "blocks of",
		"envelopes2:1" + arms(newContingency(t, design, "ips", "oslo").First(24)) + "minimization or",
	}
	m := newMinimizer(t, design, "ips")
	for slot, levels := range [][]int{{0, 2}, {1, 2}, {0, 2}, {0, 1}, {1, 0}, {1, 2}} {
		words, best, scores := m.SlotWords(slot, 2), m.Best(levels), m.Scores(levels)
		preferred := 0
		if words[0]%uint64(best[0]+best[1]) >= uint64(best[0]) {
			preferred = 1
		}
		parts, arm := design.Chances(preferred), next(t, m, slot, levels)
		count(t, m, levels, arm)
		row := fmt.Sprintf("| %d | %s | %s | `%016x` | %d | `%016x` | %s | %d | %d |", slot, numbers(levels), numbers(scores), words[0], preferred, words[1], numbers(parts), words[1]%10, arm)
		wants = append(wants, row)
	}
	for _, want := range wants {
		if !strings.Contains(spec, strings.Join(strings.Fields(want), "")) {
			t.Errorf("docs/randomization-spec.md lacks %s", want)
		}
	}
}

// specification returns the page without white space.
func specification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/randomization-spec.md")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), "")
}
