package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/lodd-rct/lodd/audit/durable"
)

// ParseRecipients parses recipients, each as age writes them: "age1…".
func ParseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 {
		return nil, errors.New("backup: no recipient is named, and a backup is never written in the clear: make a key with age-keygen and give its public half, age1..., with --recipient")
	}
	var all []age.Recipient
	for _, text := range texts {
		if strings.ContainsAny(text, "\r\n#") {
			return nil, errors.New("backup: a recipient is one line that begins with age1")
		}
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil { // its text isn't repeated: it may be a secret key by mistake
			return nil, errors.New("backup: a recipient isn't valid: want the public half of an age key, which begins with age1")
		}
		all = append(all, r...)
	}
	return all, nil
}

// ReadIdentities reads the secret keys in files of age-keygen.
func ReadIdentities(paths []string) ([]age.Identity, error) {
	var all []age.Identity
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("backup: identity: %w", err)
		}
		ids, err := age.ParseIdentities(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("backup: %s holds no identity as age-keygen writes them", path)
		}
		all = append(all, ids...)
	}
	if len(all) == 0 {
		return nil, errors.New("backup: no identity is named: give with --identity FILE the secret age key of a recipient")
	}
	return all, nil
}

// Seal makes the file path of what f writes, encrypted to the recipients, and
// returns its size. It has that name only once it is durable, and it never takes
// the place of another file.
func Seal(path string, recipients []age.Recipient, f func(io.Writer) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil { // known before the work
		return 0, taken(path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // with mode 0600
	if err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	var source error // what f says is about what it read, and whole as it is
	size, err = encrypt(tmp, recipients, func(w io.Writer) error { source = f(w); return source })
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if source != nil {
		return 0, source
	}
	if err != nil {
		return 0, fmt.Errorf("backup: write %s: %w", path, err)
	}
	err = durable.Move(tmp.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return 0, taken(path)
	}
	if err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	return size, nil
}

func taken(path string) error {
	return fmt.Errorf("backup: %s exists already, and is left as it is", path)
}

func encrypt(to *os.File, recipients []age.Recipient, f func(io.Writer) error) (int64, error) {
	w, err := age.Encrypt(to, recipients...)
	if err != nil {
		return 0, err
	}
	if err := f(w); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return to.Seek(0, io.SeekCurrent)
}

// Open decrypts the file path for f, which reads to the end. What f has read is
// true only if Open returns no error.
func Open(path string, identities []age.Identity, f func(io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer file.Close()
	r, err := age.Decrypt(file, identities...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return fmt.Errorf("backup: %s isn't encrypted to any of the identities given: take the identity whose public half was named as its recipient", path)
	}
	if err != nil {
		return fmt.Errorf("backup: %s is no whole encrypted file, take another copy of it: %w", path, err)
	}
	if err := f(r); err != nil {
		return fmt.Errorf("%s is damaged, cut off, or another file; take another copy of it: %w", path, err)
	}
	return nil
}
