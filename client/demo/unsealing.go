package demo

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/blinding"
	"github.com/lodd-rct/lodd/randomization/table"
)

// Contribution is the statistician's part of the seed: 20 throws of a die.
const Contribution = "4 2 6 6 1 3 5 2 2 6 1 4 3 3 5 6 1 2 4 5"

const plan = "Statistical analysis plan 1.0: analyse everybody as randomized.\n"

// contribute adds the statistician's part to the seed, to which the server is
// bound by then, and keeps the sealing record.
func (s *story) contribute(ctx context.Context, commitment string) error {
	c, id, err := s.asking(ctx, "stine")
	if err != nil {
		return err
	}
	if _, err := c.Sealing().ContributeEntropy(ctx, &loddv1.ContributeEntropyRequest{
		TrialId: s.trial, RequestId: id, Entropy: []byte(Contribution), Commitment: commitment,
	}); err != nil {
		return err
	}
	s.say("stine added 20 throws of a die to the seed, which the server could not know when it was bound to its part")
	record, err := c.Sealing().GetSealingRecord(ctx, &loddv1.GetSealingRecordRequest{TrialId: s.trial})
	if err != nil {
		return err
	}
	return s.write("sealing-record.svg", []byte(record.GetSvg()), s.write("sealing-record.txt", []byte(record.GetText()), nil))
}

// unseal ends the trial: two people unseal it, and what its allocations followed
// from is downloaded and checked against the sealing record of the first day.
func (s *story) unseal(ctx context.Context) error {
	c, id, err := s.asking(ctx, "per")
	if err != nil {
		return err
	}
	propose := &loddv1.ProposeUnsealingRequest{TrialId: s.trial, RequestId: id}
	_, err = c.Unsealing().ProposeUnsealing(ctx, propose)
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_NOT_READY, "the unsealing of a trial that goes on"); err != nil {
		return err
	}
	s.say("refused: to unseal the trial while enrolment is open")
	if err := s.freeze(ctx); err != nil {
		return err
	}
	if _, err := c.Unsealing().ProposeUnsealing(ctx, propose); err != nil {
		return err
	}
	approve := &loddv1.ApproveUnsealingRequest{TrialId: s.trial, Confirm: s.trial}
	if approve.RequestId, err = s.requestID(); err != nil {
		return err
	}
	if err := s.prove(ctx, c, "per", approve); err != nil {
		return err
	}
	_, err = c.Unsealing().ApproveUnsealing(ctx, approve)
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_SAME_PERSON, "the unsealing by one person"); err != nil {
		return err
	}
	s.say("per proposed to unseal the trial; refused: that per approves it too")
	if c, approve.RequestId, err = s.asking(ctx, "kari"); err != nil {
		return err
	}
	if err := s.prove(ctx, c, "kari", approve); err != nil {
		return err
	}
	if _, err := c.Unsealing().ApproveUnsealing(ctx, approve); err != nil {
		return err
	}
	s.say("kari approved: the trial is unsealed")
	return s.reveal(ctx)
}

// prove adds to an approval the proof of who approves.
func (s *story) prove(ctx context.Context, c *client.Client, user string, approve *loddv1.ApproveUnsealingRequest) (err error) {
	approve.StepUp, err = s.stepUp(ctx, c, user, &loddv1.StepUpRequest{
		Act: loddv1.UnsealingService_ApproveUnsealing_FullMethodName, Trial: s.trial, Subject: s.trial,
	})
	return err
}

// refused returns nil if a step failed for a reason, else an error.
func refused(err error, reason loddv1.ErrorReason, step string) error {
	switch {
	case err == nil:
		return errors.New(step + " was not refused")
	case !client.HasReason(err, reason):
		return fmt.Errorf("%s was refused for another reason than %s: %w", step, reason, err)
	}
	return nil
}

// freeze closes enrolment, takes a lock if something was entered since the last
// one, and freezes the analysis plan.
func (s *story) freeze(ctx context.Context) error {
	c, id, err := s.asking(ctx, "per")
	if err != nil {
		return err
	}
	if _, err := c.Trials().CloseEnrolment(ctx, &loddv1.CloseEnrolmentRequest{TrialId: s.trial, RequestId: id}); err != nil {
		return err
	}
	now, err := c.Unsealing().GetUnsealing(ctx, &loddv1.GetUnsealingRequest{TrialId: s.trial})
	if err != nil {
		return err
	}
	if slices.Contains(now.GetMissing(), "lock") {
		if c, id, err = s.asking(ctx, "mona"); err != nil {
			return err
		}
		if _, err := c.Exports().TakeLock(ctx, &loddv1.TakeLockRequest{TrialId: s.trial, RequestId: id}); err != nil {
			return err
		}
	}
	if c, id, err = s.asking(ctx, "stine"); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(plan))
	freeze := &loddv1.FreezeAnalysisPlanRequest{TrialId: s.trial, RequestId: id, Digest: digest[:], Version: "1.0"}
	if _, err := c.Unsealing().FreezeAnalysisPlan(ctx, freeze); err != nil {
		return err
	}
	s.say("per closed enrolment, and stine froze the analysis plan: SHA-256 %x", digest[:8])
	return s.write("analysis-plan.txt", []byte(plan), nil)
}

// reveal downloads the bundle of the unsealed trial and checks it as anybody can
// who has kept the sealing record.
func (s *story) reveal(ctx context.Context) error {
	c, id, err := s.asking(ctx, "stine")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	d, err := c.DownloadReveal(ctx, &loddv1.DownloadRevealRequest{TrialId: s.trial, RequestId: id}, &b, nil)
	if err != nil {
		return err
	}
	name := filepath.Base(d.FileName) // the server's word
	if err := s.write(name, b.Bytes(), nil); err != nil {
		return err
	}
	m, err := s.verify(name)
	if err != nil {
		return err
	}
	r, err := s.recompute(b.Bytes())
	if err != nil {
		return err
	}
	n := 0
	for _, a := range r.Allocations {
		if a.Kind == randomization.Drawn {
			n++
		}
	}
	if n != len(s.enrolled) || m.Blinded || m.View != table.UnsealedView {
		return fmt.Errorf("%s holds %d allocations, want %d, unblinded", name, n, len(s.enrolled))
	}
	s.bundles, s.recomputed = append(s.bundles, name), n
	s.say("stine downloaded %s: %d of %d allocations follow from the commitment on the sealing record", name, n, n)
	if err := s.blinding(ctx, b.Bytes(), m.Lock.Number); err != nil {
		return err
	}
	return s.tamper(r, name)
}

// blinding tells from the guesses in a lock how well the trial was blinded.
func (s *story) blinding(ctx context.Context, unsealed []byte, lock int64) error {
	data, err := s.locked(ctx, lock)
	if err != nil {
		return err
	}
	var files [2]*zip.Reader
	for i, b := range [][]byte{unsealed, data} {
		if files[i], err = zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
			return err
		}
	}
	guesses, err := blinding.Join(files[0], files[1])
	if errors.Is(err, blinding.ErrNoQuestion) { // another protocol
		s.say("no form asks which arm the participants are in: how well the trial was blinded is not known")
		return nil
	}
	if err == nil && len(guesses.Visits) == 0 {
		err = errors.New("nobody guessed an arm")
	}
	if err != nil {
		return err
	}
	visit := guesses.Visits[len(guesses.Visits)-1]
	var told []string
	for i, q := range guesses.Questions {
		c := guesses.Count(func(g blinding.Guess) bool { return g.Question == i && g.Visit == visit })
		told = append(told, q.Form+": "+indices(c, guesses.Arms))
	}
	s.say("stine computed the blinding indices at %s: %s", visit, strings.Join(told, "; "))
	return nil
}

// indices returns James' index of all arms and Bang's of each, as far as they are
// defined.
func indices(c blinding.Counts, arms []string) string {
	var told []string
	if james, err := blinding.James(c, nil); err == nil {
		told = append(told, fmt.Sprintf("James %.2f", james.Value))
	}
	for arm, name := range arms {
		if bang, err := blinding.Bang(c, arm); err == nil {
			told = append(told, fmt.Sprintf("Bang %s %.2f", name, bang.Value))
		}
	}
	return strings.Join(told, ", ")
}

// locked returns the export of a lock, which may have been downloaded before.
func (s *story) locked(ctx context.Context, lock int64) ([]byte, error) {
	for _, name := range s.bundles {
		m, err := s.verify(name)
		if err != nil {
			return nil, err
		}
		if m.View != table.UnsealedView && m.Lock.Number == lock {
			return os.ReadFile(s.path(name))
		}
	}
	name, err := s.download(ctx, int32(lock))
	if err != nil {
		return nil, err
	}
	if _, err := s.verify(name); err != nil {
		return nil, err
	}
	return os.ReadFile(s.path(name))
}

// recompute reads the randomization out of a bundle and computes it again, with
// the commitment of the sealing record.
func (s *story) recompute(bundle []byte) (r randomization.Reveal, err error) {
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		return r, err
	}
	var files [2]io.ReadCloser
	for i, name := range []string{table.DesignFile, table.AllocationsFile} {
		if files[i], err = z.Open(table.UnsealedFolder + name); err != nil {
			return r, err
		}
		defer files[i].Close()
	}
	if r, err = table.ReadReveal(files[0], files[1]); err != nil {
		return r, err
	}
	record, err := os.ReadFile(s.path("sealing-record.txt"))
	if err != nil {
		return r, err
	}
	published := regexp.MustCompile(`(?m)^Commitment: +([0-9a-f]{64})$`).FindSubmatch(record)
	if published == nil {
		return r, errors.New("the sealing record has no commitment")
	}
	if r.Commitment, err = randomization.ParseCommitment(string(published[1])); err != nil {
		return r, err
	}
	return r, randomization.Verify(r)
}

// tamper changes the bundle, and what is in it, and wants to be told.
func (s *story) tamper(r randomization.Reveal, name string) error {
	if err := s.flip(name); err != nil {
		return err
	}
	i := len(r.Allocations) / 2
	for r.Allocations[i].Kind != randomization.Drawn {
		i++
	}
	r.Allocations[i].Arm = 1 - r.Allocations[i].Arm
	err := randomization.Verify(r)
	wrong, ok := errors.AsType[*randomization.Mismatch](err)
	switch {
	case err == nil:
		return fmt.Errorf("another arm of allocation %d was not noticed", i)
	case !ok || wrong.Index != i:
		return fmt.Errorf("another arm of allocation %d was noticed as something else: %w", i, err)
	}
	s.say("one arm changed on purpose: %s", strings.TrimPrefix(wrong.Error(), "randomization: "))
	return nil
}
