package protocol

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// siteFactor is how minimization names the site among its factors.
const siteFactor trial.Code = "site"

// A weighed factor is one as a randomization file names it.
type weighed struct {
	id             trial.Code
	weight, levels int // levels is 0 if the file doesn't say it
}

func readMinimization(f fields, to frame) randomization.Design {
	m := randomization.Minimization{Ratio: slices.Clone(to.ratio), Measure: measure(f)}
	m.Favored, m.Of = f.fraction("chance", "4/5")
	given := weighedFactors(f)
	if len(f.d.faults) > 0 {
		return m
	}
	if to.protocol != nil {
		given = ofProtocol(f, given, to.protocol)
	} else {
		given = siteFirst(f, given)
	}
	for _, w := range given {
		if w.levels == 0 {
			f.bad("factors", "how many levels %s has isn't known without the protocol: write {id: %s, weight: %d, levels: 2}", w.id, w.id, w.weight)
			break
		}
		m.Factors = append(m.Factors, randomization.Factor{Levels: w.levels, Weight: w.weight})
	}
	if len(f.d.faults) == 0 { // so that what is wrong with the chance is said at its line
		alone := m
		alone.Factors = []randomization.Factor{{Levels: 1, Weight: 1}}
		checkDesign(f, namedDesign{name: "minimization", key: "chance"}, alone, to.ratio)
	}
	return m
}

func measure(f fields) randomization.Measure {
	switch text := f.text("measure"); text {
	case "range":
		return randomization.Range
	case "variance":
		return randomization.Variance
	case "":
	default:
		f.bad("measure", "%q, want range or variance", text)
	}
	return 0
}

// weighedFactors reads "site" or "{id: site, weight: 2}".
func weighedFactors(f fields) []weighed {
	var out []weighed
	seen := map[trial.Code]bool{}
	for _, n := range f.elements("factors", 1, 16) {
		in := fields{}
		if s, ok := f.d.follow(n).(*ast.StringNode); ok {
			in = fields{d: f.d, what: "factor", begin: line(s), values: map[string]ast.Node{"id": s}}
		} else {
			in = f.d.mapping(n, "factor", weighedKeys)
		}
		out = append(out, weighed{
			id:     identifier(in, "id", code[trial.Code], seen),
			weight: in.integer("weight", 1, 100, 1),
			levels: in.integer("levels", 1, 1000, 0),
		})
	}
	return out
}

// siteFirst returns the factors with the site before the others, as they are
// sealed.
func siteFirst(f fields, given []weighed) []weighed {
	at := slices.IndexFunc(given, func(w weighed) bool { return w.id == siteFactor })
	if at < 0 {
		f.bad("factors", "%s is missing: minimization balances it and every factor of the protocol", siteFactor)
		return given
	}
	return slices.Concat(given[at:at+1], given[:at], given[at+1:])
}

// ofProtocol returns the site and the factors of a protocol as they are weighed.
// All must be: what isn't balanced is no factor of the protocol.
func ofProtocol(f fields, given []weighed, p *trial.Protocol) []weighed {
	want := []weighed{{siteFactor, 0, len(p.Sites)}}
	for _, factor := range p.Factors {
		if factor.ID == siteFactor {
			f.bad("factors", "the protocol has a factor %s, which can't be told from the site: use another design", siteFactor)
		}
		want = append(want, weighed{factor.ID, 0, len(factor.Levels)})
	}
	var names []string
	for _, w := range want {
		names = append(names, string(w.id))
	}
	for i, w := range want {
		at := slices.IndexFunc(given, func(g weighed) bool { return g.id == w.id })
		switch {
		case at < 0:
			f.bad("factors", "%s is missing, want all of %s", w.id, list(names))
			continue
		case given[at].levels != 0 && given[at].levels != w.levels:
			f.bad("factors", "%s has %d levels, but %d in the protocol", w.id, given[at].levels, w.levels)
		}
		want[i].weight = given[at].weight
	}
	for _, g := range given {
		if !slices.Contains(names, string(g.id)) {
			f.bad("factors", "%s is no factor of the protocol, want all of %s", fmt.Sprintf("%q", g.id), list(names))
		}
	}
	return want
}
