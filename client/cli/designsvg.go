package cli

import (
	"fmt"
	"html"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
)

// The drawing, in pixels: bars of the imbalance above, those of the guesses
// below.
const (
	svgWidth, svgHeight = 720, 470
	svgLeft, svgRight   = 60, 700
	svgTop, svgBase     = 60, 280
	svgRow              = 28 // of a guess
	svgLabel            = 400
)

// svg draws the forecast.
func (v designView) svg() string {
	var b strings.Builder
	say := v.words.say
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="12" fill="#222">`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(v.name()))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, svgHeight)
	svgText(&b, svgLeft, 24, v.name()+", "+say("note.design-participants", v.plan.Participants, v.plan.Sites, v.plan.Strata))
	svgText(&b, svgLeft, 44, say("note.design-imbalance"))
	v.svgImbalance(&b)
	y := svgBase + 60
	svgText(&b, svgLeft, y, say("note.design-guesses")+": "+strings.ToLower(say("note.design-correct")+" / "+say("note.design-certain")))
	f := v.forecast
	blind := randomization.Guesses{Correct: randomization.Estimate{Value: f.Blind}}
	for _, row := range []struct {
		name string
		of   *randomization.Guesses
	}{
		{say("note.design-blind"), &blind},
		{say("note.design-all"), &f.Observer},
		{say("note.design-shared-own"), f.SharedOwn},
	} {
		if row.of != nil {
			y += svgRow
			v.svgGuess(&b, y, row.name, *row.of)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// svgImbalance draws a bar for each imbalance, as far as it isn't next to
// impossible.
func (v designView) svgImbalance(b *strings.Builder) {
	last := v.forecast.Imbalance.Quantile(.9999)
	var shown []randomization.ImbalanceChance
	highest := 0.0
	for _, c := range v.forecast.Imbalance.Chances {
		if c.Ahead <= last {
			shown = append(shown, c)
			highest = max(highest, c.Chance)
		}
	}
	if highest == 0 {
		return
	}
	step := float64(svgRight-svgLeft) / float64(len(shown))
	every := 1 + len(shown)/16 // as many labels as there is room for
	for i, c := range shown {
		x, tall := svgLeft+float64(i)*step, c.Chance/highest*(svgBase-svgTop)
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#2b6cb0"/>`+"\n", x+step*.1, svgBase-tall, step*.8, tall)
		if i%every == 0 {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x+step/2, svgBase+16, html.EscapeString(v.number(c.Ahead)))
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", svgLeft-6, svgTop+10, html.EscapeString(v.bare(randomization.Estimate{Value: highest})))
	fmt.Fprintf(b, `<path d="M%d %dH%d" stroke="#222"/>`+"\n", svgLeft, svgBase, svgRight)
}

// svgGuess draws the share of correct guesses, and within it the certain ones.
func (v designView) svgGuess(b *strings.Builder, y int, name string, g randomization.Guesses) {
	const wide = svgRight - svgLabel - 110
	svgText(b, svgLeft, y, name)
	for _, bar := range []struct {
		share float64
		fill  string
	}{{1, "#e2e8f0"}, {g.Correct.Value, "#2b6cb0"}, {g.Certain.Value, "#c05621"}} {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="16" fill="%s"/>`+"\n", svgLabel, y-12, wide*bar.share, bar.fill)
	}
	svgText(b, svgRight-104, y, v.bare(g.Correct)+" / "+v.bare(g.Certain))
}

func svgText(b *strings.Builder, x, y int, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x, y, html.EscapeString(text))
}
