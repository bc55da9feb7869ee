package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// maxEntropy is the most bytes of a contribution, as the server takes them.
const maxEntropy = 1024

func (a *app) trialContribute() *cobra.Command {
	var text, file, commitment string
	cmd := a.inTrial(spec{
		use: "contribute", short: "Add your own randomness to the seed, as the trial statistician",
		long: `Add your own randomness to the seed of a design that was sealed with a second
party. The server is bound to its part by the commitment, which you compare with
the one in the sealing record that the list custodian gave you: with --commitment
as it stands there, or when you are asked. Whatever you add decides the sequences
together with the server's part, so neither side alone can choose them.

Dice, a phrase or the value of a public beacon will do: 1 to 1,024 bytes. They
are public from then on and stand in the sealing record as hexadecimal digits,
exactly as they were given; the end of a line in a file or in standard input is
a part of them.`,
		example: `  lodd trial contribute --commitment 3f9a… --entropy "4 2 6 6 1 3 5 2 2 6 1 4"
  lodd trial contribute --commitment 3f9a… --entropy-file beacon.txt`,
	}, func(c trialCall) error {
		if text != "" && file != "" {
			return &usageError{a.words.say("error.entropy")}
		}
		record, err := c.Sealing().GetSealingRecord(c.ctx, &loddv1.GetSealingRecordRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		if err := a.compareCommitment(c, strings.ToLower(commitment), record.GetCommitment()); err != nil {
			return err
		}
		entropy, err := a.entropy(c, text, file)
		if err != nil {
			return err
		}
		answer, err := c.Sealing().ContributeEntropy(c.ctx, &loddv1.ContributeEntropyRequest{
			TrialId: c.trial, RequestId: c.request, Entropy: entropy, Commitment: record.GetCommitment(),
		})
		if err != nil {
			return err
		}
		a.note("note.contributed")
		return a.write(receiptOf("contribution", answer.GetReceipt(), "trial", c.trial, "commitment", record.GetCommitment(), "entropy", hex.EncodeToString(entropy)))
	})
	cmd.Flags().StringVar(&text, "entropy", "", "your randomness as `TEXT`")
	cmd.Flags().StringVar(&file, "entropy-file", "", "your randomness as the bytes of this `FILE`; - is standard input, which is also the default")
	cmd.Flags().StringVar(&commitment, "commitment", "", "the `COMMITMENT` as it stands in the sealing record")
	return cmd
}

// compareCommitment refuses to go on unless the server's commitment is the one in
// the sealing record, as a flag or a person says.
func (a *app) compareCommitment(c trialCall, given, present string) error {
	if given == "" {
		return a.confirm(c.ctx, "ask.commitment", present)
	}
	if given != present {
		return &notVerifiedError{message: a.words.say("error.commitment", present)}
	}
	return nil
}

// entropy returns the contribution: that of a flag or of a file, else what is
// typed at the terminal or comes from standard input.
func (a *app) entropy(c trialCall, text, file string) ([]byte, error) {
	b := []byte(text)
	switch {
	case text != "":
	case file == "" && a.console != nil:
		line, err := a.console.Line(c.ctx, "lodd: "+a.words.say("ask.entropy")+": ")
		if err != nil {
			return nil, err
		}
		b = []byte(line)
	default:
		in := a.deps.Stdin
		if file != "" && file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return nil, &fileError{err}
			}
			defer f.Close()
			in = f
		}
		var err error
		if b, err = io.ReadAll(io.LimitReader(in, maxEntropy+1)); err != nil {
			return nil, fmt.Errorf("read entropy: %w", err)
		}
	}
	if len(b) == 0 || len(b) > maxEntropy {
		return nil, &invalidError{message: a.words.say("error.entropy-size", maxEntropy)}
	}
	return b, nil
}

// abandonReasons are the reasons for giving a sealing up, as the server has them.
const abandonReasons = "design-fault|no-contribution|other"

func (a *app) trialAbandon() *cobra.Command {
	var req loddv1.AbandonSealingRequest
	cmd := a.inTrial(spec{
		use: "abandon", short: "Give a sealing up before enrolment, to seal the design again",
		long: `Give a sealing up before enrolment was opened, so that the design can be sealed
again: if the file was wrong, or if the second party does not contribute. The
sealing stays in the log, and every later sealing record counts it: sealing again
and again until the result pleases would show. Backup envelopes of the sealing
are void; destroy them. Type the trial once more, or give it with --confirm.`,
		example: "  lodd trial abandon --reason design-fault --confirm IPS",
	}, func(c trialCall) error {
		err := a.oneOf("reason", abandonReasons, req.GetReason()) // nobody is asked in vain
		if err != nil {
			return err
		}
		if req.Confirm, err = a.typed(c.ctx, req.GetConfirm(), "ask.abandon"); err != nil {
			return err
		}
		if req.GetConfirm() == "" {
			return &usageError{a.words.say("error.confirm-trial")}
		}
		req.TrialId, req.RequestId = c.trial, c.request
		answer, err := c.Sealing().AbandonSealing(c.ctx, &req)
		if err != nil {
			return err
		}
		a.note("note.abandoned")
		return a.write(receiptOf("abandonment", answer.GetReceipt(), "trial", c.trial, "reason", code(req.GetReason())))
	})
	required(cmd, &req.Reason, "reason", "`"+abandonReasons+"`")
	cmd.Flags().StringVar(&req.Confirm, "confirm", "", "the `TRIAL` once more")
	return cmd
}

func (a *app) trialSealingRecord() *cobra.Command {
	var path string
	cmd := a.inTrial(spec{
		use: "sealing-record", short: "Print the sealing record for the trial master file",
		long: `Print the sealing record for the trial master file: as text, or with --out as a
new file, whose ending says whether it is text (.txt) or a page in A4 (.svg) that
any browser prints. It changes only when the second party contributes, or when
the sealing is abandoned.`,
		example: "  lodd trial sealing-record --out sealing-record.svg",
	}, func(c trialCall) error {
		ending := strings.ToLower(filepath.Ext(path))
		if path != "" && ending != ".txt" && ending != ".svg" {
			return &usageError{a.words.say("error.record-ending", path)}
		}
		out, err := a.createRecord(path)
		if err != nil {
			return err
		}
		record, err := c.Sealing().GetSealingRecord(c.ctx, &loddv1.GetSealingRecordRequest{TrialId: c.trial})
		if err != nil {
			return errors.Join(err, discard(out))
		}
		r := one("sealing-record", "trial", c.trial, "commitment", record.GetCommitment(), "sealed", stamp(record.GetSealed()),
			"custodian", record.GetCustodian(), "awaits_entropy", record.GetAwaitsEntropy(), "entropy", hex.EncodeToString(record.GetEntropy()),
			"contributor", record.GetContributor(), "abandoned", record.GetAbandoned())
		switch {
		case out != nil:
			if err := writeRecord(out, map[string]string{".txt": record.GetText(), ".svg": record.GetSvg()}[ending]); err != nil {
				return err
			}
			a.note("note.record", path)
		case a.settings.output == "table":
			_, err := io.WriteString(a.deps.Stdout, printable(record.GetText()))
			return err
		default:
			r.columns, r.rows[0] = append(r.columns, "record"), append(r.rows[0], record.GetText())
		}
		return a.write(r)
	})
	cmd.Flags().StringVar(&path, "out", "", "write the record to this `FILE`, .txt or .svg")
	return cmd
}
