package cli

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// designFiles are randomization files, one of each design.
var designFiles = []string{
	"design: blocks\nblock_sizes: [4, 6, 8]\n",
	"design: complete\n",
	"design: big-stick\ntolerance: 3\n",
	"design: maximal\ntolerance: 3\nlength: 12\n",
	"design: efron\nchance: 2/3\n",
	"design: urn\nalpha: 0\nbeta: 1\n",
	"design: minimization\nfactors: [{id: site, levels: 3, weight: 2}, {id: sex, levels: 2}]\nmeasure: range\nchance: 4/5\n",
}

// designs returns what people read of a design, by language. The forecast, which
// takes long, is made once.
func (w *world) designs(file string, plan randomization.Plan) map[string]string {
	w.t.Helper()
	design, err := w.deps().ParseDesign("r.yaml", []byte(file), []int{1, 1})
	if err != nil {
		w.t.Fatal(err)
	}
	forecast, err := randomization.NewForecast(design, plan)
	if err != nil {
		w.t.Fatal(err)
	}
	texts := map[string]string{}
	for _, lang := range []string{"en", "nb"} {
		texts[lang] = designView{words: newWords(lang), design: design, plan: plan, forecast: forecast}.text()
	}
	return texts
}

// What the list custodian reads of each design, in both languages.
func TestDesignIsExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("long forecasts, in which nothing runs beside anything")
	}
	var b strings.Builder
	w := newWorld(t, nil)
	for _, file := range designFiles {
		texts := w.designs(file, randomization.Plan{Participants: 24, Sites: 3, Strata: 1})
		for _, lang := range []string{"en", "nb"} {
			b.WriteString("# " + strings.ReplaceAll(strings.TrimSpace(file), "\n", "; ") + "\n" + texts[lang] + "\n")
		}
	}
	for _, tt := range []struct{ file, line string }{
		{"design: blocks\nblock_sizes: [6, 9]\n", "--participants 12 --ratio 2:1"},
		{designFiles[0], "--participants 30 --sites 2 --strata 4"},
		{"design: blocks\nblock_sizes: [4]\n", "--participants 60"},
		{designFiles[3], "--participants 60 --sites 2"},
		{"design: minimization\nfactors: [{id: site, levels: 2}]\nmeasure: variance\nchance: 19/20\n", "--participants 60 --sites 2"},
	} {
		o := w.mustRun(append([]string{"design", "-o", "table", "-f", w.file("r.yaml", tt.file)}, strings.Fields(tt.line)...)...)
		b.WriteString("# " + tt.line + "\n" + o.stdout + o.stderr + "\n")
	}
	golden(t, "design", b.String())
}

// 7 sites and the default blocks can reach 28.
func TestDesignTellsTheBound(t *testing.T) {
	plan := randomization.Plan{Participants: 202, Sites: 7, Strata: 1}
	if testing.Short() {
		plan.Participants = 42
	}
	texts := newWorld(t, nil).designs(designFiles[0], plan)
	for lang, want := range map[string]string{
		"en": "with 7 sites and blocks {4,6,8} the overall imbalance can reach 28;",
		"nb": "med 7 steder og blokker {4,6,8} kan den samlede ubalansen nå 28;",
	} {
		if !strings.Contains(texts[lang], want) {
			t.Errorf("%s: no %q in\n%s", lang, want, texts[lang])
		}
	}
}

// Programs get numbers, and the advice for people.
func TestDesignAsJSON(t *testing.T) {
	w := newWorld(t, nil)
	o := w.mustRun("design", "-f", w.file("r.yaml", "design: big-stick\ntolerance: 2\n"), "--participants", "4")
	var got struct {
		Schema               string
		Correct, Certain     float64
		Imbalance_bound      int
		Imbalance_largest    float64
		Shared_own_correct   *float64
		Advice               []string
		Correct_error, Blind float64
	}
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatal(err)
	}
	// By hand: two fair coins; then half of the lists are at the bound, and the
	// next arm is certain; then nothing is at the bound, and the coin is fair.
	if got.Schema != "lodd.forecast/1" || got.Correct != (.5+.5+.75+.5)/4 || got.Certain != .5/4 || got.Imbalance_bound != 2 || got.Blind != .5 {
		t.Errorf("%s", o.stdout)
	}
	if got.Shared_own_correct != nil || len(got.Advice) == 0 {
		t.Errorf("one site: %s", o.stdout)
	}
}

// The drawing is XML, says what it shows, and never replaces a file.
func TestDesignDrawing(t *testing.T) {
	w := newWorld(t, nil)
	path, out := w.file("r.yaml", designFiles[3]), filepath.Join(t.TempDir(), "design.svg")
	line := []string{"design", "-f", path, "--participants", "24", "--sites", "3", "--svg", out}
	w.mustRun(line...)
	drawing, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "design-svg", string(drawing))
	for d := xml.NewDecoder(strings.NewReader(string(drawing))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if o := w.run(line...); o.code != exitUsage || !strings.Contains(o.stderr, "design.svg") {
		t.Errorf("over an existing file: exit %d, %s", o.code, o.stderr)
	}
}

// What is wrong is said with the file and the line, or with the flag.
func TestDesignRefuses(t *testing.T) {
	for _, tt := range []struct {
		file, line string
		code       int
		say        string
	}{
		{designFiles[0], "", exitUsage, `required flag(s) "participants" not set`},
		{designFiles[0], "--participants 1", exitUsage, "plan for 1 participants: use 2 to 100000"},
		{designFiles[0], "--participants 9 --sites 0", exitUsage, "plan for 0 sites"},
		{designFiles[0], "--participants 9 --ratio 1to1", exitUsage, "1to1 is no ratio: write it as 1:1 or 2:1"},
		{designFiles[0], "--participants 9 --ratio 2:2", exitUsage, "ratio 2:2 is not in lowest terms"},
		{designFiles[0], "--participants 9 --ratio 2:1", exitInvalid, "r.yaml:2: randomization: block_sizes: block size 4"},
		{designFiles[2], "--participants 9 --ratio 2:1", exitInvalid, "r.yaml:1: randomization: design: big-stick is defined for arms in the ratio 1:1"},
		{"design: list\n", "--participants 9", exitInvalid, "r.yaml:1: randomization: design: a statistician's own list is read when it is sealed"},
		{"design: minimization\nfactors: [site]\nmeasure: range\nchance: 4/5\n", "--participants 9", exitInvalid, "write {id: site, weight: 1, levels: 2}"},
		{"design: coin\nblocks: 4\n", "--participants 9", exitInvalid, "r.yaml:2: unknown key \"blocks\""},
		{designFiles[0], "--participants 9 r.yaml", exitUsage, "give it with -f"},
	} {
		w := newWorld(t, nil)
		o := w.run(append([]string{"design", "-f", w.file("r.yaml", tt.file)}, strings.Fields(tt.line)...)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.say) || o.stdout != "" {
			t.Errorf("%q %s: exit %d, want %d\n%s%s", tt.file, tt.line, o.code, tt.code, o.stderr, o.stdout)
		}
	}
}
