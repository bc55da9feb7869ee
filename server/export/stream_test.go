package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"testing/iotest"

	"github.com/lodd-rct/lodd/server/instrument"
)

// lines is a format of one line a row.
type lines struct{}

func (lines) Name() string { return "lines" }

func (lines) Write(ctx context.Context, w io.Writer, t Table) (n int64, err error) {
	for row, err := range t.Rows(ctx) {
		if err != nil {
			return n, err
		}
		if _, err := fmt.Fprintf(w, "%v\n", row[0]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// count is a table of the numbers from 0 to n-1. It says how many rows were
// asked for, and whether the last walk ended.
func count(n int, made *int, ended *bool) Table {
	return Table{Name: "count", Rows: func(context.Context) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			*ended = false
			defer func() { *ended = true }()
			for i := range n {
				*made = i + 1
				if !yield(Row{instrument.Number(i)}, nil) {
					return
				}
			}
		}
	}}
}

// Rows are made as they are read, so memory doesn't grow with them, and a
// reader that is closed early leaves nothing running.
func TestRowsAreMadeAsTheyAreRead(t *testing.T) {
	var made int
	var ended bool
	r, err := open(t.Context(), count(1_000_000, &made, &ended), 1_000_000, lines{})()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if made == 0 || made > 100 {
		t.Errorf("%d rows were made for 100 bytes", made)
	}
	if err := r.Close(); err != nil || !ended {
		t.Errorf("Close: %v; rows ended: %v", err, ended)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("Read after Close: %d, %v", n, err)
	}
}

func TestReaderGivesWhatIsWritten(t *testing.T) {
	var want bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&want, "%d\n", i)
	}
	var made int
	var ended bool
	r, err := open(t.Context(), count(2000, &made, &ended), 2000, lines{})()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := iotest.TestReader(r, want.Bytes()); err != nil {
		t.Error(err)
	}
}

func TestReaderReportsErrors(t *testing.T) {
	broken := errors.New("broken")
	var made int
	var ended bool
	for _, tt := range []struct {
		name string
		of   func() (io.ReadCloser, error)
		want string
	}{
		{"write fails", func() (io.ReadCloser, error) {
			return pull(func(w io.Writer) error { _, _ = io.WriteString(w, "some"); return broken }), nil
		}, "broken"},
		{"rows are fewer than counted", open(t.Context(), count(3, &made, &ended), 4, lines{}), "export: table count has 3 rows, want 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := tt.of()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err == nil || err.Error() != tt.want || len(got) == 0 {
				t.Errorf("read %q, error %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestNamesOfColumnsAreDistinct(t *testing.T) {
	n := names{}
	var got []string
	for _, name := range []string{"a", "a_2", "a", "a", "a_2"} {
		got = append(got, n.take(name))
	}
	if fmt.Sprint(got) != "[a a_2 a_3 a_4 a_2_2]" {
		t.Errorf("took %v", got)
	}
}
