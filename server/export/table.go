package export

import (
	"context"
	"io"
	"iter"

	"github.com/lodd-rct/lodd/server/instrument"
)

// A Table is rows under columns, in no particular file format.
type Table struct {
	Name    string // a path without a suffix, unique in a view
	Columns []instrument.Column
	// Rows yields the rows, the same ones in the same order each time. After an
	// error it ends.
	Rows func(context.Context) iter.Seq2[Row, error]
	// Count returns the number of rows, without making them if it can.
	Count func(context.Context) (int64, error)
}

// A Row has a value for each column of its table; nil is a missing one.
type Row []instrument.Value

// A Format writes tables as files.
type Format interface {
	// Name is the name of the format and the suffix of its files, for example
	// "csv".
	Name() string
	// Write writes one table and returns the number of its rows. The same table
	// gives the same bytes.
	Write(ctx context.Context, w io.Writer, t Table) (int64, error)
}

// column is a column that isn't an item of a form.
func column(name string, typ instrument.Type, nb, en string) instrument.Column {
	return instrument.Column{Name: name, Type: typ, Label: instrument.Text{NB: nb, EN: en}}
}

// coded is a column with one of some codes, which say what they mean.
func coded[C ~string](name, nb, en string, codes []C) instrument.Column {
	c := column(name, instrument.TypeChoice, nb, en)
	for _, code := range codes {
		c.Options = append(c.Options, instrument.Option{Code: string(code)})
	}
	return c
}

// text returns s as a value, the empty one as missing.
func text[S ~string](s S) instrument.Value {
	if s == "" {
		return nil
	}
	return instrument.String(s)
}

func number(n int) instrument.Value { return instrument.Number(n) }

// hold makes all the rows of t, which are few.
func (t Table) hold(all []Row) Table {
	t.Count = known(len(all))
	t.Rows = func(context.Context) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	return t
}

// known is the Count of a table that needs no counting.
func known(n int) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) { return int64(n), nil }
}
