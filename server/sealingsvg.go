package server

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The page of a sealing record, in millimetres, and its letters: a monospaced
// letter is some 0.61 of the font's size wide.
const (
	pageWidth, pageHeight = 210.0, 297.0
	pageMargin            = 15.0
	letterWidth           = 0.61
	lineHeight            = 1.35
	largestLetter         = 3.2
	longestLine           = 100 // letters
)

// page draws a text on one page of A4. Lines are folded and letters are made
// smaller until all fits. The same text gives the same page.
func page(title, text string) string {
	lines := folded(text)
	longest := 1
	for _, l := range lines {
		longest = max(longest, utf8.RuneCountInString(l))
	}
	size := min(largestLetter,
		(pageWidth-2*pageMargin)/(letterWidth*float64(longest)),
		(pageHeight-2*pageMargin)/(lineHeight*float64(len(lines))))
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%gmm" height="%gmm" viewBox="0 0 %g %g">
<title>%s</title>
<rect width="%g" height="%g" fill="white"/>
<g font-family="'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, monospace" font-size="%.3f" fill="black" style="white-space: pre">
`, pageWidth, pageHeight, pageWidth, pageHeight, escaped(title), pageWidth, pageHeight, size)
	for i, l := range lines {
		if l == "" {
			continue
		}
		fmt.Fprintf(&b, "<text x=\"%g\" y=\"%.3f\" xml:space=\"preserve\">%s</text>\n", pageMargin, pageMargin+size*(1+lineHeight*float64(i)), escaped(l))
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// folded returns the lines of a text, longer ones in parts.
func folded(text string) []string {
	var out []string
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		runes := []rune(l)
		for len(runes) > longestLine {
			out = append(out, string(runes[:longestLine]))
			runes = runes[longestLine:]
		}
		out = append(out, string(runes))
	}
	return out
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder doesn't fail
	return b.String()
}
