package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/durable"
	"github.com/lodd-rct/lodd/server/backup"
	"github.com/lodd-rct/lodd/server/trial"
)

// heads are the newest signed heads that somebody holds, by list.
type heads map[string]signedHead

type signedHead struct {
	size   int64
	signed []byte
}

// add adds a head, if it is newer and the log's key has signed it.
func (h heads) add(verifier *audit.Replica, list string, signed []byte) error {
	c, err := verifier.CheckSignature(list, signed)
	if err != nil {
		return err
	}
	if known, ok := h[list]; !ok || known.size < c.Size {
		h[list] = signedHead{c.Size, signed}
	}
	return nil
}

// A fork is the record of a restore: after it entries may be missing that
// somebody has seen.
type fork struct {
	Time    time.Time  `json:"time"`
	Kind    string     `json:"kind"`              // "restore" or "in-place"
	Backup  *time.Time `json:"backup,omitempty"`  // when the backup was made
	Doubts  string     `json:"doubts,omitempty"`  // why more may be lost than is known
	Earlier []string   `json:"earlier,omitempty"` // the records of the restores that were known then
	Lists   []forkList `json:"lists"`

	name string // of the file
	text []byte // of a file that was read
}

// A forkList says what became of one list.
type forkList struct {
	List     string `json:"list"`
	Restored int64  `json:"restored"`           // entries that were brought back
	Head     string `json:"head,omitempty"`     // the head over them
	Known    int64  `json:"known"`              // entries that a signed head is known of
	Lost     int64  `json:"lost"`               // entries that are known to be lost by this restore
	Earlier  int64  `json:"earlier,omitempty"`  // and by earlier ones, of which the list knows nothing
	Evidence string `json:"evidence,omitempty"` // the newest signed head, if it isn't reached or has another past
	Noted    string `json:"noted,omitempty"`    // of conduct the signed head after the entry of this restore
}

// write writes the record into the folder forks of dir. That folder goes where
// the signed heads go, and nothing in it is ever deleted.
func (f *fork) write(dir string) error {
	dir, err := makeForks(dir)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Replace(filepath.Join(dir, f.name), append(text, '\n')); err != nil {
		return fmt.Errorf("record the fork: %w", err)
	}
	return nil
}

func (f *fork) of(list string) (*forkList, bool) {
	i := slices.IndexFunc(f.Lists, func(l forkList) bool { return l.List == list })
	if i < 0 {
		return nil, false
	}
	return &f.Lists[i], true
}

// lost returns how many entries of a list are known to be lost.
func (f *fork) lost(list string) int64 {
	if l, ok := f.of(list); ok {
		return l.Lost + l.Earlier
	}
	return 0
}

// reopen opens the ledger, which destroys the keys of whomever the log records
// as erased, and notes the fork in every trial. Nothing was served yet. The
// record is there first, and is completed when the trials know of it.
func (r *restoring) reopen(ctx context.Context, f *fork) error {
	if err := keepForks(r.c.Checkpoints, r.earlier); err != nil {
		return err
	}
	if err := f.write(r.c.Checkpoints); err != nil {
		return err
	}
	if err := r.n.openLedger(ctx, r.k); err != nil {
		return err
	}
	if err := r.n.ledger.MarkRestored(ctx, f.lost); err != nil {
		return err
	}
	if err := r.noteEvidence(ctx, f); err != nil {
		return err
	}
	if err := r.noteUnsealed(ctx); err != nil {
		return err
	}
	for _, t := range r.n.ledger.Trials() {
		list := t.List(trial.Conduct)
		signed, err := r.n.log.Checkpoint(ctx, list)
		if err != nil {
			return err
		}
		if l, ok := f.of(list); ok {
			l.Noted = string(signed)
		}
	}
	return f.write(r.c.Checkpoints)
}

// compare looks for what is lost: what a signed head covers that was not brought
// back, and whether there may be more.
func (r *restoring) compare(ctx context.Context) error {
	restored := r.opened
	if r.taken > 0 {
		var err error
		if restored, err = r.replica(ctx); err != nil {
			return err
		}
	}
	switch given, err := r.given(ctx, restored); {
	case err != nil:
		return err
	case len(given) == 0 && r.o.checkpoints != "":
		r.doubts = fmt.Sprintf("it isn't known what came after: %s holds no signed heads", r.o.checkpoints)
	case len(given) == 0:
		r.doubts = "it isn't known what came after: no newest signed heads were named with --checkpoints"
	case r.older(given):
		r.doubts = fmt.Sprintf("it isn't known what came after: the signed heads in %s are older than the backup", r.o.checkpoints)
	}
	for _, list := range slices.Sorted(maps.Keys(r.known)) {
		if _, err := restored.CheckHead(ctx, list, r.known[list].signed); err != nil {
			return anotherPast(err)
		}
	}
	return r.count(ctx, restored, r.o.checkpoints)
}

// count counts what is lost, by this restore and by the earlier ones that the
// folder of signed heads tells of.
func (r *restoring) count(ctx context.Context, here *audit.Replica, checkpoints string) (err error) {
	folders := []string{checkpoints}
	if r.o.log != "" {
		folders = []string{filepath.Join(r.o.log, "checkpoints"), checkpoints}
	}
	if r.earlier, err = readForks(folders...); err != nil {
		return err
	}
	names := slices.Collect(maps.Keys(here.Sizes()))
	for list := range r.known {
		names = append(names, list)
	}
	for _, f := range r.earlier {
		for _, l := range f.Lists {
			names = append(names, l.List)
		}
	}
	slices.Sort(names)
	p := &past{here: here, forks: r.earlier}
	for _, list := range slices.Compact(names) {
		own, earlier, err := p.lost(ctx, list, r.known[list])
		if err != nil {
			return err
		}
		r.lost[list] = loss{own, earlier}
	}
	return nil
}

// A loss is how many entries of a list are known to be lost: by this restore and
// by earlier ones.
type loss struct{ own, earlier int64 }

func anotherPast(err error) error {
	return fmt.Errorf("a signed head is of another past than what was restored: %w; "+
		"if an earlier restore made that fork, name only heads and copies that were made after it", err)
}

// given returns the heads that --checkpoints names, and adds them to those that
// are known.
func (r *restoring) given(ctx context.Context, restored *audit.Replica) (heads, error) {
	given := heads{}
	if r.o.checkpoints == "" {
		return given, nil
	}
	guard := audit.FileGuard{Dir: r.o.checkpoints}
	all, err := guard.Load()
	if err != nil {
		return nil, err
	}
	for list, signed := range all {
		err := given.add(restored, list, signed)
		if err == nil {
			err = r.known.add(restored, list, signed)
		}
		if err != nil {
			return nil, headsAdvised(r.c, &audit.GuardError{List: list, Path: guard.Path(list), Err: err})
		}
		if _, err := restored.CheckHead(ctx, list, signed); err != nil { // the newest known may be another
			return nil, anotherPast(err)
		}
	}
	return given, nil
}

// older reports whether heads can't be the newest, because the backup's are newer.
func (r *restoring) older(given heads) bool {
	return slices.ContainsFunc(r.manifest.Lists, func(h backup.Head) bool { return given[h.List].size < h.Size })
}

// fork returns the record of the restore.
func (r *restoring) fork(kind string) *fork {
	f := &fork{Time: r.n.world.wall().UTC(), Kind: kind, Doubts: r.doubts}
	f.name = f.Time.Format("20060102T150405.000Z") + ".json"
	for i := 1; slices.ContainsFunc(r.earlier, func(e fork) bool { return e.name == f.name }); i++ {
		f.name = f.Time.Format("20060102T150405.000Z") + fmt.Sprintf("-%d.json", i)
	}
	if !r.manifest.Time.IsZero() {
		f.Backup = &r.manifest.Time
	}
	for _, e := range r.earlier {
		f.Earlier = append(f.Earlier, e.name)
	}
	log := r.n.log
	for _, list := range slices.Sorted(maps.Keys(r.lost)) {
		size, root := log.Root(list)
		l := forkList{
			List: list, Restored: size, Known: r.known[list].size, Lost: r.lost[list].own, Earlier: r.lost[list].earlier,
			Head: audit.Checkpoint{Origin: log.Origin(list), Size: size, Root: root}.String(),
		}
		if l.Lost > 0 {
			l.Evidence = string(r.known[list].signed)
		}
		f.Lists = append(f.Lists, l)
	}
	return f
}

// tell says what was lost, and what comes next.
func (r *restoring) tell(f *fork) {
	out, known := r.o.out, false
	for _, l := range f.Lists {
		if l.Lost > 0 {
			fmt.Fprintf(out, "lodd: %s: %d entries are lost: a signed head covers %d, %d are here\n", l.List, l.Lost, l.Known, l.Restored)
		}
		if l.Earlier > 0 {
			fmt.Fprintf(out, "lodd: %s: %d entries more were lost by earlier restores that this copy doesn't know of\n", l.List, l.Earlier)
		}
		known = known || l.Lost+l.Earlier > 0
	}
	for _, id := range r.gone {
		fmt.Fprintf(out, "lodd: trial %s came after this copy: nothing of it is left\n", id)
	}
	if r.doubts != "" {
		fmt.Fprintf(out, "lodd: %s\n", r.doubts)
	} else if !known {
		fmt.Fprint(out, `lodd: nothing is known to be lost; if that is so, the custodian of each trial says
lodd:   so with: lodd trial reconcile
`)
	}
	fmt.Fprint(out, `lodd: the restore is recorded in every trial and, beside the signed heads, in forks
lodd: nobody is randomized until the custodian of each trial has compared it with
lodd:   what the sites hold, and run: lodd trial reconcile
`)
	if known || r.doubts != "" {
		fmt.Fprint(out, "lodd: erasures, accounts and passwords that came after this copy are not in it:\nlodd:   repeat them\n")
	}
	fmt.Fprint(out, `lodd: a client, witness or follower that saw a lost entry refuses this server and
lodd:   is right to: see "After a restore" in docs/backup.md
`)
}
