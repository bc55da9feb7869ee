package csv_test

import (
	"bytes"
	"context"
	stdcsv "encoding/csv"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/instrument"
)

// table is a table of these rows; err comes after them if it isn't nil.
func table(types []instrument.Type, err error, rows ...export.Row) export.Table {
	t := export.Table{Name: "t", Rows: func(context.Context) iter.Seq2[export.Row, error] {
		return func(yield func(export.Row, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
			}
		}
	}}
	for i, typ := range types {
		t.Columns = append(t.Columns, instrument.Column{Name: string(rune('a' + i)), Type: typ})
	}
	return t
}

func write(t *testing.T, in export.Table) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := (csv.Format{}).Write(t.Context(), &b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCells(t *testing.T) {
	for _, tt := range []struct {
		name  string
		typ   instrument.Type
		value instrument.Value
		want  string
	}{
		{"missing", instrument.TypeText, nil, ""},
		{"number", instrument.TypeDecimal, instrument.Number(-1.5), "-1.5"},
		{"large number has no exponent", instrument.TypeInteger, instrument.Number(1e9), "1000000000"},
		{"number in a column of text", instrument.TypeText, instrument.Number(-5), "-5"},
		{"codes", instrument.TypeMulti, instrument.Codes{"b", "a"}, "b|a"},
		{"reason", instrument.TypeChoice, instrument.Refused, "refused"},
		{"code that looks like a number", instrument.TypeChoice, instrument.String("-1"), "-1"},
		{"date", instrument.TypeDate, instrument.String("2026-11-22"), "2026-11-22"},
		{"plain text", instrument.TypeText, instrument.String("blåbær 漢"), "blåbær 漢"},
		{"space around", instrument.TypeText, instrument.String(" a "), " a "},
		{"comma", instrument.TypeText, instrument.String("a,b"), `"a,b"`},
		{"quote", instrument.TypeText, instrument.String(`a"b`), `"a""b"`},
		{"line feed", instrument.TypeText, instrument.String("a\nb"), "\"a\nb\""},
		{"carriage return", instrument.TypeText, instrument.String("a\rb"), "\"a\rb\""},
		{"formula", instrument.TypeText, instrument.String("=1+1"), "'=1+1"},
		{"plus", instrument.TypeText, instrument.String("+47"), "'+47"},
		{"minus", instrument.TypeText, instrument.String("-a"), "'-a"},
		{"at", instrument.TypeText, instrument.String("@SUM(A1)"), "'@SUM(A1)"},
		{"tab", instrument.TypeText, instrument.String("\t=1"), "'\t=1"},
		{"leading carriage return", instrument.TypeText, instrument.String("\r=1"), "\"'\r=1\""},
		{"leading line feed", instrument.TypeText, instrument.String("\n=1"), "\"'\n=1\""},
		{"full-width formula", instrument.TypeText, instrument.String("＝1"), "'＝1"},
		{"apostrophe", instrument.TypeText, instrument.String("'=1"), "''=1"},
		{"formula behind a comma", instrument.TypeText, instrument.String("=a,b"), `"'=a,b"`},
		{"sign within", instrument.TypeText, instrument.String("a=b"), "a=b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := write(t, table([]instrument.Type{tt.typ, instrument.TypeText}, nil, export.Row{tt.value, nil}))
			if want := "a,b\r\n" + tt.want + ",\r\n"; got != want {
				t.Errorf("wrote %q, want %q", got, want)
			}
		})
	}
}

func TestWriteCountsRows(t *testing.T) {
	row := export.Row{instrument.Number(1)}
	n, err := csv.Format{}.Write(t.Context(), io.Discard, table([]instrument.Type{instrument.TypeInteger}, nil, row, row, row))
	if n != 3 || err != nil {
		t.Errorf("Write = %d, %v; want 3", n, err)
	}
}

func TestWriteReportsErrors(t *testing.T) {
	broken := errors.New("broken")
	row := export.Row{instrument.Number(1)}
	one := []instrument.Type{instrument.TypeInteger}
	for _, tt := range []struct {
		name string
		to   io.Writer
		in   export.Table
		want string
	}{
		{"row fails", io.Discard, table(one, broken, row), "broken"},
		{"writer fails", failing{broken}, table(one, nil, row), "csv: write t: broken"},
		{"row is too long", io.Discard, table(one, nil, row, slices.Concat(row, row)), "csv: row 2 of t has 2 values, want 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := (csv.Format{}).Write(t.Context(), tt.to, tt.in); err == nil || err.Error() != tt.want {
				t.Errorf("Write: %v, want %s", err, tt.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Whatever was typed comes back: encoding/csv reads what we write (it takes a
// CRLF within a field for a line feed), and one apostrophe less it is the text.
// Nothing that it reads begins like a formula.
func FuzzWriteIsReadBack(f *testing.F) {
	f.Add("", "x")
	f.Add("=cmd|' /C calc'!A0", "\"\r\n")
	f.Add("'", "a\r\nb\rc\n,")
	f.Add("\xff", "\ufeff")
	f.Fuzz(func(t *testing.T, a, b string) {
		texts := []instrument.Type{instrument.TypeText, instrument.TypeText}
		for _, rows := range [][]export.Row{{{instrument.String(a), instrument.String(b)}}, {{instrument.String(a)}, {instrument.String(b)}}} {
			columns := texts[:len(rows[0])]
			got, err := stdcsv.NewReader(strings.NewReader(write(t, table(columns, nil, rows...)))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, cell := range slices.Concat(got[1:]...) {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
					t.Errorf("cell %q begins like a formula", cell)
				}
			}
			var back []string
			for _, cell := range slices.Concat(got[1:]...) {
				back = append(back, strings.TrimPrefix(cell, "'"))
			}
			want := []string{strings.ReplaceAll(a, "\r\n", "\n"), strings.ReplaceAll(b, "\r\n", "\n")}
			if diff := cmp.Diff(want, back); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		}
	})
}
