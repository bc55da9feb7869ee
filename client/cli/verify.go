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
		use: "verify FILE", short: "Verify an export, without a server", args: cobra.ExactArgs(1),
		long: `Verify an export, without a server: every byte of it, against the public key of
the server that made it. The key is that of --key, else of your profile, else of
the file export.key beside FILE.`,
	}, func(_ context.Context, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return &usageError{strings.TrimPrefix(err.Error(), "open ")}
		}
		defer f.Close()
		verifier, err := a.exportKey(key, args[0])
		if err != nil {
			return err
		}
		manifest, err := verifyBundle(f, verifier)
		if err != nil {
			return err
		}
		return a.writeVerified(manifest, args[0])
	})
	cmd.Flags().StringVar(&key, "key", "", "public `KEY`, or a file that holds it")
	return cmd
}

// exportKey returns the key to verify a bundle with. A key that came with the
// bundle proves nothing by itself, so that is said.
func (a *app) exportKey(given, bundle string) (note.Verifier, error) {
	beside := filepath.Join(filepath.Dir(bundle), keyFile)
	text := first(given, a.profile.ExportKey)
	fromBeside := text == ""
	if fromBeside {
		text = beside
	}
	verifier, err := note.NewVerifier(text)
	if err == nil {
		return verifier, nil
	}
	b, err := os.ReadFile(text)
	if errors.Is(err, fs.ErrNotExist) && fromBeside {
		return nil, &usageError{a.words.say("error.no-key", beside)}
	}
	if err != nil {
		return nil, &usageError{a.words.say("error.bad-key", text)}
	}
	key := strings.TrimSpace(string(b))
	if verifier, err = note.NewVerifier(key); err != nil {
		return nil, &usageError{a.words.say("error.bad-key", text)}
	}
	if fromBeside {
		// Not a note: whoever asks for quiet must see it all the same.
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n", a.words.say("note.key-beside", beside, visible(key)))
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
		if reason := noBundle(f, info.Size(), verifier); reason != "" {
			return audit.Manifest{}, &notVerifiedError{reason}
		}
		return audit.Manifest{}, &notVerifiedError{"this export is not what was signed: " + first(wrong.Member, "the archive itself") + ": " + wrong.Reason}
	}
	return manifest, err
}

// noBundle tells a file that was never an export, and an export of another
// server, from one that was altered; it returns "" for the last. What it reads
// isn't verified: it only words a refusal.
func noBundle(f *os.File, size int64, verifier note.Verifier) string {
	z, err := zip.NewReader(f, size)
	if errors.Is(err, zip.ErrFormat) {
		return "it is no bundle: not a ZIP file"
	}
	if err != nil {
		return ""
	}
	member, err := z.Open("manifest.sig")
	if err != nil {
		return ""
	}
	defer member.Close()
	signature, err := io.ReadAll(io.LimitReader(member, maxInput))
	if err != nil {
		return ""
	}
	_, err = note.Open(signature, note.VerifierList(verifier))
	if other, ok := errors.AsType[*note.UnverifiedNoteError](err); ok && len(other.Note.UnverifiedSigs) > 0 {
		by := other.Note.UnverifiedSigs[0]
		return fmt.Sprintf("it was signed with %s+%08x, and you verify with %s+%08x: another server's export, or the wrong key",
			by.Name, by.Hash, verifier.Name(), verifier.KeyHash())
	}
	return ""
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
