package blinding

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/randomization/table"
)

// ErrNoQuestion is returned by [Join] if no form of the export asks for a guess.
var ErrNoQuestion = errors.New("blinding: no form of the export asks which arm somebody is in")

// Guesses are those that a locked export holds, with the arms that were guessed.
type Guesses struct {
	Arms      []string // in the order of the protocol; a Guess gives their indexes
	Visits    []string // at which somebody guessed, in the order of the protocol
	Questions []Question
	All       []Guess

	// Unanswered is how many filled-in forms have no guess, not even that nobody
	// knows; Gone is how many are of people whom the unsealed file doesn't name any
	// more, since they withdrew from the data. Neither are in All.
	Unanswered, Gone int
}

// A Question is an item that asks for the arm.
type Question struct{ Form, Item string }

// A Guess is one answer to a question.
type Guess struct {
	Participant string // the screening number
	Question    int    // index of Questions
	Visit       string
	Arm, Guess  int // indexes of Arms; Guess may be [DontKnow]
}

// Count counts the guesses that are wanted.
func (g *Guesses) Count(want func(Guess) bool) Counts {
	c := NewCounts(len(g.Arms))
	for _, one := range g.All {
		if want(one) {
			c.Add(one.Arm, one.Guess)
		}
	}
	return c
}

// Folders and files of a locked export.
const (
	dictionaryFile = "dictionary.csv"
	guessFolder    = "revealing/forms/"
)

// Join joins the files of an unsealed trial with those of its pooled export. It
// doesn't verify them, and takes their word for it that they are of one trial.
//
// A question is an item of a form that may tell the arm, with one option for each
// arm, by its code, and at most one more, which is don't know. The error wraps
// [ErrNoQuestion] if there is none, and else says what is wrong with a file.
func Join(unsealed, lock fs.FS) (*Guesses, error) {
	columns, err := dictionary(unsealed)
	if err != nil {
		return nil, err
	}
	const participants = table.UnsealedFolder + table.ParticipantsFile
	g := &Guesses{Arms: columns.of(participants, "arm").options}
	people, err := g.people(unsealed, participants)
	if err != nil {
		return nil, err
	}
	if columns, err = dictionary(lock); err != nil {
		return nil, err
	}
	var visits []string
	for _, c := range columns {
		if !strings.HasPrefix(c.file, guessFolder) || !g.asks(c) {
			continue
		}
		if err := g.read(lock, c, people); err != nil {
			return nil, err
		}
		visits = columns.of(c.file, "visit").options // the same in every form
	}
	if len(g.Questions) == 0 {
		return nil, ErrNoQuestion
	}
	for _, one := range g.All {
		if !slices.Contains(visits, one.Visit) {
			return nil, fmt.Errorf("blinding: %s: visit %q is none of the dictionary", g.Questions[one.Question].Form, one.Visit)
		}
	}
	for _, v := range visits {
		if slices.ContainsFunc(g.All, func(one Guess) bool { return one.Visit == v }) {
			g.Visits = append(g.Visits, v)
		}
	}
	return g, nil
}

// asks reports whether a column holds guesses.
func (g *Guesses) asks(c dictionaryRow) bool {
	for _, arm := range g.Arms {
		if !slices.Contains(c.options, arm) {
			return false
		}
	}
	return len(g.Arms) > 1 && len(c.options) <= len(g.Arms)+1
}

// A person is a participant whom the unsealed file names.
type person struct {
	number string
	arm    int
}

// people returns who is in which arm, by the row keys of the export.
func (g *Guesses) people(unsealed fs.FS, file string) (map[string]person, error) {
	rows, err := readTable(unsealed, file, "row_key", "participant", "arm")
	if err != nil {
		return nil, err
	}
	people := map[string]person{}
	for _, row := range rows {
		key, number, arm := row[0], row[1], row[2]
		if key == "" { // a lost slot, or somebody who withdrew from the data
			continue
		}
		p := person{number, slices.Index(g.Arms, arm)}
		if p.arm < 0 {
			return nil, fmt.Errorf("blinding: %s: arm %q is none of the dictionary", file, arm)
		}
		if _, twice := people[key]; twice {
			return nil, fmt.Errorf("blinding: %s: row key %s comes twice", file, key)
		}
		people[key] = p
	}
	return people, nil
}

// read adds a question and the answers to it.
func (g *Guesses) read(lock fs.FS, c dictionaryRow, people map[string]person) error {
	rows, err := readTable(lock, c.file, "row_key", "visit", c.column)
	if err != nil {
		return err
	}
	for _, row := range rows {
		key, visit, answer := row[0], row[1], row[2]
		if !slices.Contains(c.options, answer) && answer != "" {
			return fmt.Errorf("blinding: %s: guess %q is none of the dictionary", c.file, answer)
		}
		p, known := people[key]
		switch {
		case !known:
			g.Gone++
			continue
		case answer == "":
			g.Unanswered++
			continue
		}
		// The option that is no arm has index -1, which is DontKnow.
		guess := slices.Index(g.Arms, answer)
		g.All = append(g.All, Guess{Participant: p.number, Question: len(g.Questions), Visit: visit, Arm: p.arm, Guess: guess})
	}
	form := strings.TrimSuffix(strings.TrimPrefix(c.file, guessFolder), ".csv")
	g.Questions = append(g.Questions, Question{Form: form, Item: c.column})
	return nil
}

// A dictionaryRow is a column of a file, and the codes that it may hold.
type dictionaryRow struct {
	file, column string
	options      []string
}

type dictionaryRows []dictionaryRow

// of returns a column; without options if the dictionary doesn't have it.
func (d dictionaryRows) of(file, column string) dictionaryRow {
	for _, row := range d {
		if row.file == file && row.column == column {
			return row
		}
	}
	return dictionaryRow{}
}

func dictionary(of fs.FS) (dictionaryRows, error) {
	rows, err := readTable(of, dictionaryFile, "file", "column", "options_en")
	if err != nil {
		return nil, err
	}
	var d dictionaryRows
	for _, row := range rows {
		c := dictionaryRow{file: row[0], column: row[1]}
		if row[2] != "" {
			for option := range strings.SplitSeq(row[2], " | ") {
				code, _, _ := strings.Cut(option, "=")
				c.options = append(c.options, code)
			}
		}
		d = append(d, c)
	}
	return d, nil
}

// readTable returns the rows of a CSV file, of each these columns.
func readTable(from fs.FS, file string, columns ...string) ([][]string, error) {
	f, err := from.Open(file)
	if err != nil {
		return nil, fmt.Errorf("blinding: %w", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("blinding: %s: %w", file, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("blinding: %s is empty", file)
	}
	at := make([]int, len(columns))
	for i, c := range columns {
		if at[i] = slices.Index(rows[0], c); at[i] < 0 {
			return nil, fmt.Errorf("blinding: %s has no column %s", file, c)
		}
	}
	var out [][]string
	for _, row := range rows[1:] {
		var cells []string
		for _, i := range at {
			// A text that a spreadsheet would take for a formula has an apostrophe before it.
			cells = append(cells, strings.TrimPrefix(row[i], "'"))
		}
		out = append(out, cells)
	}
	return out, nil
}
