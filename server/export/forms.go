package export

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// form has one row for each submitted form, with all corrections applied. Its
// columns depend on the form alone, never on what was answered: a column that
// is there for some participants only would set them apart.
func (p *pooled) form(folder string, f Form) Table {
	names := names{}
	columns := []instrument.Column{
		keyColumn(), visitColumn(p.src.Visits),
		column("assessed_on", instrument.TypeDate, "Dato for vurderingen", "Date of the assessment"),
		column("study_day", instrument.TypeInteger, "Studiedag: randomiseringen er dag 1, det er ingen dag 0",
			"Study day: the randomization is day 1, there is no day 0"),
		coded("timing", "Datoen i forhold til vinduet", "The date beside the window", []string{"baseline", "early", "in-window", "late"}),
		column("form_version", instrument.TypeInteger, "Skjemaets versjon", "Version of the form"),
	}
	for _, c := range columns {
		names.take(c.Name)
	}
	items := f.Instrument.Columns()
	for _, c := range items {
		c.Name = names.take(c.Name)
		columns = append(columns, c)
		if !c.Calculated {
			columns = append(columns, reasonColumn(names.take(c.Name+"_missing_reason"), c))
		}
	}
	return Table{
		Name: folder + string(f.ID), Columns: columns, Count: known(p.submitted(f)),
		Rows: func(ctx context.Context) iter.Seq2[Row, error] {
			return func(yield func(Row, error) bool) {
				for got, err := range p.filled(ctx, f, anyRecord) {
					if err != nil {
						yield(nil, err)
						return
					}
					if !yield(f.row(got, items), nil) {
						return
					}
				}
			}
		},
	}
}

// submitted counts the rows of a form.
func (p *pooled) submitted(f Form) (n int) {
	for _, k := range p.keys {
		for _, v := range p.src.Visits {
			if _, ok := p.src.Record(k.id, v.ID, f.ID); ok {
				n++
			}
		}
	}
	return n
}

func anyRecord(trial.FormRecord) bool { return true }

func (f Form) row(got filled, items []instrument.Column) Row {
	r := got.record
	row := Row{
		text(got.row), text(r.Visit), day(r.On), number(r.On.StudyDay(got.randomized)),
		text(got.answers.Timing), number(f.Version),
	}
	calculated := f.Instrument.Check(got.answers.Values).Calculated
	for _, c := range items {
		if c.Calculated {
			row = append(row, calculated[c.Name])
			continue
		}
		value, reason := split(got.answers.Values[c.Name])
		row = append(row, value, reason)
	}
	return row
}

// corrections has one row for each corrected item of some forms. The reasons
// are left out: they are free text, which may tell the arm.
func (p *pooled) corrections(name string, forms []Form) Table {
	var ids []trial.FormID
	for _, f := range forms {
		ids = append(ids, f.ID)
	}
	rows := p.corrected(forms)
	before := column("old", instrument.TypeText, "Gammel verdi", "Old value")
	after := column("new", instrument.TypeText, "Ny verdi", "New value")
	before.Reveals = slices.ContainsFunc(forms, Form.reveals)
	after.Reveals = before.Reveals
	return Table{
		Name: name,
		Columns: []instrument.Column{
			keyColumn(), visitColumn(p.src.Visits), coded("form", "Skjema", "Form", ids),
			column("corrected_on", instrument.TypeDate, "Dato for rettelsen", "Date of the correction"),
			column("item", instrument.TypeText, "Ledd", "Item"),
			before, reasonColumn("old_missing_reason", before), after, reasonColumn("new_missing_reason", after),
		},
		Rows: rows,
		Count: func(ctx context.Context) (n int64, err error) {
			for _, err := range rows(ctx) {
				if err != nil {
					return 0, err
				}
				n++
			}
			return n, nil
		},
	}
}

// corrected yields the rows of corrections.
func (p *pooled) corrected(forms []Form) func(context.Context) iter.Seq2[Row, error] {
	return func(ctx context.Context) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			for _, f := range forms {
				for got, err := range p.filled(ctx, f, func(r trial.FormRecord) bool { return len(r.Corrections) > 0 }) {
					if err != nil {
						yield(nil, err)
						return
					}
					for _, c := range got.answers.Changes {
						if !yield(correctionRow(got, c), nil) {
							return
						}
					}
				}
			}
		}
	}
}

func correctionRow(got filled, c Change) Row {
	before, beforeReason := split(c.Old)
	after, afterReason := split(c.New)
	return Row{
		text(got.row), text(got.record.Visit), text(got.record.Form), day(c.On), text(c.Item),
		before, beforeReason, after, afterReason,
	}
}

// split returns a value and the reason why there is none.
func split(v instrument.Value) (value, reason instrument.Value) {
	if m, ok := v.(instrument.Missing); ok {
		return nil, text(m)
	}
	return v, nil
}

func reasonColumn(name string, of instrument.Column) instrument.Column {
	c := coded(name, "Hvorfor "+of.Name+" mangler", "Why "+of.Name+" is missing",
		[]instrument.Missing{instrument.NotDone, instrument.Refused, instrument.Unknown})
	c.Reveals = of.Reveals
	return c
}

// names are those of a table's columns so far.
type names map[string]bool

// take returns name, with a number after it if an item has the name of another
// column, and keeps it.
func (n names) take(name string) string {
	free := name
	for i := 2; n[free]; i++ {
		free = fmt.Sprintf("%s_%d", name, i)
	}
	n[free] = true
	return free
}

func day(d trial.Date) instrument.Value { return text(d.String()) }
