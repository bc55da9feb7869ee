package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/randomization/blinding"
)

// An answer is a form that was filled in about a participant at a visit.
type answer struct{ participant, visit, form string }

// of returns where a guess was given.
func (x indices) of(g blinding.Guess) answer {
	return answer{g.Participant, g.Visit, x.guesses.Questions[g.Question].Form}
}

// assessor returns the account that gave a guess.
func (x indices) assessor(g blinding.Guess) string { return x.by[x.of(g)] }

// names returns who gave some guesses; nobody if that isn't known.
func (x indices) names(want func(blinding.Guess) bool) []string {
	if x.by == nil {
		return nil
	}
	names := map[string]bool{}
	for _, g := range x.guesses.All {
		if want(g) {
			names[x.assessor(g)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// assessors returns which account gave each guess, out of an archive of the log
// that the bundle of the unsealed trial was held to; nil for no path. A guess
// that is corrected stays that of whoever gave it.
func (a *app) assessors(ctx context.Context, r reveal, guesses *blinding.Guesses, path string) (map[answer]string, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &fileError{err}
	}
	defer f.Close()
	log, err := a.readArchive(ctx, f, a.profile.LogKey)
	if err != nil {
		return nil, err
	}
	by, err := a.submitters(log, r)
	if err != nil {
		return nil, err
	}
	x := indices{guesses, by}
	for _, g := range guesses.All {
		if x.assessor(g) == "" {
			return nil, &notVerifiedError{message: a.words.say("error.guess-not-logged", x.of(g).form, g.Visit)}
		}
	}
	return by, nil
}

// submitters returns who submitted each form, up to the lock of a reveal. The log
// must be the one whose head the bundle names.
func (a *app) submitters(log *audit.ArchiveReader, r reveal) (map[answer]string, error) {
	name := r.Trial + "/outcome"
	in := slices.IndexFunc(log.Lists, func(l audit.ArchivedList) bool { return l.List == name })
	head := slices.IndexFunc(r.manifest.Compartments, func(c audit.Compartment) bool { return c.List == name })
	if in < 0 || !log.Lists[in].Whole() || head < 0 {
		return nil, &usageError{a.words.say("error.archive-part", name)}
	}
	end := r.manifest.Compartments[head]
	by := map[answer]string{}
	var tree audit.Tree
	for e, err := range log.Entries(name) {
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		if tree.Size() == end.Size {
			break
		}
		tree.Add(audit.Leaf(e.Entry))
		var entry logv1.Entry
		if err := proto.Unmarshal(e.Entry, &entry); err != nil {
			return nil, &notVerifiedError{message: a.words.say("error.archive-list", name, err.Error())}
		}
		if s := entry.GetFormSubmitted(); s != nil {
			by[answer{s.GetParticipant(), s.GetVisit(), s.GetForm()}] = entry.GetActor()
		}
	}
	if tree.Size() != end.Size || tree.Root().String() != end.Root {
		return nil, (&logCheck{}).differs(fmt.Sprintf("the first %d entries of %s", end.Size, name))
	}
	return by, nil
}
