package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/durable"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// forksFolder is where the records of forks lie in a folder of signed heads, so
// that whoever brings the newest heads brings them, too.
const forksFolder = "forks"

// makeForks makes the folder of the records in a folder of signed heads.
func makeForks(heads string) (dir string, err error) {
	dir = filepath.Join(heads, forksFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, durable.SyncDir(heads)
}

// readForks reads the records in folders of signed heads, the oldest first. Of
// two with the same name the one in the last folder counts.
func readForks(folders ...string) ([]fork, error) {
	byName := map[string]fork{}
	for _, dir := range folders {
		if dir == "" {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, forksFolder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("earlier restores: %w", err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file.Name(), ".json") {
				continue
			}
			path := filepath.Join(dir, forksFolder, file.Name())
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("earlier restores: %w", err)
			}
			f := fork{name: file.Name(), text: text}
			if err := json.Unmarshal(text, &f); err != nil {
				return nil, fmt.Errorf("%s is no record of a restore, and is needed to know what was lost: put it back whole: %w", path, err)
			}
			byName[f.name] = f
		}
	}
	var forks []fork
	for _, f := range byName {
		forks = append(forks, f)
	}
	slices.SortFunc(forks, func(a, b fork) int { return strings.Compare(a.name, b.name) })
	return forks, nil
}

// keepForks writes the records of earlier restores into a folder of signed heads.
func keepForks(dir string, forks []fork) error {
	if len(forks) == 0 {
		return nil
	}
	dir, err := makeForks(dir)
	if err != nil {
		return err
	}
	for _, f := range forks {
		path := filepath.Join(dir, f.name)
		if text, err := os.ReadFile(path); err == nil && bytes.Equal(text, f.text) {
			continue
		}
		if err := durable.Replace(path, f.text); err != nil {
			return err
		}
	}
	return nil
}

// noteEvidence shows the trials the heads that this restore and earlier ones have
// counted: whoever shows them later tells nothing new. A record bears no signature,
// so that what a head shows to be lost counts, if the record makes less of it.
func (r *restoring) noteEvidence(ctx context.Context, f *fork) error {
	var heads []string
	for _, known := range slices.Concat(r.earlier, []fork{*f}) {
		for _, l := range known.Lists {
			if l.Evidence != "" {
				heads = append(heads, l.Evidence)
			}
		}
	}
	c := server.Config{Ledger: r.n.ledger, Log: r.n.log, Vault: r.n.vault, Keys: r.k, Credentials: r.n.values, NotFound: store.ErrNotFound}
	return server.NoteRestored(ctx, c, heads)
}

// A past is what earlier restores lost, seen from the log that is restored now.
// Restores make a tree of a log: this log is one path in it, and each record
// knows one branch that was given up.
type past struct {
	here  *audit.Replica
	forks []fork // the oldest first
}

// lost returns how many entries of a list this restore loses: own are those
// between what is here and the newest signed head, if there is one; earlier are
// those of the branches that were given up before, as far as this log doesn't
// hold the restore that counted them, and its reconciliation.
func (p *past) lost(ctx context.Context, list string, newest signedHead) (own, earlier int64, err error) {
	shared := p.here.Len(list) // with the newest head's branch, at most
	counted := map[string]bool{string(newest.signed): true, "": true}
	covered := map[string]bool{}
	for _, f := range slices.Backward(p.forks) {
		l, ok := f.of(list)
		if !ok || covered[f.name] {
			continue
		}
		known, settled, err := p.knows(ctx, f, list)
		if err != nil {
			return 0, 0, err
		}
		if known == knownHere { // its entry restored counts what came before it, too
			for _, name := range f.Earlier {
				covered[name] = true
			}
			if !settled {
				earlier += l.Lost + l.Earlier
			}
			continue
		}
		if known == unknownHere {
			shared = min(shared, l.Restored) // where that restore's branch begins
		}
		if counted[l.Evidence] {
			continue // nothing, or a restore that was repeated after an error
		}
		counted[l.Evidence] = true
		back, err := p.holds(ctx, list, l.Evidence)
		if err != nil {
			return 0, 0, err
		}
		if !back {
			earlier += l.Lost
		}
	}
	reached, err := p.holds(ctx, list, string(newest.signed))
	if reached || err != nil {
		return 0, earlier, err
	}
	return newest.size - min(newest.size, shared), earlier, nil
}

// holds reports whether all that a signed head covers is here. Nothing is covered
// by none.
func (p *past) holds(ctx context.Context, list, signed string) (bool, error) {
	if signed == "" {
		return true, nil
	}
	lacks, err := p.here.CheckHead(ctx, list, []byte(signed))
	if _, forked := errors.AsType[*audit.ForkError](err); forked {
		return false, nil
	}
	return lacks == 0, err
}

// Whether a log knows of a restore of a trial.
type knowledge int

const (
	neverNoted  knowledge = iota // the restore didn't get as far, or the trial was lost with it
	unknownHere                  // its entry restored is of another branch
	knownHere
)

// knows returns whether the entry restored of a fork is in the log, and whether a
// reconciliation came after it.
func (p *past) knows(ctx context.Context, f fork, list string) (k knowledge, settled bool, err error) {
	id, _, ok := strings.Cut(list, "/")
	if !ok {
		return p.tellsOf(ctx, f)
	}
	conduct := id + "/" + string(trial.Conduct)
	l, ok := f.of(conduct)
	if !ok || l.Noted == "" {
		return neverNoted, false, nil
	}
	noted, err := p.here.CheckSignature(conduct, []byte(l.Noted))
	if err != nil {
		return neverNoted, false, err
	}
	here, err := p.holds(ctx, conduct, l.Noted)
	if !here || err != nil {
		return unknownHere, false, err
	}
	settled, err = p.reconciled(ctx, conduct, noted.Size)
	return knownHere, settled, err
}

// tellsOf is knows for the list of accounts, whose entries say nothing of a
// restore: what any trial here knows of, it came after. Nobody reconciles accounts.
func (p *past) tellsOf(ctx context.Context, f fork) (k knowledge, settled bool, err error) {
	for _, l := range f.Lists {
		if l.Noted == "" {
			continue
		}
		if here, err := p.holds(ctx, l.List, l.Noted); here || err != nil {
			return knownHere, true, err
		}
	}
	return neverNoted, false, nil
}

// reconciled reports whether a trial was reconciled after its first entries.
func (p *past) reconciled(ctx context.Context, conduct string, from int64) (bool, error) {
	for n := p.here.Len(conduct); from < n; {
		entries, err := p.here.Read(ctx, conduct, from, min(from+entriesAtOnce, n))
		if err != nil {
			return false, err
		}
		for _, b := range entries {
			e, err := entry.Unmarshal(b)
			if err != nil {
				return false, fmt.Errorf("entry %d of %s: %w", from, conduct, err)
			}
			if _, ok := e.Event.(trial.Reconciled); ok {
				return true, nil
			}
			from++
		}
	}
	return false, nil
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
