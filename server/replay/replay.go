// Package replay checks what the entries of an archive say, by the rules of the
// trial, without a key and without a server.
//
// [audit.ReadArchive] has checked before that the entries are those whose hashes
// were signed. Here follows what the signature can't tell: that they are entries
// as the server writes them, in the list where they belong, in the order of
// time, and that no correct server would have refused one of them.
package replay

import (
	"fmt"
	"iter"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// system is the list of accounts, sign-ins and grants, which isn't of one trial.
const system = "system"

// Verify checks the entries of an archive. If the whole trial is in it, which is
// conduct, outcome, delivery and allocation with all their entries, it applies
// the rules of package trial to each in the order in which they were decided,
// and returns how many entries of each list that were; else it returns nil. The
// heads of the lists were signed one after another: entries that came later than
// the head of conduct aren't replayed, and the caller has to say how many are
// left. Answers and arms are sealed, so nothing that depends on them is checked.
// A signature under a form is: it must be under the entries that are there.
//
// What is wrong with the archive is an *[audit.ArchiveError], which names the
// first bad entry; any other error is one of reading. Memory grows with the
// number of participants and of what is remembered of each, as forms, not with
// the length of the entries.
func Verify(a *audit.ArchiveReader) (replayed map[string]int64, err error) {
	whole := 0
	for _, l := range a.Lists {
		if err := verifyList(a, l.List); err != nil {
			return nil, err
		}
		if l.Whole() && l.List != system {
			whole++
		}
	}
	if whole < len(trial.Compartments()) {
		return nil, nil
	}
	return rules(a)
}

// verifyList checks the entries of a list by themselves.
func verifyList(a *audit.ArchiveReader, list string) error {
	in, err := compartment(a, list)
	if err != nil {
		return err
	}
	var last time.Time
	conduct := int64(0)
	for p, err := range entries(a, list, in) {
		if err != nil {
			return err
		}
		wrong := ""
		switch {
		case !belongs(p.Event, in):
			wrong = fmt.Sprintf("%T doesn't belong in this list", p.Event)
		case (in == "" || in == trial.Conduct) && p.ConductSize != 0:
			wrong = "it has the size of conduct, which entries of this list don't have"
		case p.ConductSize < conduct:
			wrong = fmt.Sprintf("it was decided when conduct had %d entries, and what is before it when it had %d", p.ConductSize, conduct)
		case p.At.Before(last):
			wrong = fmt.Sprintf("it is of %s, which is earlier than the entry before it", p.At.Format(time.RFC3339Nano))
		}
		if wrong != "" {
			return &audit.ArchiveError{List: list, Index: p.Index, Reason: wrong}
		}
		last, conduct = p.At, p.ConductSize
	}
	return nil
}

// compartment returns which compartment of the trial a list is, or none if it is
// system.
func compartment(a *audit.ArchiveReader, list string) (trial.Compartment, error) {
	if list == system {
		return "", nil
	}
	for _, c := range trial.Compartments() {
		if list == listOf(a, c) {
			return c, nil
		}
	}
	return "", &audit.ArchiveError{List: list, Index: -1, Reason: "trial " + a.Trial + " has no such list"}
}

func listOf(a *audit.ArchiveReader, c trial.Compartment) string { return a.Trial + "/" + string(c) }

// entries yields the entries of a list, decoded.
func entries(a *audit.ArchiveReader, list string, in trial.Compartment) iter.Seq2[entry.Placed, error] {
	return func(yield func(entry.Placed, error) bool) {
		for r, err := range a.Entries(list) {
			if err != nil {
				yield(entry.Placed{}, err)
				return
			}
			e, err := entry.Strict(r.Entry)
			if err != nil {
				yield(entry.Placed{}, &audit.ArchiveError{List: list, Index: r.Index, Reason: err.Error()})
				return
			}
			p := entry.Placed{In: in, Index: r.Index, Entry: e}
			if signable(e.Event) {
				p.Leaf = audit.Leaf(r.Entry)
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// belongs reports whether an event can lie in a compartment, as far as that is
// to be seen without the protocol.
func belongs(event any, in trial.Compartment) bool {
	switch e := event.(type) {
	case people.Event:
		return in == ""
	case trial.FormSubmitted, trial.FormCorrected, trial.FormSigned, trial.TextJudged:
		return in == trial.Conduct || in == trial.Outcome
	case trial.Event:
		return in == (&trial.State{}).Compartment(e)
	default:
		return false
	}
}
