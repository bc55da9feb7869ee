package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit/durable"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// sealFlags are what lodd trial seal is told.
type sealFlags struct {
	file, list, record string
	req                loddv1.SealDesignRequest
}

func (a *app) trialSeal() *cobra.Command {
	var f sealFlags
	cmd := a.inTrial(spec{
		use: "seal", short: "Draw the seed and seal the randomization design, for good", args: byFlag("-f"),
		long: `Draw the seed and seal the randomization design, for good.

Nobody is shown the seed or the design again before unsealing. Keep the sealing
record in the trial master file: with it anybody can check later that neither
was changed.

With --second-party the trial statistician adds to the seed afterwards (lodd
trial contribute), before enrolment can open: the server is bound to its part by
the commitment, so neither side alone can choose the sequences.

With the design list, --list names the table of the statistician's own list: one
line an arm (stratum,arm or stratum,slot,arm), or the allocation table that
REDCap takes. It is sealed in the same step and kept nowhere else; delete it.`,
		example: `  lodd trial seal -f randomization.yaml --second-party --record sealing-record.txt
  lodd trial seal -f list.yaml --list allocation.csv --list-format redcap --record sealing-record.txt`,
	}, func(c trialCall) error { return a.seal(c, &f) })
	fileFlag(cmd, &f.file)
	cmd.Flags().BoolVar(&f.req.SecondParty, "second-party", false, "the trial statistician adds to the seed before enrolment opens")
	cmd.Flags().StringVar(&f.list, "list", "", "the `TABLE` of a statistician's own list, for the design list")
	cmd.Flags().StringVar(&f.req.ListFormat, "list-format", "", "format of the table, `csv|redcap`; default csv")
	cmd.Flags().StringVar(&f.record, "record", "", "write the sealing record to this `FILE`")
	return cmd
}

func (a *app) seal(c trialCall, f *sealFlags) error {
	req := &f.req
	if f.list == "" && req.GetListFormat() != "" || f.list == "-" && f.file == "-" {
		return &usageError{a.words.say("error.list")}
	}
	var err error
	if req.Design, err = a.readInput(f.file); err != nil {
		return err
	}
	if f.list != "" {
		req.ListFormat = first(req.GetListFormat(), "csv")
		if req.List, err = a.readInput(f.list); err != nil {
			return err
		}
	}
	if err := a.checkDesign(c, f); err != nil {
		return err
	}
	out, err := a.createRecord(f.record)
	if err != nil {
		return err
	}
	if err := a.confirm(c.ctx, "ask.seal", c.trial); err != nil {
		return errors.Join(err, discard(out))
	}
	req.TrialId, req.RequestId, req.FileName = c.trial, c.request, fileName(f.file)
	answer, err := c.Trials().SealDesign(c.ctx, req)
	if err != nil {
		return errors.Join(err, discard(out))
	}
	r := receiptOf("sealing", answer.GetReceipt(), "trial", c.trial, "commitment", answer.GetCommitment())
	if out == nil {
		r.columns, r.rows[0] = append(r.columns, "record"), append(r.rows[0], answer.GetRecord())
	} else if err := writeRecord(out, answer.GetRecord()); err != nil {
		return &hintError{err, a.words.say("hint.record", c.request)}
	} else {
		a.note("note.record", f.record)
	}
	if req.GetSecondParty() {
		a.note("note.second-party")
	}
	return a.write(r)
}

// checkDesign finds what is wrong with a design before a person is asked whether
// to seal it: all that the server finds, for designs that don't need the rest of
// the protocol or a table.
func (a *app) checkDesign(c trialCall, f *sealFlags) error {
	asks := a.console != nil && !a.flags.yes
	if !asks || a.deps.ParseDesign == nil || f.list != "" || bytes.Contains(f.req.GetDesign(), []byte("minimization")) {
		return nil
	}
	t, err := c.Trials().GetTrial(c.ctx, &loddv1.GetTrialRequest{TrialId: c.trial})
	if err != nil {
		return err
	}
	var ratio []int
	for _, arm := range t.GetArms() {
		ratio = append(ratio, int(arm.GetRatio()))
	}
	_, err = a.parseDesign(f.file, f.req.GetDesign(), ratio)
	return err
}

// createRecord makes the file of a sealing record, for its owner alone, before
// anything is sealed: where it can't be written shows while it is not too late.
// It returns nil for no path.
func (a *app) createRecord(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, &usageError{a.words.say("error.exists", path)}
	}
	if err != nil {
		return nil, &fileError{err}
	}
	return f, nil
}

// writeRecord writes a file that createRecord made, durably.
func writeRecord(f *os.File, text string) error {
	_, err := f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close(), durable.SyncDir(filepath.Dir(f.Name()))); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// discard closes and removes a file that nothing was written to.
func discard(f *os.File) error {
	if f == nil {
		return nil
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
