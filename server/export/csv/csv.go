// Package csv writes tables as comma-separated values.
//
// Files are UTF-8 without a byte order mark, as RFC 4180 says: a header, CRLF
// at the end of every line. A missing value is empty. The codes of a multi item
// are joined by "|", which no code contains. A text that a spreadsheet would
// take for a formula gets an apostrophe before it, and so does one that begins
// with an apostrophe: in columns of type text, the first apostrophe is never
// part of the value.
package csv

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/instrument"
)

// Format writes tables. It implements [export.Format].
type Format struct{}

// Name implements [export.Format].
func (Format) Name() string { return "csv" }

// Write implements [export.Format]. It holds one row at a time.
func (Format) Write(ctx context.Context, w io.Writer, t export.Table) (int64, error) {
	b := bufio.NewWriter(w)
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = c.Name
	}
	writeLine(b, header)
	var n int64
	cells := make([]string, len(t.Columns))
	for row, err := range t.Rows(ctx) {
		if err != nil {
			return n, err
		}
		if len(row) != len(cells) {
			return n, fmt.Errorf("csv: row %d of %s has %d values, want %d", n+1, t.Name, len(row), len(cells))
		}
		for i, v := range row {
			cells[i] = cell(t.Columns[i], v)
		}
		writeLine(b, cells)
		n++
	}
	if err := b.Flush(); err != nil { // keeps the first error of all writes
		return n, fmt.Errorf("csv: write %s: %w", t.Name, err)
	}
	return n, nil
}

// cell returns a value as text.
func cell(c instrument.Column, v instrument.Value) string {
	switch v := v.(type) {
	case instrument.Number:
		return v.String()
	case instrument.Codes:
		return strings.Join(v, "|")
	case instrument.Missing:
		return string(v)
	case instrument.String:
		if c.Type == instrument.TypeText {
			return guard(string(v))
		}
		return string(v)
	default:
		return ""
	}
}

// guard keeps a spreadsheet from running what somebody typed. The last four
// are full-width forms, which some spreadsheets take for the plain ones.
//
// Source: OWASP, CSV Injection.
func guard(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n'＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// writeLine writes one line. (The writer of encoding/csv drops a carriage
// return within a field when it ends lines with CRLF: it would change what was
// typed.)
//
// Source: RFC 4180 (2005), section 2.
func writeLine(b *bufio.Writer, cells []string) {
	for i, c := range cells {
		if i > 0 {
			_ = b.WriteByte(',') // Flush reports the first error
		}
		// A lone empty field is quoted: an empty line is no record to readers.
		if strings.ContainsAny(c, "\",\r\n") || c == "" && len(cells) == 1 {
			c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		_, _ = b.WriteString(c)
	}
	_, _ = b.WriteString("\r\n")
}
