package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/durable"
)

func (a *app) auditExport() *cobra.Command {
	var path string
	cmd := a.inTrial(spec{
		use: "export", short: "Write the log into a file that can be verified without a server", args: byFlag("--out"),
		long: `Write the log into a file that can be verified without a server: of each list that
you may check the signed head and the hashes of all entries, and the entries that
you may read. An auditor's file holds the whole trial, in which answers and arms
stay sealed. It is verified before it gets its name; lodd verify FILE does so again.`,
	}, func(c trialCall) error {
		if path == "" {
			path = c.trial + "-log.zip"
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return &usageError{a.words.say("error.exists", path)}
		}
		return a.exportLog(c, path)
	})
	cmd.Flags().StringVar(&path, "out", "", "the `FILE`; the default is TRIAL-log.zip")
	return cmd
}

// exportLog downloads the log into a file without a name of its own, verifies
// it, and then names it.
func (a *app) exportLog(c trialCall, path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".lodd-*.part") // with mode 0600
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer os.Remove(f.Name()) // fails if it has got its name
	defer f.Close()
	if err := c.DownloadArchive(c.ctx, c.trial, dir, f, a.progress("note.progress-download")); err != nil {
		return err
	}
	r, err := a.readArchive(c.ctx, f, a.profile.LogKey)
	if err != nil {
		return err
	}
	replayed, broken := a.replay(r)
	if is[*notVerifiedError](broken) {
		// The server has signed a log in which a rule is broken: that is evidence.
		if err := nameFile(f, path); err != nil {
			return errors.Join(broken, err)
		}
		return &hintError{broken, a.words.say("hint.evidence", path)}
	}
	if broken != nil {
		return broken
	}
	if err := nameFile(f, path); err != nil {
		return err
	}
	a.note("note.downloaded", path)
	return a.write(a.archived(r, path, replayed))
}

// nameFile makes a file durable and gives it its name. It replaces nothing: the
// error wraps fs.ErrExist if something has got that name meanwhile.
func nameFile(f *os.File, path string) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := durable.Move(f.Name(), path); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}

// archived returns a record about an archive that was written. People read of the
// rules what lodd verify says of them.
func (a *app) archived(r *audit.ArchiveReader, path string, replayed map[string]int64) result {
	entries := int64(0)
	for _, l := range r.Lists {
		entries += l.Entries
	}
	all, late := underRules(r.Lists, replayed)
	if a.settings.output == "table" {
		_, rules := a.ruling(all, late)
		return one("audit-export", "file", path, "lists", len(r.Lists), "entries", entries, "verified", true, "rules", rules)
	}
	return one("audit-export", "file", path, "lists", len(r.Lists), "entries", entries, "replayed", all, "late", late, "verified", true)
}
