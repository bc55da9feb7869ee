package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
)

// holdToLog checks a reveal against an archive of the log: it is all of the trial,
// and holds to its rules; the heads in the bundle are those of the same lists, the
// log has these allocations and gave up these slots, in this order and no other,
// and it was bound to this commitment, contribution and order of arms.
func (a *app) holdToLog(ctx context.Context, r *reveal, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return &fileError{err}
	}
	defer f.Close()
	log, err := a.readArchive(ctx, f, a.profile.LogKey)
	if err != nil {
		return err
	}
	if log.Trial != r.Trial {
		return &notVerifiedError{message: a.words.say("error.archive-trial", log.Trial, r.Trial)}
	}
	if err := a.wholeTrial(log); err != nil {
		return err
	}
	if a.profile.LogKey == "" { // as when the archive itself is verified
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", visible(a.words.say("note.key-inside", log.Key)))
	}
	c := &logCheck{reveal: r, at: map[int64]int{}}
	for i, e := range r.entries {
		if r.Allocations[i].Kind != randomization.Lost {
			c.at[e.allocation] = i
		}
	}
	for _, name := range []string{r.Trial + "/conduct", r.Trial + "/allocation"} {
		if err := c.read(log, name); err != nil {
			return err
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	r.archive = true
	return nil
}

// wholeTrial checks that an archive holds all of a trial, and that each entry keeps
// its rules. Else whoever writes the log could enter afterwards what explains other
// arms, such as another contribution to the seed.
func (a *app) wholeTrial(log *audit.ArchiveReader) error {
	for _, compartment := range []string{"conduct", "outcome", "delivery", "allocation"} {
		name := log.Trial + "/" + compartment
		i := slices.IndexFunc(log.Lists, func(l audit.ArchivedList) bool { return l.List == name })
		if i < 0 || !log.Lists[i].Whole() {
			return &usageError{a.words.say("error.archive-part", name)}
		}
	}
	replayed, err := a.replay(log)
	if err != nil {
		return err
	}
	switch all, late := underRules(log.Lists, replayed); {
	case late > 0:
		return &usageError{a.words.say("error.archive-late", late)}
	case !all:
		return &usageError{a.words.say("error.archive-no-rules")}
	}
	return nil
}

// A logCheck compares a reveal with the log that it was made of.
type logCheck struct {
	*reveal
	at         map[int64]int // allocations by their entries
	inLog      []string      // arms by their numbers
	commitment []byte
	entropy    []byte
	next       int                // of Allocations: the first that the log wasn't compared with
	lost       []*logv1.LostSlots // given up after those before next
	found      int                // entries of allocation that are those of the bundle
}

// read reads a list as far as the bundle was made of it.
func (c *logCheck) read(log *audit.ArchiveReader, name string) error {
	i := slices.IndexFunc(c.manifest.Compartments, func(l audit.Compartment) bool { return l.List == name })
	if i < 0 {
		return c.differs(name + " has no head in the bundle")
	}
	head := c.manifest.Compartments[i]
	var tree audit.Tree
	for e, err := range log.Entries(name) {
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if tree.Size() == head.Size {
			break
		}
		leaf := audit.Leaf(e.Entry)
		tree.Add(leaf)
		var entry logv1.Entry
		if err := proto.Unmarshal(e.Entry, &entry); err != nil {
			return c.differs(fmt.Sprintf("entry %d of %s: %v", e.Index, name, err))
		}
		if err := c.entry(&entry, e.Index, hex.EncodeToString(leaf[:])); err != nil {
			return err
		}
	}
	if tree.Size() != head.Size || tree.Root().String() != head.Root {
		return c.differs(fmt.Sprintf("the first %d entries of %s", head.Size, name))
	}
	return nil
}

// entry compares what an entry says.
func (c *logCheck) entry(e *logv1.Entry, index int64, hash string) error {
	switch {
	case e.GetTrialCreated() != nil:
		for _, arm := range e.GetTrialCreated().GetArms() {
			c.inLog = append(c.inLog, arm.GetId())
		}
	case e.GetDesignSealed() != nil:
		c.commitment, c.entropy = e.GetDesignSealed().GetCommitment(), nil
	case e.GetEntropyContributed() != nil && c.entropy != nil:
		return c.differs(fmt.Sprintf("entry %d of conduct is another contribution to the seed", index))
	case e.GetEntropyContributed() != nil:
		c.entropy = e.GetEntropyContributed().GetEntropy()
	case e.GetReconciled() != nil:
		c.lost = append(c.lost, e.GetReconciled().GetLost()...)
	case e.GetRandomized() != nil || e.GetContingencyUsed() != nil:
		return c.randomized(index, hash)
	case e.GetAllocated() != nil:
		return c.allocated(e.GetAllocated(), index, hash)
	}
	return nil
}

// lose finds the slots that the log gave up: the next of the bundle must be those
// and no other. Else whoever made it could draw until an arm pleases, and call the
// slots before it lost.
func (c *logCheck) lose() error {
	next := func() (a randomization.Allocation, lost bool) {
		if c.next < len(c.Allocations) {
			a = c.Allocations[c.next]
		}
		return a, a.Kind == randomization.Lost
	}
	for _, l := range c.lost {
		for range l.GetSlots() {
			if a, lost := next(); !lost || a.Stratum != l.GetStratum() {
				return c.differs(fmt.Sprintf("allocation %d is not the lost slot of %q that the log gave up there", c.next, l.GetStratum()))
			}
			c.next++
		}
	}
	c.lost = nil
	if a, lost := next(); lost {
		return c.differs(fmt.Sprintf("allocation %d is a lost slot of %q that the log did not give up", c.next, a.Stratum))
	}
	return nil
}

// randomized finds the allocation of an entry of conduct.
func (c *logCheck) randomized(index int64, hash string) error {
	if err := c.lose(); err != nil {
		return err
	}
	if c.next == len(c.Allocations) || c.entries[c.next].conduct != index || c.entries[c.next].conductHash != hash {
		return c.differs(fmt.Sprintf("allocation %d: entry %d of conduct randomized somebody else", c.next, index))
	}
	c.next++
	return nil
}

// allocated compares an entry of allocation with the allocation that names it.
func (c *logCheck) allocated(e *logv1.Allocated, index int64, hash string) error {
	i, ok := c.at[index]
	if !ok || c.entries[i].allocationHash != hash {
		return c.differs(fmt.Sprintf("entry %d of allocation is no allocation of the bundle", index))
	}
	a := c.Allocations[i]
	_, adaptive := c.Design.(randomization.Minimization) // its slots are those of the whole trial
	contingency := a.Kind == randomization.Contingency
	switch {
	case e.GetStratum() != a.Stratum:
		return c.differs(fmt.Sprintf("allocation %d: stratum %q, and the log has %q", i, a.Stratum, e.GetStratum()))
	case e.GetContingency() != contingency, int(e.GetSlot()) != a.Slot && (contingency || !adaptive):
		return c.differs(fmt.Sprintf("allocation %d: %s slot %d, and the log has slot %s", i, a.Kind, a.Slot, strconv.FormatInt(e.GetSlot(), 10)))
	case a.Participant != table.Erased && e.GetParticipant() != a.Participant:
		return c.differs(fmt.Sprintf("allocation %d is of another participant in the log", i))
	}
	c.found++
	return nil
}

// end compares what was found on the way.
func (c *logCheck) end() error {
	if err := c.lose(); err != nil {
		return err
	}
	allocated, _ := c.counts()
	switch {
	case c.next < len(c.Allocations):
		return c.differs(fmt.Sprintf("allocation %d is not in the log", c.next))
	case c.found != allocated: // each has an entry of its own
		return c.differs(fmt.Sprintf("it has %d entries of allocation for %d allocations", c.found, allocated))
	case !bytes.Equal(c.commitment, c.Commitment[:]):
		return c.differs("the commitment in the log is " + hex.EncodeToString(c.commitment))
	case c.Contributed != (c.entropy != nil) || !bytes.Equal(c.entropy, c.Entropy):
		return c.differs("the contribution to the seed")
	}
	for i, name := range c.arms {
		if name != "" && (i >= len(c.inLog) || c.inLog[i] != name) {
			return c.differs(fmt.Sprintf("arm %d is called %q", i, name))
		}
	}
	return nil
}

func (c *logCheck) differs(what string) error {
	return &notVerifiedError{message: "the log differs from the bundle: " + what}
}
