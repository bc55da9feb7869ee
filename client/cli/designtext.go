package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/lodd-rct/lodd/randomization"
)

// Rules of thumb of this program, for the advice alone: an observer who does
// better than this beyond chance, or is certain this often, can select whom to
// include; an imbalance of this share of the participants costs power.
const (
	muchGuessed    = 0.19
	muchCertain    = 0.20
	muchUnbalanced = 0.10
)

// text returns the forecast for people: two tables, and advice.
func (v designView) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	say, f := v.words.say, v.forecast
	writeCells(w, []string{say("note.design-guesses"), say("note.design-correct"), say("note.design-certain")})
	writeCells(w, []string{say("note.design-blind"), v.share(randomization.Estimate{Value: f.Blind}), ""})
	v.guesses(w, v.observer(), &f.Observer)
	if !v.minimizes() {
		v.guesses(w, say("note.design-own"), &f.Observer)
	}
	v.guesses(w, say("note.design-own-levels"), f.OwnSite)
	v.guesses(w, say("note.design-shared-all"), f.SharedAll)
	v.guesses(w, say("note.design-shared-own"), f.SharedOwn)
	writeCells(w, nil)
	i := f.Imbalance
	writeCells(w, []string{say("note.design-imbalance"), "", ""})
	for _, p := range []float64{.5, .95, .99} {
		writeCells(w, []string{say("note.design-quantile", 100*p), v.number(i.Quantile(p)), ""})
	}
	writeCells(w, []string{say("note.design-largest"), v.number(i.Quantile(1)), ""})
	bound := say("note.design-unbounded")
	if i.Bounded {
		bound = fmt.Sprint(i.Bound)
	}
	writeCells(w, []string{say("note.design-bound"), bound, ""})
	if err := w.Flush(); err != nil {
		return "" // a strings.Builder takes everything
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(&out, strings.TrimRight(line, " \n"))
	}
	fmt.Fprintf(&out, "\n%s\n\n", v.exactness())
	for _, sentence := range v.advice() {
		fmt.Fprintf(&out, "- %s\n", sentence)
	}
	return out.String()
}

// writeCells writes a line of a table.
func writeCells(w *tabwriter.Writer, cells []string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }

// guesses writes the line of one observer, if there is one.
func (v designView) guesses(w *tabwriter.Writer, name string, g *randomization.Guesses) {
	if g != nil {
		writeCells(w, []string{name, v.share(g.Correct), v.share(g.Certain)})
	}
}

// share writes a share as people do, with its error if it has one.
func (v designView) share(e randomization.Estimate) string {
	if e.Error > 0 {
		return v.words.say("note.design-share-error", 100*e.Value, 100*e.Error)
	}
	return v.words.say("note.design-share", 100*e.Value)
}

// number writes an imbalance, which is whole at 1:1.
func (v designView) number(x float64) string {
	if x == float64(int(x)) {
		return fmt.Sprint(int(x))
	}
	return v.words.say("note.design-number", x)
}

// exactness says which numbers are exact.
func (v designView) exactness() string {
	guessed, balanced := v.forecast.Observer.Correct.Error == 0, v.forecast.Imbalance.Error == 0
	switch {
	case guessed && balanced:
		return v.words.say("note.design-exact")
	case balanced:
		return v.words.say("note.design-exact-imbalance")
	case guessed:
		return v.words.say("note.design-exact-guesses", 100*v.forecast.Imbalance.Error)
	}
	return v.words.say("note.design-simulated", 100*v.forecast.Imbalance.Error)
}

// minimizes reports whether the design looks at the levels of all participants,
// so that it has neither strata nor sequences.
func (v designView) minimizes() bool {
	_, ok := v.design.(randomization.Minimization)
	return ok
}

// observer names the observer who knows most.
func (v designView) observer() string {
	if v.minimizes() {
		return v.words.say("note.design-all-levels")
	}
	return v.words.say("note.design-all")
}

// advice returns what the numbers mean, in sentences.
func (v designView) advice() []string {
	say, f := v.words.say, v.forecast
	knows := "note.design-observer"
	if v.minimizes() {
		knows = "note.design-observer-levels"
	}
	sentences := []string{v.balance(), say(knows, v.bare(f.Observer.Correct), v.bare(randomization.Estimate{Value: f.Blind}), v.bare(f.Observer.Certain))}
	if f.SharedOwn != nil {
		sentences = append(sentences, say("note.design-separate", v.bare(f.SharedOwn.Correct)))
	}
	if f.OwnSite != nil {
		sentences = append(sentences, say("note.design-one-site", v.bare(f.OwnSite.Correct)))
	}
	predictable := v.much(f.Observer)
	unbalanced := f.Imbalance.Quantile(.95) > muchUnbalanced*float64(v.plan.Participants)
	much, far := "note.design-predictable", "note.design-unbalanced"
	if v.minimizes() {
		much, far = "note.design-predictable-levels", "note.design-unbalanced-levels"
	}
	if predictable {
		sentences = append(sentences, say(much))
	}
	if f.OwnSite != nil && v.much(*f.OwnSite) {
		sentences = append(sentences, say("note.design-predictable-own"))
	}
	if unbalanced {
		sentences = append(sentences, say(far))
	}
	if !predictable && !unbalanced {
		sentences = append(sentences, say("note.design-fits"))
	}
	return append(sentences, v.fit()...)
}

// much reports whether an observer does so well that it matters.
func (v designView) much(g randomization.Guesses) bool {
	return g.Correct.Value-v.forecast.Blind > muchGuessed || g.Certain.Value > muchCertain
}

// balance says how far apart the arms can get.
func (v designView) balance() string {
	say, f := v.words.say, v.forecast
	at95 := v.number(f.Imbalance.Quantile(.95))
	if v.minimizes() {
		return say("note.design-open-levels", v.name(), v.plan.Participants, at95)
	}
	where := say("note.design-sites", v.plan.Sites)
	if v.plan.Strata > 1 {
		where = say("note.design-strata", v.plan.Sites, v.plan.Strata)
	}
	if f.Imbalance.Bounded {
		return say("note.design-reach", where, v.name(), f.Imbalance.Bound, v.plan.Participants, at95)
	}
	return say("note.design-open", where, v.name(), v.plan.Participants, at95)
}

// size says for how many participants the forecast is, and where.
func (v designView) size() string {
	if v.minimizes() {
		return v.words.say("note.design-planned", v.plan.Participants)
	}
	return v.words.say("note.design-participants", v.plan.Participants, v.plan.Sites, v.plan.Strata)
}

// fit says whether the strata are as large as the design needs them.
func (v designView) fit() []string {
	mean := float64(v.plan.Participants) / float64(v.plan.Sites*v.plan.Strata)
	switch d := v.design.(type) {
	case randomization.Blocks:
		if largest := d.Sizes[len(d.Sizes)-1].Size; mean < float64(largest) {
			return []string{v.words.say("note.design-small", mean, largest)}
		}
	case randomization.Maximal:
		if n := float64(d.Length); mean < n/1.5 || mean > n*1.5 {
			return []string{v.words.say("note.design-length", mean, d.Length)}
		}
	default: // the others fit strata of any size
	}
	return nil
}

// bare writes a share without its error.
func (v designView) bare(e randomization.Estimate) string {
	return v.share(randomization.Estimate{Value: e.Value})
}

// name names the design with its numbers.
func (v designView) name() string {
	say := v.words.say
	switch d := v.design.(type) {
	case randomization.Blocks:
		var sizes []string
		for _, s := range d.Sizes {
			sizes = append(sizes, fmt.Sprint(s.Size))
		}
		return say("note.design-blocks", strings.Join(sizes, ","))
	case randomization.Complete:
		return say("note.design-complete")
	case randomization.BigStick:
		return say("note.design-big-stick", d.Tolerance)
	case randomization.Maximal:
		return say("note.design-maximal", d.Tolerance, d.Length)
	case randomization.BiasedCoin:
		return say("note.design-efron", fmt.Sprintf("%d/%d", d.Favored, d.Of))
	case randomization.Urn:
		return say("note.design-urn", fmt.Sprintf("UD(%d,%d)", d.Alpha, d.Beta))
	case randomization.Minimization:
		var levels []string
		for _, f := range d.Factors {
			levels = append(levels, fmt.Sprint(f.Levels))
		}
		return say("note.design-minimization", strings.Join(levels, " × "), fmt.Sprintf("%d/%d", d.Favored, d.Of))
	default:
		return fmt.Sprintf("%T", d)
	}
}
