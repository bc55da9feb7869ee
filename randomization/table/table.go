// Package table reads and writes the tables that people keep of a
// randomization: a statistician's own list, REDCap's allocation table, and what
// is published of a trial when it is unsealed.
//
// It holds no state, opens no files and writes no log. Everything that it reads
// and writes tells arms, and so may what its errors quote: they are for whoever
// gave the table.
package table

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
)

// An Error says where a table can't be used, and what was expected there.
type Error struct {
	File   string // of a reveal, which has two; else empty
	Line   int    // from 1; 0 if it is about the whole table
	Column string // its name; empty if it is about the whole line
	Text   string
}

// Error implements error.
func (e *Error) Error() string {
	var place []string
	if e.File != "" {
		place = append(place, e.File)
	}
	if e.Line > 0 {
		place = append(place, "line "+strconv.Itoa(e.Line))
	}
	if e.Column != "" {
		place = append(place, "column "+e.Column)
	}
	if len(place) == 0 {
		return e.Text
	}
	return strings.Join(place, ", ") + ": " + e.Text
}

// Expected is what a list must hold to fit its trial.
type Expected struct {
	// Ratio and Tolerance are those of the [randomization.List].
	Ratio     []int
	Tolerance int

	// Arms are the arms in the order of Ratio, as the table writes them: their
	// names, or REDCap's coded values.
	Arms []string

	// Strata are the strata of the trial. Each must have a list, and no other one
	// may.
	Strata []string
}

// ReadCSV reads a list with the columns stratum and arm, and slot if there is
// such a one, in any order, under a line with their names; fields are separated
// by commas or, as some spreadsheets do, by semicolons. The lines of a stratum
// stand in the order of its slots, which are counted from 0. The error is an
// [*Error], or wraps [randomization.ErrDesign] if the list as a whole can't be
// used.
func ReadCSV(r io.Reader, want Expected) (randomization.List, error) {
	b, err := newBuilder(want)
	if err != nil {
		return randomization.List{}, err
	}
	t, err := readHeader(r, "stratum", "arm")
	if err != nil {
		return randomization.List{}, err
	}
	if err := t.only("stratum", "slot", "arm"); err != nil {
		return randomization.List{}, err
	}
	for t.next() {
		name := t.field("stratum")
		list, ok := b.strata[name]
		if !ok {
			return randomization.List{}, t.fault("stratum", "%q, want one of %s", name, some(want.Strata))
		}
		if slot := strconv.Itoa(len(list)); t.has("slot") && t.field("slot") != slot {
			return randomization.List{}, t.fault("slot", "%q, want %s: the slots of a stratum are 0, 1, 2, … in order, each once", t.field("slot"), slot)
		}
		if err := b.add(t, name, "arm"); err != nil {
			return randomization.List{}, err
		}
	}
	if t.err != nil {
		return randomization.List{}, t.err
	}
	return b.list()
}

// maxRows is the largest number of arms of a list.
const maxRows = 1 << 20

// A builder collects a list.
type builder struct {
	want   Expected
	strata map[string][]randomization.Arm
	rows   int
}

func newBuilder(want Expected) (*builder, error) {
	if len(want.Arms) != len(want.Ratio) {
		return nil, &Error{Text: fmt.Sprintf("%d arms for a ratio of %d", len(want.Arms), len(want.Ratio))}
	}
	b := &builder{want: want, strata: map[string][]randomization.Arm{}}
	for _, s := range want.Strata {
		b.strata[s] = nil
	}
	return b, nil
}

// add adds the arm of the table's line, in the given column, to a stratum that
// exists.
func (b *builder) add(t *rows, stratum, column string) error {
	arm := slices.Index(b.want.Arms, t.field(column))
	if arm < 0 {
		return t.fault(column, "%q, want one of %s", t.field(column), some(b.want.Arms))
	}
	if b.rows++; b.rows > maxRows {
		return t.fault("", "more than %d arms", maxRows)
	}
	b.strata[stratum] = append(b.strata[stratum], randomization.Arm(arm))
	return nil
}

// list returns the list if it can be used.
func (b *builder) list() (randomization.List, error) {
	l := randomization.List{Ratio: slices.Clone(b.want.Ratio), Tolerance: b.want.Tolerance}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(b.want.Strata))) {
		if len(b.strata[name]) == 0 {
			return randomization.List{}, &Error{Text: fmt.Sprintf("stratum %q has no arms: want at least one", name)}
		}
		l.Strata = append(l.Strata, randomization.ListStratum{Name: name, Arms: b.strata[name]})
	}
	if err := l.Validate(); err != nil {
		return randomization.List{}, err
	}
	return l, nil
}

// rows are the lines of a table with a header.
type rows struct {
	csv    *csv.Reader
	file   string
	header []string
	fields []string
	err    error // why next returned false, nil at the end
}

// readHeader reads the first line, which must have the required columns, none
// twice.
func readHeader(r io.Reader, required ...string) (*rows, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("table: read: %w", err)
	}
	s := strings.TrimPrefix(string(text), "\ufeff") // spreadsheets write this mark
	t := &rows{csv: csv.NewReader(strings.NewReader(s))}
	first, _, _ := strings.Cut(s, "\n")
	if strings.Contains(first, ";") && !strings.Contains(first, ",") {
		t.csv.Comma = ';'
	}
	if !t.next() {
		if t.err != nil {
			return nil, t.err
		}
		return nil, &Error{Line: 1, Text: "nothing, want the names of the columns: " + strings.Join(required, ", ")}
	}
	t.header = t.fields
	for i, name := range t.header {
		if slices.Contains(t.header[:i], name) {
			return nil, &Error{Line: 1, Column: name, Text: "stands there twice"}
		}
	}
	for _, name := range required {
		if !t.has(name) {
			return nil, &Error{Line: 1, Text: fmt.Sprintf("there is no column %s: want %s", name, strings.Join(required, ", "))}
		}
	}
	return t, nil
}

// only refuses a table with other columns.
func (t *rows) only(names ...string) error {
	for _, h := range t.header {
		if !slices.Contains(names, h) {
			return &Error{File: t.file, Line: 1, Column: h, Text: "has no meaning here: want " + strings.Join(names, ", ")}
		}
	}
	return nil
}

// next reads a line. It reports false at the end, and if the line can't be read.
func (t *rows) next() bool {
	fields, err := t.csv.Read()
	if err == nil {
		t.fields = fields
		return true
	}
	if !errors.Is(err, io.EOF) {
		t.err = err
		if p, ok := errors.AsType[*csv.ParseError](err); ok {
			t.err = &Error{File: t.file, Line: p.Line, Text: p.Err.Error()}
		}
	}
	return false
}

func (t *rows) has(column string) bool { return slices.Contains(t.header, column) }

// field returns the field of a column that the table has.
func (t *rows) field(column string) string { return t.fields[slices.Index(t.header, column)] }

// fault returns the error of the current line.
func (t *rows) fault(column, format string, args ...any) error {
	line, _ := t.csv.FieldPos(max(slices.Index(t.header, column), 0))
	return &Error{File: t.file, Line: line, Column: column, Text: fmt.Sprintf(format, args...)}
}

// some lists names, or the first few of them.
func some(names []string) string {
	var quoted []string
	for i, n := range names {
		if i == 8 {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		quoted = append(quoted, strconv.Quote(n))
	}
	return strings.Join(quoted, ", ")
}
