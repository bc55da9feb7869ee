package cli

import (
	"fmt"
	"html"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
)

// The drawing, in pixels: bars of the imbalance above, those of the guesses
// below. Letters are at most 6.5 wide on average.
const (
	svgWidth, svgHeight = 720, 470
	svgLeft, svgRight   = 60, 700
	svgTop, svgBase     = 60, 280
	svgRow              = 28  // of a guess
	svgLabel            = 440 // where the bars of guesses begin: behind the longest label
)

// The colors of what is told, of what is certain, and of what is left.
const (
	svgBlue   = "#2b6cb0"
	svgOrange = "#c05621"
	svgGrey   = "#e2e8f0"
)

// svg draws the forecast.
func (v designView) svg() string {
	var b strings.Builder
	say := v.words.say
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="12" fill="#222">`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(v.name()))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, svgHeight)
	svgText(&b, svgLeft, 24, v.name()+", "+v.size())
	svgText(&b, svgLeft, 44, say("note.design-imbalance"))
	v.svgImbalance(&b)
	y := svgBase + 60
	svgText(&b, svgLeft, y, say("note.design-guesses"))
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end"><tspan fill="%s">%s</tspan> / <tspan fill="%s">%s</tspan></text>`+"\n", svgRight, y,
		svgBlue, html.EscapeString(strings.ToLower(say("note.design-correct"))), svgOrange, html.EscapeString(strings.ToLower(say("note.design-certain"))))
	f := v.forecast
	blind := randomization.Guesses{Correct: randomization.Estimate{Value: f.Blind}}
	for _, row := range []struct {
		name string
		of   *randomization.Guesses
	}{
		{say("note.design-blind"), &blind},
		{v.observer(), &f.Observer},
		{say("note.design-own-levels"), f.OwnSite},
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
	unit := gap(shown)
	step := float64(svgRight-svgLeft) / ((shown[len(shown)-1].Ahead-shown[0].Ahead)/unit + 1)
	free := 0.0 // from where there is room for a label
	for _, c := range shown {
		x, tall := svgLeft+(c.Ahead-shown[0].Ahead)/unit*step, c.Chance/highest*(svgBase-svgTop)
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x+step*.1, svgBase-tall, step*.8, tall, svgBlue)
		if x >= free {
			free = x + 40
			fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x+step/2, svgBase+16, html.EscapeString(v.number(c.Ahead)))
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", svgLeft-6, svgTop+10, html.EscapeString(v.bare(randomization.Estimate{Value: highest})))
	fmt.Fprintf(b, `<path d="M%d %dH%d" stroke="#222"/>`+"\n", svgLeft, svgBase, svgRight)
}

// gap returns the least distance of two imbalances, so that the axis is true to
// scale.
func gap(shown []randomization.ImbalanceChance) float64 {
	least := 1.0
	for i := 1; i < len(shown); i++ {
		if d := shown[i].Ahead - shown[i-1].Ahead; i == 1 || d < least {
			least = d
		}
	}
	return least
}

// svgGuess draws the share of correct guesses, and within it the certain ones.
func (v designView) svgGuess(b *strings.Builder, y int, name string, g randomization.Guesses) {
	const wide = svgRight - svgLabel - 100
	svgText(b, svgLeft, y, name)
	for _, bar := range []struct {
		share float64
		fill  string
	}{{1, svgGrey}, {g.Correct.Value, svgBlue}, {g.Certain.Value, svgOrange}} {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="16" fill="%s"/>`+"\n", svgLabel, y-12, wide*bar.share, bar.fill)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", svgRight, y, html.EscapeString(v.bare(g.Correct)+" / "+v.bare(g.Certain)))
}

func svgText(b *strings.Builder, x, y int, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x, y, html.EscapeString(text))
}
