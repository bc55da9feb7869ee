package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
)

// The columns that REDCap names itself. The group is the coded value of the arm
// and the number a text that REDCap shows instead of it; notes stand in the
// templates that REDCap offers, and it ignores them.
const (
	redcapGroup  = "redcap_randomization_group"
	redcapNumber = "redcap_randomization_number"
	redcapNotes  = "notes"
)

// A REDCap says how an allocation table of REDCap's randomization module names
// arms and strata.
//
// Such a table is CSV. Its column redcap_randomization_group holds the coded
// value of the arm. There may be redcap_randomization_number, whose values
// differ, and notes. Each stratification field has a column of its coded
// values, and redcap_data_access_group holds the numbers of data access groups
// if sites are strata. The lines of a stratum stand in the order of allocation.
// Older versions of REDCap name the column of the arm after the randomization
// field; such a table needs its header changed first.
type REDCap struct {
	// Columns are the stratification fields, and redcap_data_access_group, as far
	// as the trial has them.
	Columns []string

	// Strata are the strata of the trial.
	Strata []REDCapStratum
}

// A REDCapStratum is what REDCap calls a stratum.
type REDCapStratum struct {
	Name   string   // of the stratum in [randomization.List]
	Values []string // one for each of [REDCap.Columns]
}

// names returns the names of the strata by their values, and in order.
func (c REDCap) names() (byValues map[string]string, names []string, err error) {
	byValues = map[string]string{}
	for _, s := range c.Strata {
		key := values(s.Values)
		if other, ok := byValues[key]; ok || len(s.Values) != len(c.Columns) {
			return nil, nil, &Error{Text: fmt.Sprintf("stratum %q has the values %s, and so has %q: want one for each of %d columns, and others for each stratum", s.Name, some(s.Values), other, len(c.Columns))}
		}
		byValues[key] = s.Name
		names = append(names, s.Name)
	}
	return byValues, names, nil
}

// values joins values so that no two lists of them give the same text.
func values(fields []string) string { return fmt.Sprintf("%q", fields) }

// ReadREDCap reads an allocation table as REDCap takes it. The strata are those
// of c; want.Strata isn't used. The numbers of the table are checked for
// duplicates and not kept. Errors are those of [ReadCSV].
func ReadREDCap(r io.Reader, want Expected, c REDCap) (randomization.List, error) {
	byValues, names, err := c.names()
	if err != nil {
		return randomization.List{}, err
	}
	want.Strata = names
	b, err := newBuilder(want)
	if err != nil {
		return randomization.List{}, err
	}
	t, err := readHeader(r, c.Columns...)
	if err != nil {
		return randomization.List{}, err
	}
	if err := c.only(t); err != nil {
		return randomization.List{}, err
	}
	numbers := map[string]bool{}
	for t.next() {
		var fields []string
		for _, column := range c.Columns {
			fields = append(fields, t.field(column))
		}
		name, ok := byValues[values(fields)]
		if !ok {
			return randomization.List{}, t.fault("", "%s are %s, which is no stratum of the trial: want one such as %s", strings.Join(c.Columns, ", "), some(fields), c.example())
		}
		if err := uniqueNumber(t, numbers); err != nil {
			return randomization.List{}, err
		}
		if err := b.add(t, name, redcapGroup); err != nil {
			return randomization.List{}, err
		}
	}
	if t.err != nil {
		return randomization.List{}, t.err
	}
	return b.list()
}

// only refuses a table without the column of the arm, and columns without
// meaning.
func (c REDCap) only(t *rows) error {
	if !t.has(redcapGroup) {
		return &Error{Line: 1, Text: fmt.Sprintf("there is no column %s with the arm: a table for a blinded target that holds numbers alone doesn't tell arms", redcapGroup)}
	}
	return t.only(append([]string{redcapGroup, redcapNumber, redcapNotes}, c.Columns...)...)
}

// uniqueNumber refuses a randomization number that another line has.
func uniqueNumber(t *rows, seen map[string]bool) error {
	if !t.has(redcapNumber) || t.field(redcapNumber) == "" {
		return nil
	}
	n := t.field(redcapNumber)
	if seen[n] {
		return t.fault(redcapNumber, "%q stands there twice: want each number once", n)
	}
	seen[n] = true
	return nil
}

func (c REDCap) example() string {
	if len(c.Strata) == 0 {
		return "none"
	}
	return some(c.Strata[0].Values)
}

// WriteREDCap writes a list as REDCap takes it, the strata in the order of c;
// arms are the coded values. What it writes tells every arm: it is for an
// unsealed trial only.
func WriteREDCap(w io.Writer, l randomization.List, arms []string, c REDCap) error {
	if err := l.Validate(); err != nil {
		return err
	}
	if _, _, err := c.names(); err != nil {
		return err
	}
	if len(arms) != len(l.Ratio) || len(c.Strata) != len(l.Strata) {
		return &Error{Text: fmt.Sprintf("%d arms and %d strata for a list of %d and %d", len(arms), len(c.Strata), len(l.Ratio), len(l.Strata))}
	}
	out := csv.NewWriter(w)
	lines := [][]string{append([]string{redcapGroup}, c.Columns...)}
	for _, s := range c.Strata {
		i := slices.IndexFunc(l.Strata, func(o randomization.ListStratum) bool { return o.Name == s.Name })
		if i < 0 {
			return &Error{Text: fmt.Sprintf("stratum %q isn't in the list", s.Name)}
		}
		for _, arm := range l.Strata[i].Arms {
			lines = append(lines, append([]string{arms[arm]}, s.Values...))
		}
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("table: write: %w", err)
	}
	return nil
}
