package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/lodd-rct/lodd/audit/durable"
)

// A folder holds one key a file. A file is never changed once it has its name.
type folder struct {
	dir   string
	fresh bool
}

// openFolder makes the folder if it may and checks that it is closed to others.
func openFolder(dir string, fresh bool) (folder, error) {
	if fresh {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return folder{}, fmt.Errorf("keys: make folder: %w", err)
		}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return folder{}, fmt.Errorf("keys: the folder %s is missing, and a database exists that needs its keys: restore the folder from the backup of the keys", dir)
	case err != nil:
		return folder{}, fmt.Errorf("keys: open folder: %w", err)
	case !info.IsDir():
		return folder{}, fmt.Errorf("keys: %s is no folder", dir)
	}
	return folder{dir, fresh}, private(dir, info, 0o700)
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// load returns the content of a key's file. If there is none and the folder is
// fresh, it makes the key first.
func (f folder) load(name string, newKey func() ([]byte, error)) ([]byte, error) {
	info, err := os.Stat(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		if !f.fresh {
			return nil, fmt.Errorf("keys: %s is missing, and a database exists that needs it: restore it from the backup of the keys", f.path(name))
		}
		if err := f.create(name, newKey); err != nil {
			return nil, fmt.Errorf("keys: make %s: %w", f.path(name), err)
		}
		info, err = os.Stat(f.path(name))
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := private(f.path(name), info, 0o600); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(f.path(name))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return text, nil
}

// create makes a key and keeps it: killed at any point, it leaves no key or a
// whole one. The key of another server that was faster stays.
func (f folder) create(name string, newKey func() ([]byte, error)) error {
	text, err := newKey()
	if err != nil {
		return err
	}
	if err := durable.Create(f.path(name), text); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(f.dir) // the faster one may not have done so yet
}

// maxSecret is the most bytes of a secret with the end of its line.
const maxSecret = 4 << 10

// ReadSecret returns the first line of a file, such as one with a passphrase or a
// token. The file must be closed to everyone but its owner and its group, which
// is where systemd shows whom it lets read a credential.
func ReadSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("keys: %s has mode %04o, so that everybody here can read the secret: run \"chmod 600 %s\", and take another secret if somebody may have read it", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("keys: read %s: %w", path, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" || len(line) > maxSecret {
		return "", fmt.Errorf("keys: the first line of %s is empty or longer than %d bytes: it must be the secret", path, maxSecret)
	}
	return line, nil
}

// private refuses a file or folder that anyone but its owner can use.
func private(path string, info fs.FileInfo, want fs.FileMode) error {
	mode := info.Mode().Perm()
	if mode&0o077 == 0 || runtime.GOOS == "windows" { // whose modes say nothing
		return nil
	}
	return fmt.Errorf("keys: %s has mode %04o, so that others can get at the keys: run \"chmod %o %s\", and replace the keys if others may have read them", path, mode, want, path)
}
