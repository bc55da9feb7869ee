package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// untilDone is a file that can't be read any more once a context has ended, so
// that a person can interrupt what reads a long one.
type untilDone struct {
	io.ReaderAt
	ctx context.Context //nolint:containedctx // it lives as long as the command does
}

func (r untilDone) ReadAt(b []byte, at int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReaderAt.ReadAt(b, at)
}

// verifyArchive verifies an archive of the log: with the key given, else with
// that of the profile, else with its own, which is said.
func (a *app) verifyArchive(ctx context.Context, f *os.File, given, path string) error {
	r, err := a.readArchive(ctx, f, first(given, a.profile.LogKey))
	if err != nil {
		return err
	}
	replayed, err := a.replay(r)
	if err != nil {
		return err
	}
	if first(given, a.profile.LogKey) == "" {
		// Not a note: whoever asks for quiet must see it all the same.
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", visible(a.words.say("note.key-inside", r.Key)))
	}
	return a.writeArchive(r, replayed, path)
}

// readArchive checks an archive with a key, or with its own if that is empty.
func (a *app) readArchive(ctx context.Context, f *os.File, key string) (*audit.ArchiveReader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	var verifiers note.Verifiers
	var verifier note.Verifier
	if key != "" {
		if verifier, err = a.verifierOf(key); err != nil {
			return nil, err
		}
		verifiers = note.VerifierList(verifier)
	}
	witnesses, err := a.witnesses()
	if err != nil {
		return nil, err
	}
	file := untilDone{f, ctx}
	r, err := audit.ReadArchive(file, info.Size(), verifiers, witnesses...)
	if _, wrong := errors.AsType[*audit.ArchiveError](err); wrong && verifier != nil {
		// Whether another server wrote it decides what is to be said, not
		// whether it is verified.
		other, again := audit.ReadArchive(file, info.Size(), nil)
		if again == nil && strings.HasSuffix(verifier.Name(), ofExports) && strings.HasSuffix(keyName(other.Key), ofLog) {
			return nil, &notVerifiedError{stranger: true, message: a.words.say("error.archive-export-key", verifier.Name(), other.Key)}
		}
		if again == nil {
			return nil, &notVerifiedError{stranger: true, message: a.words.say("error.archive-stranger", other.Key, fmt.Sprintf("%s+%08x", verifier.Name(), verifier.KeyHash()))}
		}
	}
	return r, a.asNotVerified(err)
}

// keyName returns the name in a key.
func keyName(key string) string {
	name, _, _ := strings.Cut(key, "+")
	return name
}

// replay checks what the entries say, and returns how many of each list were put
// to the rules of the trial; nil if the rules weren't applied.
func (a *app) replay(r *audit.ArchiveReader) (map[string]int64, error) {
	if a.deps.Replay == nil {
		return nil, nil
	}
	replayed, err := a.deps.Replay(r)
	return replayed, a.asNotVerified(err)
}

// asNotVerified says in the user's language where an archive is wrong. Why
// stands in the words of the check.
func (a *app) asNotVerified(err error) error {
	wrong, ok := errors.AsType[*audit.ArchiveError](err)
	if !ok {
		return err
	}
	e := &notVerifiedError{message: a.words.say("error.archive", wrong.Reason)}
	switch {
	case wrong.Index >= 0:
		e.message = a.words.say("error.archive-entry", strconv.FormatInt(wrong.Index, 10), wrong.List, wrong.Reason)
	case wrong.List != "":
		e.message = a.words.say("error.archive-list", wrong.List, wrong.Reason)
	}
	return e
}

// underRules returns whether the rules of the trial were applied to all entries
// of some lists, and to how many they weren't because these came after the head
// of conduct. The list of accounts has no rules.
func underRules(lists []audit.ArchivedList, replayed map[string]int64) (all bool, late int64) {
	if replayed == nil {
		return false, 0
	}
	for _, l := range lists {
		if l.List != "system" {
			all = true
			late += l.Entries - replayed[l.List]
		}
	}
	return all && late == 0, late
}

// writeArchive lists what was verified: as lines, unless a form was asked for.
func (a *app) writeArchive(r *audit.ArchiveReader, replayed map[string]int64, path string) error {
	out := list("archive-verification", "compartments", "list", "size", "entries", "replayed", "late", "cosigners", "unknown_signatures")
	entries := int64(0)
	for i, l := range r.Lists {
		entries += l.Entries
		held, late := underRules(r.Lists[i:i+1], replayed)
		out.add(l.List, l.Size, l.Entries, held, late, cosigners(r.Cosignatures[l.List]), r.Unknown[l.List])
	}
	var b bytes.Buffer
	switch first(a.flags.output, a.deps.Env("LODD_OUTPUT")) {
	case "":
		for _, l := range r.Lists {
			fmt.Fprintln(&b, visible(a.words.say("note.archive-list", l.List, l.Entries, l.Size)))
		}
	case "table":
		if err := a.write(a.archiveTable(r, replayed)); err != nil {
			return err
		}
	default:
		return a.write(out)
	}
	verified, rules := a.ruling(underRules(r.Lists, replayed))
	fmt.Fprintf(&b, "%s: %s\n", verified, visible(a.words.say("note.archive", entries, filepath.Base(path), r.Trial)+"; "+rules))
	_, err := a.deps.Stdout.Write(b.Bytes())
	return err
}

// archiveTable returns what was verified for people: how much of each list was put
// to the rules of the trial.
func (a *app) archiveTable(r *audit.ArchiveReader, replayed map[string]int64) result {
	out := list("archive-verification", "compartments", "list", "size", "entries", "rules", "cosigners", "unknown_signatures")
	for _, l := range r.Lists {
		rules := a.words.say("note.no-rules")
		if replayed != nil && l.List != "system" {
			rules = a.words.say("note.archive-rules", replayed[l.List], l.Entries)
		}
		out.add(l.List, l.Size, l.Entries, rules, cosigners(r.Cosignatures[l.List]), r.Unknown[l.List])
	}
	return out
}

// ruling returns the word for an archive that is in order, and what is to be
// said of the rules of the trial.
func (a *app) ruling(all bool, late int64) (verified, rules string) {
	switch {
	case late > 0:
		return a.words.say("note.is-verified-part"), a.words.say("note.replayed-part", late)
	case all:
		return a.words.say("note.is-verified"), a.words.say("note.replayed")
	default:
		return a.words.say("note.is-verified"), a.words.say("note.not-replayed")
	}
}
