package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (s *story) firstLock(ctx context.Context) error { return s.lock(ctx, 1, len(s.enrolled)) }

// secondLock takes the lock at the end: one participant fewer than the first,
// whose bundle still verifies.
func (s *story) secondLock(ctx context.Context) error {
	if err := s.lock(ctx, 2, len(s.enrolled)-1); err != nil {
		return err
	}
	if _, err := s.verify(s.bundles[0]); err != nil {
		return fmt.Errorf("lock 1: %w", err)
	}
	s.say("the bundle of lock 1 still verifies")
	return s.checkFlow(ctx)
}

// lock takes lock number n, downloads its export, verifies it offline and
// counts its participants.
func (s *story) lock(ctx context.Context, n int32, subjects int) error {
	c, id, err := s.asking(ctx, "mona")
	if err != nil {
		return err
	}
	taken, err := c.Exports().TakeLock(ctx, &loddv1.TakeLockRequest{TrialId: s.trial, RequestId: id})
	if err != nil {
		return err
	}
	if taken.GetLock().GetNumber() != n {
		return fmt.Errorf("lock %d, want %d", taken.GetLock().GetNumber(), n)
	}
	name, err := s.download(ctx, n)
	if err != nil {
		return err
	}
	m, err := s.verify(name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(m.Files, func(f audit.File) bool { return f.Name == "data/participants.csv" || f.Name == "participants.csv" })
	if i < 0 || m.Files[i].Records != int64(subjects) || !m.Blinded {
		return fmt.Errorf("%s does not hold %d participants, blinded", name, subjects)
	}
	s.bundles = append(s.bundles, name)
	s.say("mona took lock %d and downloaded %s: %d participants, %d files, no arm; verified offline", n, name, subjects, len(m.Files))
	return s.flip(name)
}

func (s *story) download(ctx context.Context, lock int32) (string, error) {
	c, id, err := s.asking(ctx, "mona")
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	d, err := c.DownloadExport(ctx, &loddv1.DownloadExportRequest{TrialId: s.trial, RequestId: id, Lock: lock}, &b, nil)
	if err != nil {
		return "", err
	}
	name := filepath.Base(d.FileName) // the server's word
	return name, s.write(name, b.Bytes(), nil)
}

// verify checks a bundle with nothing but the file and the public key.
func (s *story) verify(name string) (audit.Manifest, error) {
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		return audit.Manifest{}, err
	}
	return s.check(data)
}

func (s *story) check(data []byte) (audit.Manifest, error) {
	verifier, err := note.NewVerifier(s.keys.GetExportKey())
	if err != nil {
		return audit.Manifest{}, err
	}
	m, err := audit.VerifyBundle(bytes.NewReader(data), int64(len(data)), note.VerifierList(verifier))
	if err != nil {
		return m, err
	}
	return m, nil
}

// flip changes one byte of a bundle, in memory, and wants to be told.
func (s *story) flip(name string) error {
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		return err
	}
	at := len(data) / 3
	data[at] ^= 1
	if _, err := s.check(data); err != nil {
		s.say("one byte changed on purpose: %v", err)
		return nil
	}
	return fmt.Errorf("a changed byte at %d of %s was not noticed", at, name)
}

// checkFlow checks that the sums of the pooled CONSORT flow close.
func (s *story) checkFlow(ctx context.Context) error {
	c, err := s.as(ctx, "mona")
	if err != nil {
		return err
	}
	t, err := c.Trials().GetTrial(ctx, &loddv1.GetTrialRequest{TrialId: s.trial})
	if err != nil {
		return err
	}
	f := t.GetFlow()
	s.say("CONSORT, pooled: %d screened = %d not eligible + %d declined + %d other + %d randomized",
		f.GetScreened(), f.GetNotEligible(), f.GetDeclined(), f.GetOther(), f.GetRandomized())
	if f.GetScreened() != screened || f.GetScreened() != f.GetNotEligible()+f.GetDeclined()+f.GetOther()+f.GetPending()+f.GetRandomized() {
		return fmt.Errorf("the sums of the flow do not close: %v", f)
	}
	for _, v := range f.GetVisits() {
		s.say("  %s: %d observed, %d lost, %d withdrew, %d erased, %d in error, %d died, %d awaited", v.GetVisit(),
			v.GetObserved(), v.GetLost(), v.GetWithdrew(), v.GetErased(), v.GetInError(), v.GetDied(), v.GetAwaited())
		if sum := v.GetObserved() + v.GetLost() + v.GetWithdrew() + v.GetErased() + v.GetInError() + v.GetDied() + v.GetAwaited(); sum != f.GetRandomized() {
			return fmt.Errorf("the classes at %s add up to %d, want %d", v.GetVisit(), sum, f.GetRandomized())
		}
	}
	return nil
}

// path returns the path of a file in the story's folder.
func (s *story) path(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// write writes a file into the story's folder, unless err isn't nil.
func (s *story) write(name string, data []byte, err error) error {
	if err != nil {
		return err
	}
	return os.WriteFile(s.path(name), data, 0o600)
}
