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
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// keyFile is where a key may lie beside a bundle.
const keyFile = "export.key"

func (a *app) verifyCommand() *cobra.Command {
	var key string
	cmd := a.local(spec{
		use: "verify FILE", short: "Verify an export or a log, without a server", args: cobra.ExactArgs(1),
		long: `Verify an export or a log, without a server: every byte of it, against the public
key of the server that made it. The key is that of --key, else of your profile.
Else an export is verified with the key in the file export.key beside FILE, and a
log (lodd audit export) with the key inside it. If the whole trial is in a log,
the rules of the trial are applied to every entry of it again.`,
	}, func(ctx context.Context, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return &usageError{strings.TrimPrefix(err.Error(), "open ")}
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if audit.HasArchive(f, info.Size()) {
			return a.verifyArchive(ctx, f, key, args[0])
		}
		manifest, err := a.verifyWith(f, key, args[0])
		if err != nil {
			return err
		}
		return a.writeVerified(manifest, args[0])
	})
	cmd.Flags().StringVar(&key, "key", "", "public `KEY`, or a file that holds it")
	return cmd
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
		return audit.Manifest{}, &notVerifiedError{message: a.words.say("error.no-key", beside)}
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

// verifierOf returns the verifier of a key, or of the key in a file.
func (a *app) verifierOf(text string) (note.Verifier, error) {
	if verifier, err := note.NewVerifier(text); err == nil {
		return verifier, nil
	}
	b, err := os.ReadFile(text)
	if err != nil {
		return nil, &usageError{a.words.say("error.bad-key", text)}
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, &usageError{a.words.say("error.bad-key", text)}
	}
	return verifier, nil
}

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
	fmt.Fprintf(&b, "verified: %s\n", visible(a.words.say("note.verified", filepath.Base(path), m.Study, m.Lock.Number, len(m.Files))))
	_, err := a.deps.Stdout.Write(b.Bytes())
	return err
}

// sameContent reports whether a file doesn't exist or holds the same as f.
func sameContent(f *os.File, path string) (bool, error) {
	other, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare with what exists: %w", err)
	}
	defer other.Close()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, fmt.Errorf("compare with what exists: %w", err)
	}
	ours, theirs := sha256.New(), sha256.New()
	_, err = io.Copy(ours, f)
	if err == nil {
		_, err = io.Copy(theirs, other)
	}
	if err != nil {
		return false, fmt.Errorf("compare with what exists: %w", err)
	}
	return bytes.Equal(ours.Sum(nil), theirs.Sum(nil)), nil
}
