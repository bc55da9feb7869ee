package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) unsealCommand() *cobra.Command {
	return noun("unseal", "Unseal a trial at its end, and prove its randomization",
		a.unsealPlan(), a.unsealPropose(), a.unsealApprove(), a.unsealStatus(), a.unsealDownload(), a.unsealBlinding())
}

func (a *app) unsealPlan() *cobra.Command {
	var version string
	cmd := a.inTrial(spec{
		use: "plan FILE", short: "Freeze the statistical analysis plan", args: cobra.ExactArgs(1),
		long: `Freeze the statistical analysis plan: record its SHA-256, which is computed here.
The file itself isn't sent. A later plan takes its place until the trial is
unsealed, and whoever proposed the unsealing has to do so again; all stay in the log.`,
		example: "  lodd unseal plan analysis-plan.pdf --version 2.0",
	}, func(c trialCall) error {
		digest, err := digestOf(a.deps.Stdin, c.args[0])
		if err != nil {
			return err
		}
		answer, err := c.Unsealing().FreezeAnalysisPlan(c.ctx, &loddv1.FreezeAnalysisPlanRequest{
			TrialId: c.trial, RequestId: c.request, Digest: digest, Version: version,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("analysis-plan", answer.GetReceipt(), "trial", c.trial, "version", version, "sha256", hex.EncodeToString(digest)))
	})
	cmd.Flags().StringVar(&version, "version", "", "`VERSION` of the plan: what the document calls itself")
	if err := cmd.MarkFlagRequired("version"); err != nil {
		panic("cli: flag version: " + err.Error()) // it was defined a line above
	}
	return cmd
}

// digestOf returns the SHA-256 of a file, or of standard input for "-".
func digestOf(stdin io.Reader, path string) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, &fileError{err}
		}
		defer f.Close()
		in = f
	}
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return h.Sum(nil), nil
}

func (a *app) unsealPropose() *cobra.Command {
	return a.inTrial(spec{
		use: "propose", short: "Propose to unseal the trial: the first of two people's steps",
		long: `Propose to unseal the trial: the first of two people's steps. Enrolment must be
closed, a lock must hold every outcome entry and an analysis plan must be frozen.
Somebody else has seven days to approve.`,
	}, func(c trialCall) error {
		answer, err := c.Unsealing().ProposeUnsealing(c.ctx, &loddv1.ProposeUnsealingRequest{TrialId: c.trial, RequestId: c.request})
		if err != nil {
			return a.withMissing(c, err)
		}
		return a.write(receiptOf("unsealing-proposal", answer.GetReceipt(), "trial", c.trial, "expires", stamp(answer.GetExpires())))
	})
}

func (a *app) unsealApprove() *cobra.Command {
	var confirm string
	var g again
	cmd := a.inTrial(spec{
		use: "approve", short: "Unseal the trial: the second of two people's steps, for good",
		long: `Unseal the trial: the second of two people's steps, for good. From then on whoever
may can download the design, the seed and every allocation. It cannot be undone.
Type the trial once more, or give it with --confirm, and prove anew who you are.`,
		example: "  lodd unseal approve --trial IPS --confirm IPS",
	}, func(c trialCall) error {
		confirm, err := a.typed(c.ctx, confirm, "ask.unseal")
		if err != nil {
			return err
		}
		if confirm == "" {
			return &usageError{a.words.say("error.confirm-trial")}
		}
		token, err := g.stepUp(a, c.call, &loddv1.StepUpRequest{
			Act: loddv1.UnsealingService_ApproveUnsealing_FullMethodName, Trial: c.trial, Subject: c.trial,
		})
		if err != nil {
			return err
		}
		answer, err := c.Unsealing().ApproveUnsealing(c.ctx, &loddv1.ApproveUnsealingRequest{
			TrialId: c.trial, RequestId: c.request, Confirm: confirm, StepUp: token,
		})
		if err != nil {
			return a.withMissing(c, err)
		}
		return a.write(receiptOf("unsealing", answer.GetReceipt(), "trial", c.trial, "state", code("unsealed")))
	})
	cmd.Flags().StringVar(&confirm, "confirm", "", "the `TRIAL` once more")
	g.register(cmd)
	return cmd
}

// withMissing adds to a refusal what is to be done first, in the user's language.
func (a *app) withMissing(c trialCall, err error) error {
	if !client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_NOT_READY) {
		return err
	}
	s, unknown := c.Unsealing().GetUnsealing(c.ctx, &loddv1.GetUnsealingRequest{TrialId: c.trial})
	if unknown != nil {
		return err
	}
	var missing []string
	for _, m := range s.GetMissing() {
		missing = append(missing, a.words.state(m))
	}
	return &hintError{err, a.words.say("hint.not-ready", strings.Join(missing, ", "))}
}

func (a *app) unsealStatus() *cobra.Command {
	return a.inTrial(spec{use: "status", short: "Show what is missing before the trial can be unsealed, and who proposed it"}, func(c trialCall) error {
		s, err := c.Unsealing().GetUnsealing(c.ctx, &loddv1.GetUnsealingRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		return a.write(one("unsealing-status", "trial", c.trial, "missing", append(codeList{}, s.GetMissing()...),
			"plan", s.GetPlanVersion(), "sha256", hex.EncodeToString(s.GetPlanDigest()),
			"proposed_by", s.GetProposedBy(), "expires", stamp(s.GetExpires()), "unsealed", stamp(s.GetUnsealed())))
	})
}

func (a *app) unsealDownload() *cobra.Command {
	var path, record string
	cmd := a.inTrial(spec{
		use: "download", short: "Download what proves the randomization of an unsealed trial, and verify it", args: byFlag("--out"),
		long: `Download design, seed and every allocation of an unsealed trial, and verify them:
every allocation is computed again. The file tells every arm: keep it from whoever
has to stay blind. It gets its name only once it is verified; a file that does not
verify is deleted. The download is an entry of the log. Give the sealing record
that was kept since day 0 with --record, here or with lodd verify.`,
		example: "  lodd unseal download --out IPS-unsealed.zip --record sealing-record.txt",
	}, func(c trialCall) error {
		if path == "" {
			path = c.trial + "-unsealed.zip"
		}
		kept, err := a.readRecord(record)
		if err != nil {
			return err
		}
		verifier, err := audit.NewVerifier(a.profile.ExportKey)
		if err != nil {
			return &usageError{a.words.say("error.no-export-key")}
		}
		return a.downloadReveal(c, path, verifier, kept)
	})
	cmd.Flags().StringVar(&path, "out", "", "the `FILE`; the default is TRIAL-unsealed.zip")
	cmd.Flags().StringVar(&record, "record", "", "the sealing record, a `FILE`")
	return cmd
}

// downloadReveal fetches the bundle into a file without a name of its own,
// verifies it, and then names it. A file of that name must hold the same: the
// same trial gives the same bundle, unless somebody's data were destroyed in
// between.
func (a *app) downloadReveal(c trialCall, path string, verifier note.Verifier, record *sealingRecord) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".lodd-*.part") // with mode 0600
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer os.Remove(f.Name()) // fails if it has got its name
	defer f.Close()
	got, err := c.DownloadReveal(c.ctx, &loddv1.DownloadRevealRequest{TrialId: c.trial, RequestId: c.request}, f, a.progress("note.progress-download"))
	if err != nil {
		return err
	}
	manifest, err := verifyBundle(f, verifier)
	if err != nil {
		return err
	}
	if manifest.View != unsealedView || manifest.Study != c.trial {
		return &notVerifiedError{message: a.words.say("error.reveal-view", manifest.View, manifest.Study)}
	}
	r, err := a.checkReveal(f, manifest, record)
	if err != nil {
		return err
	}
	if err := a.nameReveal(f, path); err != nil {
		return err
	}
	a.note("note.downloaded", path)
	a.tellOwn(r)
	allocated, lost := r.counts()
	return a.write(one("reveal", "file", path, "bytes", got.Bytes, "allocations", allocated, "lost_slots", lost,
		"commitment", r.Commitment.String(), "record", r.record, "revised_by", notNil(manifest.RevisedBy), "verified", true))
}

func (a *app) nameReveal(f *os.File, path string) error {
	err := nameFile(f, path)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	same, err := sameContent(f.Name(), path)
	if err == nil && !same {
		err = &usageError{a.words.say("error.exists", path)}
	}
	return err
}
