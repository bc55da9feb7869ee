package table

import (
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
)

// The names of the two files of a reveal.
//
// Source: docs/randomization-spec.md, section 9.
const (
	DesignFile      = "design.txt"
	AllocationsFile = "allocations.csv"
)

// The rest of what a signed file of an unsealed trial is read by, beside the two
// files above.
const (
	// UnsealedView is the view that its manifest names.
	UnsealedView = "unsealed"

	// UnsealedFolder is where the files that tell arms lie in it.
	UnsealedFolder = "unsealed/"

	// ParticipantsFile has a row for each of AllocationsFile, with the arm by its
	// name and the entries of the log that hold it.
	ParticipantsFile = "participants.csv"

	// Erased stands in the place of a screening number for who withdrew from the
	// data. No screening number has small letters.
	Erased = randomization.Erased
)

// revealFormat is the first line of DesignFile.
const revealFormat = "lodd/randomization/v1/unsealed"

// noEntropy stands for a trial without a contribution. It is no hexadecimal.
const noEntropy = "none"

// The names of the lines of DesignFile and of the columns of AllocationsFile.
var (
	designNames = []string{"format", "trial", "design", "seed", "salt", "entropy", "commitment"}
	columns     = []string{"order", "kind", "participant", "stratum", "slot", "arm", "levels"}
)

// WriteReveal writes what is published of an unsealed trial to its two files,
// from which anybody can check it.
func WriteReveal(design, allocations io.Writer, r randomization.Reveal) error {
	entropy := noEntropy
	if r.Contributed {
		entropy = hex.EncodeToString(r.Entropy)
	}
	if strings.ContainsAny(r.Trial, "\r\n") {
		return &Error{File: DesignFile, Text: fmt.Sprintf("the trial's name %q has more than one line", r.Trial)}
	}
	for i, value := range []string{
		revealFormat, r.Trial, hex.EncodeToString(r.Design.Encode()), hex.EncodeToString(r.Drawn.Bytes()),
		hex.EncodeToString(r.Salt.Bytes()), entropy, r.Commitment.String(),
	} {
		if _, err := fmt.Fprintf(design, "%s: %s\n", designNames[i], value); err != nil {
			return fmt.Errorf("table: write %s: %w", DesignFile, err)
		}
	}
	out := csv.NewWriter(allocations)
	_ = out.Write(columns) // out keeps an error until the end
	for i, a := range r.Allocations {
		arm := ""
		if a.Arm != randomization.NoArm {
			arm = strconv.Itoa(int(a.Arm))
		}
		_ = out.Write([]string{strconv.Itoa(i), string(a.Kind), a.Participant, a.Stratum, strconv.Itoa(a.Slot), arm, a.LevelsText()})
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("table: write %s: %w", AllocationsFile, err)
	}
	return nil
}

// ReadReveal is the inverse of [WriteReveal]. What it returns isn't checked:
// call [randomization.Verify]. The error is an [*Error], or says why a file
// can't be read.
func ReadReveal(design, allocations io.Reader) (randomization.Reveal, error) {
	r, err := readDesign(design)
	if err != nil {
		return randomization.Reveal{}, err
	}
	if r.Allocations, err = readAllocations(allocations); err != nil {
		return randomization.Reveal{}, err
	}
	return r, nil
}

func readDesign(in io.Reader) (r randomization.Reveal, err error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return r, fmt.Errorf("table: read %s: %w", DesignFile, err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, name := range designNames {
		fault := func(format string, args ...any) error {
			return &Error{File: DesignFile, Line: i + 1, Text: fmt.Sprintf(format, args...)}
		}
		if i >= len(lines) || !strings.HasPrefix(lines[i], name+":") {
			return r, fault("want %q", name+": …")
		}
		value := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(lines[i], name+":"), " "), "\r")
		if err := setReveal(&r, name, value); err != nil {
			return r, fault("%s: %v", name, err)
		}
	}
	if len(lines) > len(designNames) {
		return r, &Error{File: DesignFile, Line: len(designNames) + 1, Text: "want nothing after " + designNames[len(designNames)-1]}
	}
	return r, nil
}

// setReveal sets what a line of DesignFile says.
func setReveal(r *randomization.Reveal, name, value string) (err error) {
	switch name {
	case "format":
		if value != revealFormat {
			return fmt.Errorf("%q, want %q", value, revealFormat)
		}
		return nil
	case "trial":
		r.Trial = value
		return nil
	case "commitment":
		r.Commitment, err = randomization.ParseCommitment(value)
		return err
	case "entropy":
		if r.Contributed = value != noEntropy; !r.Contributed {
			return nil
		}
	}
	b, err := hex.DecodeString(value)
	if err != nil {
		return err
	}
	switch name {
	case "design":
		r.Design, err = randomization.DecodeDesign(b)
	case "seed":
		r.Drawn, err = randomization.SeedFromBytes(b)
	case "salt":
		r.Salt, err = randomization.SaltFromBytes(b)
	case "entropy":
		r.Entropy = b
	}
	return err
}

func readAllocations(in io.Reader) ([]randomization.Allocation, error) {
	// Whoever keeps a list has a spreadsheet of their own. This file is ours, and
	// has one form in each program that reads it.
	t := &rows{csv: csv.NewReader(in), file: AllocationsFile}
	if !t.next() || !slices.Equal(t.fields, columns) {
		return nil, cmp.Or(t.err, error(&Error{File: AllocationsFile, Line: 1, Text: "want " + strings.Join(columns, ",")}))
	}
	t.header = t.fields
	var all []randomization.Allocation
	for t.next() {
		if order := strconv.Itoa(len(all)); t.fields[0] != order {
			return nil, t.fault("order", "%q, want %s", t.fields[0], order)
		}
		a, err := readAllocation(t)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, t.err
}

func readAllocation(t *rows) (randomization.Allocation, error) {
	f := t.fields
	a := randomization.Allocation{Kind: randomization.Kind(f[1]), Participant: f[2], Stratum: f[3], Arm: randomization.NoArm}
	var ok bool
	if a.Slot, ok = number(f[4]); !ok {
		return a, t.fault("slot", "%q, want a number from 0", f[4])
	}
	if f[5] != "" {
		arm, ok := number(f[5])
		if !ok {
			return a, t.fault("arm", "%q, want the number of an arm from 0, or nothing", f[5])
		}
		a.Arm = randomization.Arm(arm)
	}
	if f[6] != "" {
		for word := range strings.SplitSeq(f[6], " ") {
			level, ok := number(word)
			if !ok {
				return a, t.fault("levels", "%q, want the number of a level for each factor, as 0 2 1", f[6])
			}
			a.Levels = append(a.Levels, level)
		}
	}
	return a, nil
}

// number reads a number that is written in the one way that we write it.
func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == s
}
