// Package protocol reads the protocol file and the randomization file of a
// trial, strictly, and holds the protocols that come with the program.
//
// Both files are YAML. A key that is not known, a value of another type or a
// reference to nothing is an error with its line: a misspelt key must not be
// ignored by a program whose user believes that it is set. What the keys mean
// is said in docs/protocol-file.md.
package protocol

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/lodd-rct/lodd/server/trial"
)

// The keys of the file, by what they describe.
var (
	protocolKeys  = []string{"id", "title", "time_zone", "arms", "factors", "sites", "visits", "criteria", "consents", "forms"}
	textKeys      = []string{"nb", "en"}
	armKeys       = []string{"id", "label", "ratio"}
	factorKeys    = []string{"id", "label", "levels"}
	levelKeys     = []string{"id", "label"}
	siteKeys      = []string{"id", "name"}
	visitKeys     = []string{"id", "label", "months", "before", "after"}
	criterionKeys = []string{"id", "text", "want"}
	consentKeys   = []string{"version", "approved"}
)

// Parse reads a protocol file; name is its name in messages. The error joins
// one [*Error] for each thing that is wrong, up to 20, in the order of lines.
func Parse(name string, data []byte) (trial.Protocol, error) {
	d := &document{file: name}
	top := d.parse(data)
	if top == nil {
		return trial.Protocol{}, d.err()
	}
	f := d.mapping(top, "protocol", protocolKeys)
	p := trial.Protocol{
		ID:       identifier(f, "id", trial.ParseID, map[trial.ID]bool{}),
		Title:    f.texts("title"),
		TimeZone: timeZone(f),
		Arms:     arms(f),
		Factors:  factors(f),
		Sites:    sites(f),
		Visits:   visits(f),
		Criteria: criteria(f),
		Consents: consents(f),
	}
	p.Forms = forms(f, p.Visits)
	if err := d.err(); err != nil {
		return trial.Protocol{}, err
	}
	return p, nil
}

func timeZone(f fields) string {
	zone := f.text("time_zone")
	if err := trial.CheckTimeZone(zone); err != nil && zone != "" {
		f.bad("time_zone", "%v", err)
	}
	return zone
}

func arms(f fields) []trial.Arm {
	var arms []trial.Arm
	seen := map[trial.ArmID]bool{}
	common := 0 // greatest common divisor of the ratios
	for _, n := range f.elements("arms", 2, 16) {
		a := f.d.mapping(n, "arm", armKeys)
		arm := trial.Arm{
			ID:    identifier(a, "id", code[trial.ArmID], seen),
			Label: a.texts("label"),
			Ratio: a.integer("ratio", 1, 100, 1),
		}
		arms = append(arms, arm)
		common = divisor(common, arm.Ratio)
	}
	if common > 1 {
		f.bad("arms", "the ratios have the common divisor %d; divide them by it", common)
	}
	return arms
}

func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func factors(f fields) []trial.Factor {
	var factors []trial.Factor
	seen := map[trial.Code]bool{}
	for _, n := range f.elements("factors", 0, 3) {
		in := f.d.mapping(n, "factor", factorKeys)
		factor := trial.Factor{ID: identifier(in, "id", trial.ParseCode, seen), Label: in.texts("label")}
		levels := map[trial.Code]bool{}
		for _, n := range in.elements("levels", 2, 10) {
			level := f.d.mapping(n, "level", levelKeys)
			factor.Levels = append(factor.Levels, trial.Option{
				ID: identifier(level, "id", trial.ParseCode, levels), Label: level.texts("label"),
			})
		}
		factors = append(factors, factor)
	}
	return factors
}

func sites(f fields) []trial.Site {
	var sites []trial.Site
	seen := map[trial.SiteID]bool{}
	for _, n := range f.elements("sites", 1, 200) {
		s := f.d.mapping(n, "site", siteKeys)
		sites = append(sites, trial.Site{ID: identifier(s, "id", trial.ParseSiteID, seen), Name: s.text("name")})
	}
	return sites
}

func criteria(f fields) []trial.Criterion {
	var criteria []trial.Criterion
	seen := map[trial.Code]bool{}
	for _, n := range f.elements("criteria", 1, 100) {
		c := f.d.mapping(n, "criterion", criterionKeys)
		criterion := trial.Criterion{ID: identifier(c, "id", trial.ParseCode, seen), Text: c.texts("text")}
		switch want := c.node("want").(type) {
		case *ast.BoolNode:
			criterion.Want = want.Value
		case nil:
		default:
			c.bad("want", "%s, want true (an inclusion criterion) or false (an exclusion criterion)", describe(want))
		}
		criteria = append(criteria, criterion)
	}
	return criteria
}

func consents(f fields) []trial.Consent {
	var consents []trial.Consent
	seen := map[string]bool{}
	for _, n := range f.elements("consents", 1, 50) {
		c := f.d.mapping(n, "consent", consentKeys)
		consent := trial.Consent{Version: identifier(c, "version", asIs, seen)}
		if s := c.text("approved"); s != "" {
			var err error
			if consent.Approved, err = trial.ParseDate(s); err != nil {
				c.bad("approved", "%v", err)
			}
		}
		if k := len(consents); k > 0 && consent.Approved.Before(consents[k-1].Approved) && !consent.Approved.IsZero() {
			c.bad("approved", "%s is before the version above it, %s; list the versions in their order", consent.Approved, consents[k-1].Approved)
		}
		consents = append(consents, consent)
	}
	return consents
}

// code reads a machine word as one of the types that are codes.
func code[T ~string](s string) (T, error) {
	c, err := trial.ParseCode(s)
	return T(c), err
}

func asIs(s string) (string, error) { return s, nil }

// badText says what is wrong with a text.
func badText(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "empty, want text"
	case utf8.RuneCountInString(s) > 500:
		return "longer than 500 characters"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds a line break or another control character, want one line"
	}
	return ""
}
