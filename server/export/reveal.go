package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
	"github.com/lodd-rct/lodd/server/trial"
)

// Unsealed is the name of the view of an unsealed trial.
const Unsealed trial.Code = table.UnsealedView

// A Reveal is what is handed out of a trial that two people have unsealed: what
// its sequences were drawn from, and every allocation with the entries that hold
// it. It is the one type here that tells arms, and no blinded view takes it.
type Reveal struct {
	Trial   trial.ID
	At      time.Time  // when the trial was unsealed
	Lock    trial.Lock // the last one before that
	Arms    []trial.Arm
	Factors []trial.Factor

	// Randomization is all that anybody needs to compute the allocations again.
	// The participants in it are left empty: Allocations name them.
	Randomization randomization.Reveal
	// Allocations say more of each of Randomization.Allocations.
	Allocations []Allocation

	// SealingRecord is that of the sealing that the trial was randomized by.
	SealingRecord string

	// Erased are those whose data were destroyed since. Their allocations are
	// there, without their names.
	Erased []trial.ParticipantID

	// Key is that of the pooled view, so that the rows of the two can be joined.
	Key [32]byte
	// Heads are the heads at the entry that unsealed the trial, unsigned.
	Heads []Head
}

// An Allocation is a slot, who has it, and where in the log that stands. A lost
// slot has only a stratum; who withdrew from the data is in Gone and not named.
type Allocation struct {
	Participant         trial.ParticipantID
	Gone                bool
	Site                trial.SiteID
	Levels              []trial.Code // at the time of the randomization
	Conduct, Allocation Entry
}

// An Entry is a place in the log and what stands there.
type Entry struct {
	Index int64
	Leaf  tlog.Hash
}

// BundleReveal writes the view of an unsealed trial as one signed file, which
// [audit.VerifyBundle] checks; [randomization.Verify] checks what it says. The
// same Reveal and output give the same bytes.
func BundleReveal(ctx context.Context, w io.Writer, r Reveal, out Output) error {
	m := Source{Trial: r.Trial, Lock: r.Lock, Key: r.Key, Erased: r.Erased, Heads: r.Heads}.manifest(Unsealed)
	m.CreatedAt = stamp(r.At)
	members, err := r.members(ctx, out)
	if err != nil {
		return err
	}
	if err := audit.WriteBundle(w, m, members, out.Signer); err != nil {
		return fmt.Errorf("export: reveal of %s: %w", r.Trial, err)
	}
	return nil
}

// rowKey returns the row key that a participant has in the pooled view.
func (r Reveal) rowKey(id trial.ParticipantID) string { return Source{Key: r.Key}.rowKey(id) }

func (r Reveal) members(ctx context.Context, out Output) ([]audit.Member, error) {
	var design, allocations bytes.Buffer
	if err := table.WriteReveal(&design, &allocations, r.named()); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	redcap, drawn, err := r.redcap()
	if err != nil {
		return nil, err
	}
	members := []audit.Member{
		{Name: "README.txt", Format: "text", Open: audit.Bytes([]byte(r.readme(drawn > 0)))},
		{Name: table.UnsealedFolder + table.DesignFile, Format: "text", Open: audit.Bytes(design.Bytes())},
		{Name: table.UnsealedFolder + table.AllocationsFile, Format: "csv", Records: int64(len(r.Allocations)), Open: audit.Bytes(allocations.Bytes())},
		{Name: table.UnsealedFolder + "sealing-record.txt", Format: "text", Open: audit.Bytes([]byte(r.SealingRecord))},
	}
	if drawn > 0 { // a list without any arm is none
		members = append(members, audit.Member{Name: table.UnsealedFolder + "redcap-allocation.csv", Format: "csv", Records: drawn, Open: audit.Bytes(redcap)})
	}
	people := r.participants()
	suffix := "." + out.Format.Name()
	for _, t := range []Table{people, dictionary([]Table{people}, suffix)} {
		count, err := t.Count(ctx)
		if err != nil {
			return nil, err
		}
		members = append(members, audit.Member{Name: t.Name + suffix, Format: out.Format.Name(), Records: count, Open: open(ctx, t, count, out.Format)})
	}
	checkpoints, err := checkpoints(r.Heads, out)
	return append(members, checkpoints...), err
}

// named returns the randomization with the names of the participants.
func (r Reveal) named() randomization.Reveal {
	of := r.Randomization
	of.Allocations = slices.Clone(of.Allocations)
	for i, a := range r.Allocations {
		of.Allocations[i].Participant = a.name()
	}
	return of
}

func (a Allocation) name() string {
	if a.Gone {
		return table.Erased
	}
	return string(a.Participant)
}
