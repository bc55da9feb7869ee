package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// keyFile is where a key may lie beside a bundle.
const keyFile = "export.key"

// verifying is what lodd verify is told.
type verifying struct{ key, record, archive string }

func (a *app) verifyCommand() *cobra.Command {
	var v verifying
	cmd := a.local(spec{
		use: "verify FILE", short: "Verify an export, a log or an unsealed trial, without a server", args: cobra.ExactArgs(1),
		long: `Verify an export, a log or an unsealed trial, without a server: every byte of it,
against the public key of the server that made it. The key is that of --key, else
of your profile. Else an export is verified with the key in the file export.key
beside FILE, and a log (lodd audit export) with the key inside it. If the whole
trial is in a log, the rules of the trial are applied to every entry of it again.

Of an unsealed trial (lodd unseal download) the commitment and every allocation
are computed again. Give the sealing record that was kept since day 0 with
--record: the commitment there is what all must follow from. With --archive, the
log of the whole trial, it is also checked that the log keeps the rules and has
these allocations and no other.

Exit code 0: FILE is what was signed. That is also so of a log "verified in part",
to whose last entries, which came after the head of conduct, the rules were not
applied, and of one without the whole trial, to which they weren't at all; -o json
tells it of each list: "replayed" and "late". 8: it is not verified.`,
		example: "  lodd verify IPS-lock1-pooled.zip\n  lodd verify IPS-log.zip\n  lodd verify IPS-unsealed.zip --record sealing-record.txt --archive IPS-log.zip",
	}, func(ctx context.Context, args []string) error { return a.verify(ctx, args[0], v) })
	cmd.Flags().StringVar(&v.key, "key", "", "public `KEY`, or a file that holds it")
	cmd.Flags().StringVar(&v.record, "record", "", "the sealing record of an unsealed trial, a `FILE`")
	cmd.Flags().StringVar(&v.archive, "archive", "", "the log of an unsealed trial, a `FILE` of lodd audit export")
	return cmd
}

func (a *app) verify(ctx context.Context, path string, v verifying) error {
	record, err := a.readRecord(v.record)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return &fileError{err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	isArchive := audit.HasArchive(f, info.Size())
	var manifest audit.Manifest
	if !isArchive {
		if !mayBeBundle(f, info.Size()) {
			return &invalidError{message: a.words.say("error.neither", path)}
		}
		if manifest, err = a.verifyWith(f, v.key, path); err != nil {
			return err
		}
	}
	switch {
	case manifest.View == unsealedView:
		return a.verifyReveal(ctx, f, manifest, v.archive, record)
	case record != nil || v.archive != "":
		return &usageError{a.words.say("error.not-unsealed", path)}
	case isArchive:
		return a.verifyArchive(ctx, f, v.key, path)
	default:
		return a.writeVerified(manifest, path)
	}
}

// verifyWith verifies a bundle with the given key, else with that of the profile
// or, if another server signed it or there is no profile, with the one that lies
// beside it. A key that came with the bundle proves nothing by itself, so that
// is said.
func (a *app) verifyWith(f *os.File, given, bundle string) (audit.Manifest, error) {
	beside := filepath.Join(filepath.Dir(bundle), keyFile)
	if text := first(given, a.profile.ExportKey); text != "" {
		verifier, err := a.verifierOf(text)
		if err != nil {
			return audit.Manifest{}, err
		}
		m, err := verifyBundle(f, verifier)
		wrong, ok := errors.AsType[*notVerifiedError](err)
		if _, missing := os.Stat(beside); given != "" || missing != nil || !ok || !wrong.stranger {
			return m, err
		}
	}
	verifier, err := a.verifierOf(beside)
	if _, missing := os.Stat(beside); errors.Is(missing, fs.ErrNotExist) {
		return audit.Manifest{}, &usageError{a.words.say("error.no-key", beside)}
	}
	if err != nil {
		return audit.Manifest{}, err
	}
	m, err := verifyBundle(f, verifier)
	if err == nil {
		// Not a note: whoever asks for quiet must see it all the same.
		b, _ := os.ReadFile(beside) // it was read a moment ago
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say("note.key-beside", beside, visible(strings.TrimSpace(string(b)))))
	}
	return m, err
}

// mayBeBundle reports whether a file is, or was once, a ZIP file with a manifest.
// A byte of it may be wrong, or its end missing.
func mayBeBundle(f io.ReaderAt, size int64) bool {
	z, err := zip.NewReader(f, size)
	if err == nil {
		return slices.ContainsFunc(z.File, func(m *zip.File) bool { return strings.HasPrefix(m.Name, "manifest.") })
	}
	magic := make([]byte, 4)
	_, err = f.ReadAt(magic, 0)
	return err == nil && string(magic) == "PK\x03\x04"
}

// verifierOf returns the verifier of a key, or of the key in a file.
func (a *app) verifierOf(text string) (note.Verifier, error) {
	if verifier, err := audit.NewVerifier(text); err == nil {
		return verifier, nil
	}
	b, err := os.ReadFile(text)
	if err != nil {
		return nil, a.badKey(text, text)
	}
	key := strings.TrimSpace(string(b))
	verifier, err := audit.NewVerifier(key)
	if err != nil {
		return nil, a.badKey(text, key)
	}
	return verifier, nil
}

// badKey says of a key, which was given as text, why nothing is verified with it.
func (a *app) badKey(text, key string) error {
	if w, err := audit.NewCosignatureVerifier(key); err == nil {
		return &usageError{a.words.say("error.witness-key", w.Name())}
	}
	return &usageError{a.words.say("error.bad-key", text)}
}

// ofLog and ofExports end the names of a server's two keys.
const (
	ofLog     = "/log"
	ofExports = "/export"
)

// verifyBundle verifies a bundle in a file and names the member that is wrong.
func verifyBundle(f *os.File, verifier note.Verifier) (audit.Manifest, error) {
	info, err := f.Stat()
	if err != nil {
		return audit.Manifest{}, fmt.Errorf("verify: %w", err)
	}
	manifest, err := audit.VerifyBundle(f, info.Size(), note.VerifierList(verifier))
	if wrong, ok := errors.AsType[*audit.BundleError](err); ok {
		if refusal := noBundle(f, info.Size(), verifier); refusal != nil {
			return audit.Manifest{}, refusal
		}
		return audit.Manifest{}, &notVerifiedError{message: "this export is not what was signed: " + first(wrong.Member, "the archive itself") + ": " + wrong.Reason}
	}
	return manifest, err
}

// noBundle tells a file that was never an export, and an export of another
// server, from one that was altered; it returns nil for the last. What it reads
// isn't verified: it only words a refusal.
func noBundle(f *os.File, size int64, verifier note.Verifier) *notVerifiedError {
	z, err := zip.NewReader(f, size)
	if errors.Is(err, zip.ErrFormat) {
		return &notVerifiedError{message: "it is no bundle: not a ZIP file"}
	}
	if err != nil {
		return nil
	}
	member, err := z.Open("manifest.sig")
	if err != nil {
		return nil
	}
	defer member.Close()
	signature, err := io.ReadAll(io.LimitReader(member, maxInput))
	if err != nil {
		return nil
	}
	_, err = note.Open(signature, note.VerifierList(verifier))
	if other, ok := errors.AsType[*note.UnverifiedNoteError](err); ok && len(other.Note.UnverifiedSigs) > 0 {
		by := other.Note.UnverifiedSigs[0]
		if strings.HasSuffix(by.Name, ofExports) && strings.HasSuffix(verifier.Name(), ofLog) {
			return &notVerifiedError{stranger: true, message: fmt.Sprintf(
				"%s+%08x is the key of a log, and an export is verified with the key of exports: that of %s+%08x, which the sealing record and lodd whoami tell",
				verifier.Name(), verifier.KeyHash(), by.Name, by.Hash)}
		}
		return &notVerifiedError{stranger: true, message: fmt.Sprintf(
			"it was signed with %s+%08x, and you verify with %s+%08x: another server's export, or the wrong key",
			by.Name, by.Hash, verifier.Name(), verifier.KeyHash())}
	}
	return nil
}

// writeVerified lists what was verified: as lines, unless a form was asked for.
func (a *app) writeVerified(m audit.Manifest, path string) error {
	r := list("verification", "files", "name", "sha256", "bytes", "records", "format")
	for _, f := range m.Files {
		r.add(f.Name, fmt.Sprint(f.SHA256), f.Bytes, f.Records, f.Format)
	}
	if first(a.flags.output, a.deps.Env("LODD_OUTPUT")) != "" {
		return a.write(r)
	}
	var b bytes.Buffer
	for _, row := range r.rows {
		fmt.Fprintf(&b, "%s  %s\n", visible(plain(row[1])), visible(plain(row[0])))
	}
	fmt.Fprintf(&b, "%s: %s\n", a.words.say("note.is-verified"), visible(a.words.say("note.verified", filepath.Base(path), m.Study, m.Lock.Number, len(m.Files))))
	_, err := a.deps.Stdout.Write(b.Bytes())
	return err
}

// sameContent reports whether two files hold the same.
func sameContent(a, b string) (bool, error) {
	var sums [2][sha256.Size]byte
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			return false, fmt.Errorf("compare with what exists: %w", err)
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return false, fmt.Errorf("compare with what exists: %w", err)
		}
		h.Sum(sums[i][:0])
	}
	return sums[0] == sums[1], nil
}
