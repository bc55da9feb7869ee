package randomization_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// onCommandLine writes a design as the scripts take it: its ratio, and the rest.
func onCommandLine(t *testing.T, design randomization.Design) (ratio, word string) {
	t.Helper()
	ratio = strings.ReplaceAll(numbers(design.ArmRatio()), " ", ":")
	switch d := design.(type) {
	case randomization.Blocks:
		var sizes []string
		for _, s := range d.Sizes {
			sizes = append(sizes, fmt.Sprintf("%dx%d", s.Size, s.Weight))
		}
		return ratio, strings.Join(sizes, ",")
	case randomization.Complete:
		return ratio, "complete"
	case randomization.BigStick:
		return ratio, fmt.Sprintf("big-stick:%d", d.Tolerance)
	case randomization.Maximal:
		return ratio, fmt.Sprintf("maximal:%d:%d", d.Tolerance, d.Length)
	case randomization.BiasedCoin:
		return ratio, fmt.Sprintf("efron:%d:%d", d.Favored, d.Of)
	case randomization.Urn:
		return ratio, fmt.Sprintf("urn:%d:%d", d.Alpha, d.Beta)
	case randomization.Minimization:
		factors := make([]string, len(d.Factors))
		for i, f := range d.Factors {
			factors[i] = fmt.Sprintf("%dx%d", f.Levels, f.Weight)
		}
		measure := map[randomization.Measure]string{randomization.Range: "range", randomization.Variance: "variance"}[d.Measure]
		return ratio, fmt.Sprintf("minimization:%s:%d:%d:%s", measure, d.Favored, d.Of, strings.Join(factors, ","))
	default:
		t.Fatalf("the scripts don't know %T", design)
		return "", ""
	}
}

// The golden designs are written as the scripts take them.
func TestGoldenCasesAreOnCommandLine(t *testing.T) {
	for _, c := range append(goldenCases, otherCases...) {
		if ratio, word := onCommandLine(t, c.design); ratio != c.ratio || word != c.sizes {
			t.Errorf("%T%v is %s %s, want %s %s", c.design, c.design, c.ratio, c.sizes, ratio, word)
		}
	}
}

// history writes n participants of a trial as the second
// implementations take them. Some were given their arm otherwise, and some slots
// are left out.
func history(m randomization.Minimization, n int) (words []string) {
	slot := 0
	for i := range n {
		var levels []string
		for f, factor := range m.Factors {
			levels = append(levels, strconv.Itoa((i*i/(f+2)+i)%factor.Levels))
		}
		text := strings.Join(levels, ",")
		switch i % 9 {
		case 4:
			words = append(words, fmt.Sprintf("%s=%d", text, i%len(m.Ratio)))
			continue
		case 7:
			slot += 5
		}
		words = append(words, fmt.Sprintf("%d:%s", slot, text))
		slot++
	}
	return words
}

// replayHistory returns the arms of what history wrote.
func replayHistory(t *testing.T, seed randomization.Seed, design randomization.Minimization, trial string, words []string) (arms []randomization.Arm) {
	t.Helper()
	m, err := randomization.NewMinimizer(seed, design, trial)
	if err != nil {
		t.Fatal(err)
	}
	whole := func(word string) int {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, word := range words {
		slot, text, drawn := strings.Cut(word, ":")
		if !drawn {
			text = word
		}
		text, given, _ := strings.Cut(text, "=")
		var levels []int
		for level := range strings.SplitSeq(text, ",") {
			levels = append(levels, whole(level))
		}
		if !drawn {
			count(t, m, levels, randomization.Arm(whole(given)))
			continue
		}
		arm := next(t, m, whole(slot), levels)
		count(t, m, levels, arm)
		arms = append(arms, arm)
	}
	return arms
}
