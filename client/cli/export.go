package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) lockCommand() *cobra.Command {
	take := a.inTrial(spec{
		use: "take", short: "Take a lock: name the present state of the data",
		long: "Take a lock: name the present state of the data. What is exported of a lock stays\nthe same for ever; new data need a new lock.",
	}, func(c trialCall) error {
		answer, err := c.Exports().TakeLock(c.ctx, &loddv1.TakeLockRequest{TrialId: c.trial, RequestId: c.request})
		if err != nil {
			return err
		}
		l := answer.GetLock()
		return a.write(receiptOf("lock", answer.GetReceipt(), "lock", l.GetNumber(), "by", l.GetBy(), "conduct", l.GetConduct(), "outcome", l.GetOutcome()))
	})
	return noun("lock", "Take locks", take)
}

func (a *app) exportCommand() *cobra.Command {
	show := a.inTrial(spec{use: "list", short: "List the locks"}, func(c trialCall) error {
		answer, err := c.Exports().ListLocks(c.ctx, &loddv1.ListLocksRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		r := list("locks", "locks", "lock", "at", "by", "conduct", "outcome")
		for _, l := range answer.GetLocks() {
			r.add(l.GetNumber(), stamp(l.GetAt()), l.GetBy(), l.GetConduct(), l.GetOutcome())
		}
		return a.write(r)
	})
	return noun("export", "List and download locked exports", show, a.exportDownload())
}

func (a *app) exportDownload() *cobra.Command {
	var dir string
	cmd := a.inTrial(spec{
		use: "download LOCK", short: "Download the export of a lock and verify it", args: cobra.ExactArgs(1),
		long: `Download the export of a lock and verify it. The file gets its name only once it
is verified; a file that does not verify is deleted.`,
	}, func(c trialCall) error {
		lock, err := strconv.ParseInt(c.args[0], 10, 32)
		if err != nil || lock < 1 {
			return &usageError{a.words.say("error.lock", c.args[0])}
		}
		verifier, err := audit.NewVerifier(a.profile.ExportKey)
		if err != nil {
			return &usageError{a.words.say("error.no-export-key")}
		}
		return a.download(c, download{dir: dir, lock: int32(lock), verifier: verifier})
	})
	cmd.Flags().StringVar(&dir, "to", ".", "the folder `DIR` for the file")
	return cmd
}

// download is one export to be fetched.
type download struct {
	dir      string
	lock     int32
	verifier note.Verifier
}

// download fetches an export into a file without a name of its own, verifies
// it, and then names it.
func (a *app) download(c trialCall, d download) error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	f, err := os.CreateTemp(d.dir, ".lodd-*.part") // with mode 0600
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer os.Remove(f.Name()) // fails if it has got its name
	defer f.Close()
	got, err := a.fetch(c, d.lock, f)
	if err != nil {
		return err
	}
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.zip$`).MatchString(got.FileName) {
		return &notVerifiedError{message: a.words.say("error.file-name", got.FileName)}
	}
	manifest, err := verifyBundle(f, d.verifier)
	if err != nil {
		return err
	}
	path := filepath.Join(d.dir, got.FileName)
	if err := keep(f, path); err != nil {
		return err
	}
	a.note("note.downloaded", path)
	r := one("download", "file", path, "bytes", got.Bytes, "lock", d.lock, "view", code(manifest.View),
		"blinded", manifest.Blinded, "revised_by", notNil(manifest.RevisedBy), "verified", true)
	return a.write(r)
}

// fetch downloads into a file and shows how far it is.
func (a *app) fetch(c trialCall, lock int32, w io.Writer) (client.Download, error) {
	show := a.progress("note.progress-download")
	return c.DownloadExport(c.ctx, &loddv1.DownloadExportRequest{TrialId: c.trial, RequestId: c.request, Lock: lock}, w, show)
}

// keep makes a file durable and gives it its name. A file that has the name
// already must hold the same bytes, and stays: the same lock gives the same
// export, unless somebody's data were destroyed in between.
func keep(f *os.File, path string) error {
	err := nameFile(f, path)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	same, err := sameContent(f.Name(), path)
	if err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("%s exists and is another export: move it away, or give another folder with --to", path)
	}
	return nil
}

// progress returns a function that shows how far something is: on a terminal
// in place, else a line for each tenth, and nothing if it is quiet.
func (a *app) progress(key string) func(done, total int64) {
	if a.flags.quiet {
		return nil
	}
	inPlace := isTerminal(a.deps.Stderr)
	last := int64(0)
	return func(done, total int64) {
		if total <= 0 || (done*10/total == last && done != total) {
			return
		}
		last = done * 10 / total
		text := "lodd: " + a.words.say(key, done*100/total)
		switch {
		case !inPlace:
			fmt.Fprintln(a.deps.Stderr, text)
		case done == total:
			fmt.Fprintf(a.deps.Stderr, "\r%s\n", text)
		default:
			fmt.Fprintf(a.deps.Stderr, "\r%s", text)
		}
	}
}

// notNilNumbers makes JSON write an empty list and not null.
func notNilNumbers(n []int32) []int32 {
	if n == nil {
		return []int32{}
	}
	return n
}
