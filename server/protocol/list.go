package protocol

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
	"github.com/lodd-rct/lodd/server/trial"
)

// The formats of a statistician's own list.
const (
	ListCSV    = "csv"
	ListREDCap = "redcap"
)

// A List is a statistician's own list as it is handed in.
type List struct {
	Data   []byte
	Format string // ListCSV or ListREDCap; empty if there is none
}

// maxListStrata is the most strata that a list can have.
const maxListStrata = 10_000

// readList reads what the file says of the list, which is no more than how far
// it may be from the ratio.
func readList(f fields, to frame) randomization.Design {
	switch {
	case to.protocol == nil:
		f.bad("design", "a statistician's own list is read when it is sealed; nothing of it is drawn that could be foretold here")
	case len(to.list.Data) == 0:
		f.bad("design", "the list itself is missing: hand it in together with this file")
	case to.list.Format != ListCSV && to.list.Format != ListREDCap:
		f.bad("design", "the list has the format %q, want %s or %s", to.list.Format, ListCSV, ListREDCap)
	case to.protocol.CountStrata() > maxListStrata:
		f.bad("design", "the protocol has %d strata, a list has at most %d", to.protocol.CountStrata(), maxListStrata)
	}
	return randomization.List{Ratio: to.ratio, Tolerance: f.integer("tolerance", 0, 1<<20, 0)}
}

// readTable reads the list itself. Errors are about the file "list": they name
// the line, what stands in it and what was expected, and nothing of other lines.
func readTable(l randomization.List, to frame) (randomization.Design, error) {
	want := table.Expected{Ratio: l.Ratio, Tolerance: l.Tolerance}
	for _, s := range to.protocol.Strata() {
		want.Strata = append(want.Strata, string(s))
	}
	for _, a := range to.protocol.Arms {
		want.Arms = append(want.Arms, string(a.ID))
	}
	var err error
	if to.list.Format == ListCSV {
		l, err = table.ReadCSV(bytes.NewReader(to.list.Data), want)
	} else {
		l, err = readREDCap(to, want)
	}
	if err != nil {
		return nil, listError(err)
	}
	return l, nil
}

// listError returns the error of a list as the errors of the file are.
func listError(err error) error {
	out := &Error{File: "list", Line: 1, Message: strings.TrimPrefix(err.Error(), randomization.ErrDesign.Error()+": ")}
	if e, ok := errors.AsType[*table.Error](err); ok {
		out.Line, out.Message = max(e.Line, 1), e.Text
		if e.Column != "" {
			out.Message = e.Column + ": " + e.Text
		}
	}
	return out
}

// readREDCap reads REDCap's allocation table, in which arms are either the ids
// of the protocol or its positions from 1.
func readREDCap(to frame, want table.Expected) (randomization.List, error) {
	c := redcap(to)
	l, err := table.ReadREDCap(bytes.NewReader(to.list.Data), want, c)
	if err == nil {
		return l, nil
	}
	for i := range want.Arms {
		want.Arms[i] = strconv.Itoa(i + 1)
	}
	l, coded := table.ReadREDCap(bytes.NewReader(to.list.Data), want, c)
	if coded == nil {
		return l, nil
	}
	// The reading that came further is the one that was meant.
	e, ok := errors.AsType[*table.Error](err)
	o, okCoded := errors.AsType[*table.Error](coded)
	if ok && (!okCoded || e.Line > 0 && o.Line == 0 || o.Line > e.Line && e.Line > 0) {
		return l, coded
	}
	return l, err
}

// groups is REDCap's column of the site.
const groups = "redcap_data_access_group"

// redcap says how a table names the strata: each factor by its id, its levels by
// theirs or by their positions from 1, the site by its id or as REDCap writes the
// name of a group. The site is left out if there is only one.
func redcap(to frame) table.REDCap {
	var c table.REDCap
	p := to.protocol
	header, _, _ := bytes.Cut(to.list.Data, []byte("\n"))
	bySite := len(p.Sites) > 1 || bytes.Contains(header, []byte(groups))
	for _, f := range p.Factors {
		c.Columns = append(c.Columns, string(f.ID))
	}
	if bySite {
		c.Columns = append(c.Columns, groups)
	}
	strata := p.Strata()
	each := len(strata) / len(p.Sites)
	for i, s := range strata {
		at := i / each
		for _, values := range levelCodes(p.Factors, i%each) {
			for _, site := range siteCodes(p.Sites[at], bySite) {
				c.Strata = append(c.Strata, table.REDCapStratum{Name: string(s), Values: append(values[:len(values):len(values)], site...)})
			}
		}
	}
	return c
}

// levelCodes returns how a table may write combination i of the levels.
func levelCodes(factors []trial.Factor, i int) [][]string {
	if len(factors) == 0 {
		return [][]string{nil}
	}
	last := factors[len(factors)-1]
	at := i % len(last.Levels)
	var out [][]string
	for _, before := range levelCodes(factors[:len(factors)-1], i/len(last.Levels)) {
		for _, word := range []string{string(last.Levels[at].ID), strconv.Itoa(at + 1)} {
			out = append(out, append(before[:len(before):len(before)], word))
		}
	}
	return out
}

// siteCodes returns how a table may write a site.
func siteCodes(s trial.Site, bySite bool) [][]string {
	id := string(s.ID)
	group := strings.ReplaceAll(strings.ToLower(id), "-", "_") // as REDCap makes it of the id
	switch {
	case !bySite:
		return [][]string{nil}
	case group == id:
		return [][]string{{id}}
	default:
		return [][]string{{id}, {group}}
	}
}
