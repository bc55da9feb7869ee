package export

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// pooled is the view of data monitors: all participants together, and nothing
// that could set one arm apart from another.
type pooled struct {
	src  Source
	keys []rowKey // sorted by row
}

// A rowKey stands for a participant in the rows of this view. It is the same
// in every lock and cannot be told from the screening number without the key.
type rowKey struct {
	row string
	id  trial.ParticipantID
}

func newPooled(src Source) *pooled {
	p := &pooled{src: src}
	for _, id := range src.Participants {
		p.keys = append(p.keys, rowKey{src.rowKey(id), id})
	}
	// Sorted by what looks random, the rows tell nothing of the order in which
	// participants were screened or randomized.
	slices.SortFunc(p.keys, func(a, b rowKey) int { return strings.Compare(a.row, b.row) })
	return p
}

// rowKey returns R and 80 bits in base32: it never looks like a number or a
// formula, and among 100,000 participants two are alike with a chance of 4 in
// 10^15.
func (s Source) rowKey(id trial.ParticipantID) string {
	mac := hmac.New(sha256.New, s.Key[:])
	mac.Write([]byte(id))
	return "R" + base32.StdEncoding.EncodeToString(mac.Sum(nil)[:10])
}

// tables returns the tables of the view. Those of forms that may tell the arm
// are apart from the others.
func (p *pooled) tables() (plain, revealing []Table) {
	plain = []Table{p.participants(), p.visits(), p.consort()}
	if t, ok := p.mistakes(); ok {
		plain = append(plain, t)
	}
	if t, ok := p.signatures(); ok {
		plain = append(plain, t)
	}
	var open, closed []Form
	for _, f := range p.src.Forms {
		if f.reveals() {
			closed = append(closed, f)
		} else {
			open = append(open, f)
		}
	}
	plain = append(plain, p.corrections("corrections", open))
	for _, f := range open {
		plain = append(plain, p.form("forms/", f))
	}
	if len(closed) == 0 {
		return plain, nil
	}
	for _, f := range closed {
		revealing = append(revealing, p.form("revealing/forms/", f))
	}
	return plain, append(revealing, p.corrections("revealing/corrections", closed))
}

// reveals reports whether an item of the form may tell the arm.
func (f Form) reveals() bool {
	return slices.ContainsFunc(f.Instrument.Columns(), func(c instrument.Column) bool { return c.Reveals })
}

// A filled is one form of one participant at one visit.
type filled struct {
	row        string
	randomized trial.Date
	record     trial.FormRecord
	answers    Answers
}

// filled yields the submitted forms f that are wanted, by row key and then in
// the order of the visits.
func (p *pooled) filled(ctx context.Context, f Form, want func(trial.FormRecord) bool) iter.Seq2[filled, error] {
	return func(yield func(filled, error) bool) {
		for _, k := range p.keys {
			for _, v := range p.src.Visits {
				r, ok := p.src.Record(k.id, v.ID, f.ID)
				if !ok || !want(r) {
					continue
				}
				a, err := p.src.Answers(ctx, k.id, r)
				if err != nil {
					yield(filled{}, fmt.Errorf("export: read %s at %s: %w", f.ID, v.ID, err))
					return
				}
				if !yield(filled{k.row, p.src.Participant(k.id).Randomized, r, a}, nil) {
					return
				}
			}
		}
	}
}

func keyColumn() instrument.Column {
	return column("row_key", instrument.TypeText, "Radnøkkel: pseudonym som er laget for denne visningen",
		"Row key: a pseudonym made for this view")
}

func visitColumn(visits []trial.Visit) instrument.Column {
	c := column("visit", instrument.TypeChoice, "Besøk", "Visit")
	for _, v := range visits {
		c.Options = append(c.Options, instrument.Option{Code: string(v.ID), Label: instrument.Text(v.Label)})
	}
	return c
}
