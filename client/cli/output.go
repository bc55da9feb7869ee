package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// code is a value out of a fixed set. People read it in their language,
// programs as it is.
type code string

// codeList are values out of a fixed set.
type codeList []string

// A result is what a command puts out: one record or a list of them, all with
// the same columns. Values are strings, codes, numbers, booleans, lists of
// strings, codes or numbers, maps from string to string, or what JSON makes of
// anything else.
type result struct {
	noun    string   // the schema is lodd.noun/1
	list    string   // name of the list in JSON; empty for one record
	columns []string // names in JSON and CSV, keys of the headings in tables
	rows    [][]any
}

// one returns a result of one record of pairs: column, value.
func one(noun string, pairs ...any) result {
	r := result{noun: noun, rows: [][]any{nil}}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.columns = append(r.columns, pairs[i].(string))
		r.rows[0] = append(r.rows[0], pairs[i+1])
	}
	return r
}

// list returns an empty list of records.
func list(noun, name string, columns ...string) result {
	return result{noun: noun, list: name, columns: columns}
}

// add adds a record.
func (r *result) add(values ...any) { r.rows = append(r.rows, values) }

// receiptOf returns a record about a receipt, after other pairs.
func receiptOf(noun string, r *loddv1.Receipt, pairs ...any) result {
	return one(noun, append(pairs,
		"at", stamp(r.GetAt()), "list", r.GetList(), "index", r.GetIndex(),
		"leaf_hash", hex.EncodeToString(r.GetLeafHash()), "repeated_request", r.GetRepeatedRequest())...)
}

// stamp returns a time as ISO 8601 in UTC, to the millisecond; "" if unset.
func stamp(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// write puts a result out in the chosen form, whole or not at all.
func (a *app) write(r result) error {
	var b bytes.Buffer
	var err error
	switch a.settings.output {
	case "json":
		err = r.json(&b)
	case "jsonl":
		err = r.jsonl(&b)
	case "csv":
		err = r.csv(&b)
	default:
		r.table(&b, a.words)
	}
	if err == nil {
		_, err = a.deps.Stdout.Write(b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	if r.list != "" && a.settings.output == "table" {
		a.note("note.rows", len(r.rows))
	}
	return nil
}

func (r result) schema() string { return "lodd." + r.noun + "/1" }

// object writes a row as a JSON object, in the order of the columns.
func (r result) object(b *bytes.Buffer, row []any, schema bool) error {
	separator := "{"
	if schema {
		fmt.Fprintf(b, `{"schema":%q`, r.schema())
		separator = ","
	}
	for i, column := range r.columns {
		value, err := json.Marshal(row[i])
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%s%q:%s", separator, column, value)
		separator = ","
	}
	b.WriteByte('}')
	return nil
}

func (r result) json(b *bytes.Buffer) error {
	if r.list == "" {
		return r.jsonl(b)
	}
	fmt.Fprintf(b, `{"schema":%q,%q:[`, r.schema(), r.list)
	for i, row := range r.rows {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := r.object(b, row, false); err != nil {
			return err
		}
	}
	b.WriteString("]}\n")
	return nil
}

func (r result) jsonl(b *bytes.Buffer) error {
	for _, row := range r.rows {
		if err := r.object(b, row, true); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	return nil
}

func (r result) csv(b *bytes.Buffer) error {
	w := csv.NewWriter(b)
	w.UseCRLF = true // RFC 4180 (2005), section 2
	records := [][]string{r.columns}
	for _, row := range r.rows {
		var record []string
		for _, value := range row {
			switch value.(type) {
			case bool, int, int32, int64, float64:
				record = append(record, plain(value))
			default:
				record = append(record, noFormula(plain(value)))
			}
		}
		records = append(records, record)
	}
	return w.WriteAll(records)
}

// noFormula keeps a spreadsheet from taking a text for a formula.
func noFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func (r result) table(b *bytes.Buffer, words *words) {
	if r.list != "" {
		writeColumns(b, r.cells(words))
		return
	}
	var lines [][]string
	for i, column := range r.columns {
		lines = append(lines, []string{words.heading(column), cell(r.rows[0][i], words)})
	}
	writeColumns(b, lines)
}

// cells returns the headings and the rows of a list.
func (r result) cells(words *words) [][]string {
	var headings []string
	for _, column := range r.columns {
		headings = append(headings, strings.ToUpper(words.heading(column)))
	}
	lines := [][]string{headings}
	for _, row := range r.rows {
		var cells []string
		for _, value := range row {
			cells = append(cells, cell(value, words))
		}
		lines = append(lines, cells)
	}
	return lines
}

// maxPadded is the widest cell, in characters, for which the others of its column
// are padded: a hash has 64. One that is wider stands there whole, and moves only
// what follows in its own line.
const maxPadded = 72

// writeColumns writes the lines of a table, two blanks between columns.
func writeColumns(b *bytes.Buffer, lines [][]string) {
	var widths []int
	for _, line := range lines {
		for i, text := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n := utf8.RuneCountInString(text); n <= maxPadded {
				widths[i] = max(widths[i], n)
			}
		}
	}
	for _, line := range lines {
		var padded strings.Builder
		for i, text := range line {
			fmt.Fprintf(&padded, "%-*s  ", widths[i], text)
		}
		fmt.Fprintln(b, strings.TrimRight(padded.String(), " ")) // an empty last cell leaves blanks
	}
}

// cell returns a value for people. Control characters could move the cursor or
// break the table, so they are shown and not sent.
func cell(value any, words *words) string {
	switch v := value.(type) {
	case code:
		return words.state(string(v))
	case codeList:
		texts := make([]string, len(v))
		for i, c := range v {
			texts[i] = words.state(c)
		}
		return visible(strings.Join(texts, ", "))
	case bool:
		return words.say("state." + strconv.FormatBool(v))
	}
	return visible(plain(value))
}

// plain returns a value as text that no language changes.
func plain(value any) string {
	switch v := value.(type) {
	case nil: // a number that isn't known
		return ""
	case string:
		return v
	case code:
		return string(v)
	case []string:
		return strings.Join(v, " ")
	case codeList:
		return strings.Join(v, " ")
	case []int32:
		return strings.Trim(fmt.Sprint(v), "[]")
	case map[string]string:
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, k+"="+v[k])
		}
		return strings.Join(pairs, " ")
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(b)
}

// visible replaces what a terminal would obey and nobody would see: control
// characters, ends of lines, and those that turn the direction of writing.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return '\ufffd'
		}
		return r
	}, text)
}
