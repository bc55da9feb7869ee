package randomization_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
)

// The second implementations draw the same lists for designs, names and lengths
// that nobody chose.
func TestSecondImplementationsAgreeOnRandomDesigns(t *testing.T) {
	var asked, want []string
	for i := range 1200 {
		design := anyDesigns().Example(i)
		seed, err := randomization.SeedFromBytes(append(counting(byte(i))[1:], byte(i>>8)))
		if err != nil {
			t.Fatal(err)
		}
		trial, stratum, slots := fmt.Sprint("trial", i%7), fmt.Sprint("stratum", i), 1+i*37%50
		s, err := randomization.NewSequence(seed, design, trial, stratum)
		if err != nil {
			t.Fatal(err)
		}
		ratio, word := onCommandLine(t, design)
		asked = append(asked, fmt.Sprintf("%x %s %s %s %s %d", seed.Bytes(), ratio, word, trial, stratum, slots))
		want = append(want, arms(s.First(slots)))
	}
	for name, run := range map[string]func(t *testing.T) script{"Python": pythonScript, "R": rScript} {
		t.Run(name, func(t *testing.T) {
			got := strings.Split(run(t)(t, strings.Join(asked, "\n")+"\n", "lists"), "\n")
			if len(got) != len(want) {
				t.Fatalf("%d lists, want %d", len(got), len(want))
			}
			for i := range want {
				if diff := cmp.Diff(want[i], got[i]); diff != "" {
					t.Fatalf("%s (-Go +script):\n%s", asked[i], diff)
				}
			}
		})
	}
}

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

func pythonScript(t *testing.T) script {
	t.Helper()
	return runner(needProgram(t, "python3", "install python3 to run the second implementation"), "../docs/randomization.py")
}

func rScript(t *testing.T) script {
	t.Helper()
	rscript := needProgram(t, "Rscript", "install r-base-core and r-cran-digest to run the implementation in R")
	err := exec.CommandContext(t.Context(), rscript, "-e", `quit(status = !requireNamespace("digest", quietly = TRUE))`).Run()
	if err != nil {
		skip(t, "the R package digest is missing: install r-cran-digest to run the implementation in R")
	}
	return runner(rscript, "../docs/randomization.R")
}
