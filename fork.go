package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/keys"
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

// A fork is the record of a restore after which entries may be missing that
// somebody has seen.
type fork struct {
	Time   time.Time  `json:"time"`
	Kind   string     `json:"kind"`             // "restore" or "in-place"
	Backup *time.Time `json:"backup,omitempty"` // when the backup was made
	Doubts string     `json:"doubts,omitempty"` // why more may be lost than is known
	Lists  []forkList `json:"lists"`
}

// A forkList says what became of one list.
type forkList struct {
	List     string `json:"list"`
	Restored int64  `json:"restored"`           // entries that were brought back
	Head     string `json:"head,omitempty"`     // the signed head over them
	Known    int64  `json:"known"`              // entries that a signed head is known of
	Lost     int64  `json:"lost"`               // entries that are known to be lost
	Evidence string `json:"evidence,omitempty"` // the newest signed head, if it isn't reached or has another past
}

// write writes the record and what it refers to into a folder of its own, which
// is never changed.
func (f fork) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, f.Time.UTC().Format("20060102T150405.000Z")+".json")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("record the fork: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	return errors.Join(err, file.Sync(), file.Close(), syncFolder(dir))
}

// lost returns how many entries of a list are known to be lost.
func (f fork) lost(list string) int64 {
	for _, l := range f.Lists {
		if l.List == list {
			return l.Lost
		}
	}
	return 0
}

// reopen opens the ledger, which destroys the keys of whomever the log records
// as erased, and notes the fork, if there is one, in every trial. Nothing was
// served yet.
func (n *node) reopen(ctx context.Context, k *keys.Keys, f *fork) error {
	if f != nil {
		if err := f.write(filepath.Join(n.data, "forks")); err != nil {
			return err
		}
	}
	if err := n.openLedger(ctx, k); err != nil {
		return err
	}
	if f == nil {
		return nil
	}
	return n.ledger.MarkRestored(ctx, f.lost)
}

// compare looks for what is lost: what a signed head covers that was not brought
// back, and whether there may be more.
func (r *restoring) compare(ctx context.Context) error {
	c, err := logConfig(r.n.store, r.k, nil)
	if err != nil {
		return err
	}
	restored, err := audit.OpenReplica(ctx, c)
	if err != nil {
		return err
	}
	switch given, err := r.given(ctx, restored); {
	case err != nil:
		return err
	case len(given) == 0:
		r.doubts = "it isn't known what came after: no newest signed heads were named with --checkpoints"
	case r.older(given):
		r.doubts = fmt.Sprintf("it isn't known what came after: the signed heads in %s are older than the backup", r.o.checkpoints)
	}
	for _, list := range slices.Sorted(maps.Keys(r.known)) {
		lacks, err := restored.CheckHead(ctx, list, r.known[list].signed)
		if err != nil {
			return anotherPast(err)
		}
		if lacks > 0 {
			r.lost[list] = lacks
		}
	}
	return nil
}

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
	all, err := audit.FileGuard{Dir: r.o.checkpoints}.Load()
	if err != nil {
		return nil, err
	}
	for list, signed := range all {
		if err := errors.Join(given.add(restored, list, signed), r.known.add(restored, list, signed)); err != nil {
			return nil, fmt.Errorf("--checkpoints %s: %w", r.o.checkpoints, err)
		}
		if _, err := restored.CheckHead(ctx, list, signed); err != nil { // the newest known may be another
			return nil, anotherPast(err)
		}
	}
	return given, nil
}

// older reports whether heads can't be the newest, because the backup's are newer.
func (r *restoring) older(given heads) bool {
	return slices.ContainsFunc(r.manifest.Lists, func(h backupHead) bool { return given[h.List].size < h.Size })
}

// fork returns the record of what is lost or may be, nil if nothing is.
func (r *restoring) fork(kind string) *fork {
	if r.doubts == "" && len(r.lost) == 0 {
		return nil
	}
	f := &fork{Time: r.n.world.wall().UTC(), Kind: kind, Doubts: r.doubts}
	if !r.manifest.Time.IsZero() {
		f.Backup = &r.manifest.Time
	}
	f.Lists = forkLists(r.n.log, r.known, r.lost)
	return f
}

func forkLists(log *audit.Log, known heads, lost map[string]int64) []forkList {
	names := log.Lists("")
	for list := range known {
		names = append(names, list)
	}
	slices.Sort(names)
	var out []forkList
	for _, list := range slices.Compact(names) {
		size, root := log.Root(list)
		l := forkList{
			List: list, Restored: size, Known: known[list].size, Lost: lost[list],
			Head: audit.Checkpoint{Origin: log.Origin(list), Size: size, Root: root}.String(),
		}
		if l.Lost > 0 {
			l.Evidence = string(known[list].signed)
		}
		out = append(out, l)
	}
	return out
}

// tell says what was restored, what was lost, and what comes next.
func (r *restoring) tell(data string) {
	out := r.o.out
	for _, list := range slices.Sorted(maps.Keys(r.lost)) {
		fmt.Fprintf(out, "lodd: %s: %d entries are lost: a signed head covers %d, %d were brought back\n",
			list, r.lost[list], r.known[list].size, r.known[list].size-r.lost[list])
	}
	for _, id := range lostTrials(r.n.log, r.known) {
		fmt.Fprintf(out, "lodd: trial %s came after this copy: nothing of it is left\n", id)
	}
	if r.doubts == "" && len(r.lost) == 0 {
		fmt.Fprintln(out, "lodd: nothing that the newest signed heads cover is missing, so randomization goes on")
		fmt.Fprintln(out, "lodd: if the server was killed and not stopped, entries of its last second may be in no head; restore without --checkpoints if anybody was answered then")
	} else {
		tellFence(out, r.doubts)
	}
	fmt.Fprintf(out, "lodd: restored; start it with: lodd serve --data %s\n", data)
}

func tellFence(out io.Writer, doubts string) {
	if doubts != "" {
		fmt.Fprintf(out, "lodd: %s\n", doubts)
	}
	fmt.Fprint(out, `lodd: the restore is recorded in every trial and in the folder forks
lodd: nobody is randomized until the custodian of each trial has compared it with
lodd:   what the sites hold, and run: lodd trial reconcile
lodd: erasures, accounts and passwords that came after this copy are not in it:
lodd:   repeat them
lodd: a client, witness or follower that saw a lost entry refuses this server and
lodd:   is right to: see "After a restore" in docs/backup.md
`)
}

// lostTrials returns the trials of which only heads are left.
func lostTrials(log *audit.Log, known heads) (ids []string) {
	for list := range known {
		if id, ok := strings.CutSuffix(list, "/"+string(trial.Conduct)); ok && log.Len(list) == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" { // can't sync a folder, and needn't
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
