package ledger

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/trial"
)

// Reveal returns what is handed out of an unsealed trial: a function of the log
// up to the entry that unsealed it, and of who withdrew from the data since. The
// sealing record is left empty.
//
// It fails with [trial.ErrNotUnsealed].
//
// Source: randomization.md of the design, "The reveal".
func (t *Trial) Reveal(ctx context.Context) (export.Reveal, error) {
	v, err := t.startReveal()
	if err != nil {
		return export.Reveal{}, err
	}
	if err := v.read(ctx); err != nil {
		return export.Reveal{}, err
	}
	for _, c := range []struct {
		in   trial.Compartment
		size int64
	}{{trial.Conduct, v.until}, {trial.Outcome, v.out.Lock.Outcome}, {trial.Allocation, v.allocated}} {
		h, err := t.head(ctx, c.in, c.size)
		if err != nil {
			return export.Reveal{}, err
		}
		v.out.Heads = append(v.out.Heads, h)
	}
	return v.out, nil
}

// DoSealed is [Trial.Do] for what may be corrected as long as the allocations are
// sealed, and no longer: whoever corrects it then could do so for the sake of an
// arm. It fails with [trial.ErrUnsealed].
//
// The rules of a trial allow it, so that the logs in which it was done are valid.
func (t *Trial) DoSealed(ctx context.Context, by Caller, proposal trial.Event) (Answer, error) {
	return t.do(&call{
		ctx: ctx, by: by, proposal: proposal, done: make(chan struct{}),
		unless: func(s *trial.State) error {
			if at, _ := s.Unsealed(); !at.IsZero() {
				return trial.ErrUnsealed
			}
			return nil
		},
	})
}

// A revealing is a reveal on its way.
type revealing struct {
	trial     *Trial
	out       export.Reveal
	until     int64 // entries of conduct at the unsealing, its own with them
	allocated int64 // entries of allocation that were read

	people map[trial.ParticipantID]revealed
	next   map[trial.Stratum]int // slots so far
	slots  int                   // of all strata
	pages  map[trial.Compartment]leaves
}

// revealed is what is told of a participant.
type revealed struct {
	site    trial.SiteID
	levels  []trial.Code // at the time of the randomization
	indexes []int        // the site and the levels, for minimization
	entry   int64        // of conduct
	gone    bool
}

// startReveal takes from the present state what doesn't change any more once a
// trial is unsealed, and who is gone by now.
func (t *Trial) startReveal() (*revealing, error) {
	v := &revealing{
		trial: t, people: map[trial.ParticipantID]revealed{}, next: map[trial.Stratum]int{}, pages: map[trial.Compartment]leaves{},
	}
	err := t.View(func(s *trial.State) error {
		at, index := s.Unsealed()
		if at.IsZero() {
			return trial.ErrNotUnsealed
		}
		sealing, _ := s.Sealing()
		protocol := s.Protocol()
		v.until = index + 1
		v.out = export.Reveal{
			Trial: t.id, At: at, Arms: protocol.Arms, Factors: protocol.Factors,
			Key: t.config.Vault.Subkey("export/" + string(t.id) + "/" + string(export.Pooled)),
			Randomization: randomization.Reveal{
				Trial: string(t.id), Design: t.deck.design, Drawn: t.deck.drawn, Salt: t.deck.salt,
				Contributed: sealing.Entropy != nil, Entropy: slices.Clone(sealing.Entropy), Commitment: sealing.Commitment,
			},
		}
		for _, l := range s.Locks() {
			if l.Conduct > index {
				break
			}
			v.out.Lock = l
		}
		for p := range s.Participants() {
			var indexes []int
			if v.adaptive() && p.Randomized() {
				indexes = protocol.LevelIndexes(p)
			}
			v.people[p.ID] = revealed{p.Site, p.Levels, indexes, p.Receipt, !p.WithdrewData.IsZero()}
		}
		return nil
	})
	return v, err
}

// read goes through the log up to the unsealing.
func (v *revealing) read(ctx context.Context) error {
	t := v.trial
	before := map[trial.ParticipantID]bool{} // who withdrew from the data before the unsealing
	to := Position{trial.Conduct: v.until, trial.Allocation: t.config.Log.Len(t.List(trial.Allocation))}
	for l, err := range t.Replay(ctx, to) {
		if err != nil {
			return err
		}
		if l.In == trial.Allocation && l.ConductSize < v.until { // later ones open single arms
			v.allocated++
		}
		switch e := l.Event.(type) {
		case trial.Reconciled:
			v.lose(e)
		case trial.Allocated:
			err = v.allocate(ctx, l.Index, e)
		case trial.Withdrawn:
			before[e.Participant] = before[e.Participant] || e.Scope == trial.FromData
		}
		if err != nil {
			return err
		}
	}
	for _, a := range v.out.Allocations {
		if a.Gone && !before[a.Participant] {
			v.out.Erased = append(v.out.Erased, a.Participant)
		}
	}
	return nil
}

// slot takes the next slot. With minimization, which has no sequence for each
// stratum, the slots are those of the whole trial.
func (v *revealing) slot(s trial.Stratum) int {
	slot := v.next[s]
	v.next[s]++
	if v.adaptive() {
		slot = v.slots
	}
	v.slots++
	return slot
}

func (v *revealing) adaptive() bool {
	_, ok := v.out.Randomization.Design.(randomization.Minimization)
	return ok
}

func (v *revealing) add(drawn randomization.Allocation, a export.Allocation) {
	v.out.Randomization.Allocations = append(v.out.Randomization.Allocations, drawn)
	v.out.Allocations = append(v.out.Allocations, a)
}

// lose adds the slots that a reconciliation gave up.
func (v *revealing) lose(e trial.Reconciled) {
	for _, l := range e.Lost {
		for range l.Slots {
			v.add(randomization.Allocation{
				Kind: randomization.Lost, Stratum: string(l.Stratum), Slot: v.slot(l.Stratum), Arm: randomization.NoArm,
			}, export.Allocation{})
		}
	}
}

// allocate adds an allocation, which is entry index of its compartment.
func (v *revealing) allocate(ctx context.Context, index int64, e trial.Allocated) error {
	arm, err := v.trial.openArm(ctx, e)
	if err != nil {
		return fmt.Errorf("ledger: trial %s: entry %d of %s: %w", v.trial.id, index, trial.Allocation, err)
	}
	p := v.people[e.Participant]
	drawn := randomization.Allocation{Kind: randomization.Contingency, Stratum: string(e.Stratum), Slot: e.Slot, Arm: randomization.Arm(arm), Levels: p.indexes}
	if !e.Contingency {
		drawn.Kind = randomization.Drawn
		if slot := v.slot(e.Stratum); v.adaptive() {
			drawn.Slot = slot
		}
	}
	a := export.Allocation{Participant: e.Participant, Gone: p.gone, Site: p.site, Levels: p.levels}
	if a.Conduct, err = v.logged(ctx, trial.Conduct, p.entry); err != nil {
		return err
	}
	if a.Allocation, err = v.logged(ctx, trial.Allocation, index); err != nil {
		return err
	}
	v.add(drawn, a)
	return nil
}

// leavesAtOnce is how many leaf hashes are read at a time: those of 16 tiles.
const leavesAtOnce = 4096

// leaves are the hashes of some entries of a compartment, from one on.
type leaves struct {
	from   int64
	hashes []tlog.Hash
}

// logged returns the leaf hash of an entry. It reads those of the entries around
// it, too, since the next that is asked for comes soon after it.
func (v *revealing) logged(ctx context.Context, in trial.Compartment, index int64) (export.Entry, error) {
	page := v.pages[in]
	if index < page.from || index >= page.from+int64(len(page.hashes)) {
		log, list := v.trial.config.Log, v.trial.List(in)
		page.from = index - index%leavesAtOnce
		var err error
		// An index beyond the end, which no entry has, asks for too much and fails.
		page.hashes, err = log.Leaves(ctx, list, page.from, max(index+1, min(page.from+leavesAtOnce, log.Len(list))))
		if err != nil {
			return export.Entry{}, fmt.Errorf("ledger: trial %s: %w", v.trial.id, err)
		}
		v.pages[in] = page
	}
	return export.Entry{Index: index, Leaf: page.hashes[index-page.from]}, nil
}

// head returns the head of a compartment when it had size entries.
func (t *Trial) head(ctx context.Context, in trial.Compartment, size int64) (export.Head, error) {
	name := t.List(in)
	root, err := t.config.Log.RootAt(ctx, name, size)
	if err != nil {
		return export.Head{}, fmt.Errorf("ledger: head of %s: %w", name, err)
	}
	return export.Head{Compartment: in, List: name, Checkpoint: audit.Checkpoint{Origin: t.config.Log.Origin(name), Size: size, Root: root}}, nil
}
