package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
)

// unsealedView is the view of a bundle that tells what an unsealed trial's
// allocations follow from.
const unsealedView = table.UnsealedView

// A reveal is such a bundle, which is what was signed, and what was found out
// about it.
type reveal struct {
	randomization.Reveal
	manifest audit.Manifest
	entries  []revealedEntry // of each of Allocations
	arms     []string        // by their numbers; empty for one that nobody has
	record   bool            // the commitment is that of a sealing record
	awaited  bool            // which was made before the contribution to the seed
	archive  bool            // the log holds these allocations and no other
}

// A revealedEntry says where the log has an allocation.
type revealedEntry struct {
	conduct, allocation         int64
	conductHash, allocationHash string
}

// verifyReveal verifies a bundle that is what was signed, and says so.
func (a *app) verifyReveal(ctx context.Context, f *os.File, m audit.Manifest, archive string, record *sealingRecord) error {
	r, err := a.checkReveal(f, m, record)
	if err != nil {
		return err
	}
	if archive != "" {
		if err := a.holdToLog(ctx, &r, archive); err != nil {
			return err
		}
	}
	return a.writeReveal(r, f.Name())
}

// checkReveal checks what a bundle says that is what was signed: that the
// commitment and every allocation follow from the design and the seed in it. If
// there is a sealing record, the commitment must be the one there.
func (a *app) checkReveal(f *os.File, m audit.Manifest, record *sealingRecord) (reveal, error) {
	r := reveal{manifest: m}
	info, err := f.Stat()
	if err != nil {
		return r, fmt.Errorf("verify: %w", err)
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return r, fmt.Errorf("verify: %w", err)
	}
	if err := r.read(z); err != nil {
		return r, &notVerifiedError{message: err.Error()}
	}
	if r.Trial != m.Study {
		return r, &notVerifiedError{message: a.words.say("error.reveal-trial", r.Trial, m.Study)}
	}
	if record != nil {
		if err := a.hold(&r, *record); err != nil {
			return r, err
		}
	}
	err = randomization.Verify(r.Reveal)
	if wrong, ok := errors.AsType[*randomization.Mismatch](err); ok {
		return r, a.revealMismatch(wrong)
	}
	if err != nil {
		return r, &notVerifiedError{message: err.Error()}
	}
	return r, nil
}

// read reads the members of a bundle. Its errors are what is wrong with them.
func (r *reveal) read(z *zip.Reader) error {
	open := func(name string) (*bytes.Reader, error) {
		b, err := readMember(z, table.UnsealedFolder+name)
		return bytes.NewReader(b), err
	}
	design, err := open(table.DesignFile)
	if err != nil {
		return err
	}
	allocations, err := open(table.AllocationsFile)
	if err != nil {
		return err
	}
	if r.Reveal, err = table.ReadReveal(design, allocations); err != nil {
		return err
	}
	participants, err := open(table.ParticipantsFile)
	if err != nil {
		return err
	}
	return r.readParticipants(participants)
}

func readMember(z *zip.Reader, name string) ([]byte, error) {
	f, err := z.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	return b.Bytes(), err
}

// readParticipants reads the table that people analyse with, and holds it to
// what is verified: every row must be the allocation of its order, and an arm
// must have one name.
func (r *reveal) readParticipants(in *bytes.Reader) error {
	const file = table.UnsealedFolder + table.ParticipantsFile
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(rows) != len(r.Allocations)+1 {
		return fmt.Errorf("%s: %d lines for %d allocations", file, len(rows), len(r.Allocations))
	}
	column := func(name string) (int, error) {
		i := slices.Index(rows[0], name)
		if i < 0 {
			return 0, fmt.Errorf("%s: there is no column %s", file, name)
		}
		return i, nil
	}
	at := map[string]int{}
	for _, name := range []string{"order", "kind", "participant", "stratum", "slot", "arm", "conduct_entry", "conduct_hash", "allocation_entry", "allocation_hash"} {
		if at[name], err = column(name); err != nil {
			return err
		}
	}
	r.arms = make([]string, len(r.Design.ArmRatio()))
	for i, row := range rows[1:] {
		if arm := int(r.Allocations[i].Arm); arm >= len(r.arms) {
			return fmt.Errorf("%s: allocation %d has the arm %d, and the design has %d arms, from 0", table.UnsealedFolder+table.AllocationsFile, i, arm, len(r.arms))
		}
		// A text that a spreadsheet would take for a formula has an apostrophe before it.
		field := func(name string) string { return strings.TrimPrefix(row[at[name]], "'") }
		a := r.Allocations[i]
		got := []string{field("order"), field("kind"), field("participant"), field("stratum"), field("slot")}
		want := []string{strconv.Itoa(i), string(a.Kind), strings.TrimPrefix(a.Participant, "'"), strings.TrimPrefix(a.Stratum, "'"), strconv.Itoa(a.Slot)}
		if !slices.Equal(got, want) || !r.named(a.Arm, field("arm")) {
			return fmt.Errorf("%s: allocation %d is another one than in %s", file, i, table.AllocationsFile)
		}
		e := revealedEntry{conductHash: field("conduct_hash"), allocationHash: field("allocation_hash")}
		if a.Kind != randomization.Lost {
			if e.conduct, err = strconv.ParseInt(field("conduct_entry"), 10, 64); err == nil {
				e.allocation, err = strconv.ParseInt(field("allocation_entry"), 10, 64)
			}
			if err != nil {
				return fmt.Errorf("%s: allocation %d: %w", file, i, err)
			}
		}
		r.entries = append(r.entries, e)
	}
	return nil
}

// named reports whether an arm can have a name, and notes it.
func (r *reveal) named(arm randomization.Arm, name string) bool {
	if arm == randomization.NoArm {
		return name == ""
	}
	if r.arms[arm] == "" && name != "" && !slices.Contains(r.arms, name) {
		r.arms[arm] = name
	}
	return name != "" && r.arms[arm] == name
}

// revealMismatch says what doesn't follow, and where.
func (a *app) revealMismatch(m *randomization.Mismatch) error {
	if m.Index < 0 {
		return &notVerifiedError{message: a.words.say("error.reveal-commitment", m.Got, m.Want)}
	}
	of := m.Allocation
	return &notVerifiedError{message: a.words.say("error.reveal-allocation",
		strconv.Itoa(m.Index), a.words.state(string(of.Kind)), of.Stratum, strconv.Itoa(of.Slot), a.words.heading(string(m.Part)), m.Got, m.Want)}
}

// counts returns how many participants the reveal allocates, and how many slots
// were lost.
func (r reveal) counts() (allocated, lost int) {
	for _, a := range r.Allocations {
		if a.Kind == randomization.Lost {
			lost++
		}
	}
	return len(r.Allocations) - lost, lost
}

// tellOwn says that a commitment, a contribution to the seed, or lost slots out of
// the bundle prove nothing by themselves. It is no note: whoever asks for quiet
// must see it all the same.
func (a *app) tellOwn(r reveal) {
	switch {
	case !r.record:
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say("note.own-commitment", r.Commitment.String()))
	case r.awaited && !r.archive:
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say("note.own-contribution", hex.EncodeToString(r.Entropy)))
	}
	if _, lost := r.counts(); lost > 0 && !r.archive {
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say("note.own-lost", lost))
	}
}

// writeReveal lists what was verified: as lines, unless a form was asked for.
func (a *app) writeReveal(r reveal, path string) error {
	a.tellOwn(r)
	allocated, lost := r.counts()
	if first(a.flags.output, a.deps.Env("LODD_OUTPUT")) != "" {
		return a.write(one("reveal-verification", "trial", r.Trial, "files", len(r.manifest.Files), "allocations", allocated, "lost_slots", lost,
			"commitment", r.Commitment.String(), "record", r.record, "archive", r.archive, "verified", true))
	}
	if err := a.writeVerified(r.manifest, path); err != nil {
		return err
	}
	lines := []string{a.words.say("note.reveal", allocated, r.Commitment.String())}
	if r.record {
		lines = append(lines, a.words.say("note.reveal-record"))
	}
	if r.archive {
		lines = append(lines, a.words.say("note.reveal-archive", allocated))
		if lost > 0 {
			lines = append(lines, a.words.say("note.reveal-lost", lost))
		}
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(a.deps.Stdout, "%s: %s\n", a.words.say("note.is-verified"), visible(l)); err != nil {
			return err
		}
	}
	return nil
}
