package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/audit/durable"
)

// Bounds of the folder of keys, which holds four files of some hundred bytes.
const (
	maxKeys = 64
	maxKey  = 64 << 10
)

// isKey reports whether a file is a key, in clear or sealed as package keys does:
// the folder may also hold what a crash left.
func isKey(name string) bool {
	stem, sealed, ok := strings.Cut(name, ".key")
	ok = ok && (sealed == "" || sealed == ".age" || sealed == ".tink")
	return ok && stem != "" && len(name) <= 64 && !strings.ContainsFunc(stem, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// WriteKeys writes the keys in a folder, not yet encrypted, as a tar archive, and
// returns how many there are.
func WriteKeys(w io.Writer, dir string, at time.Time) (int, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("backup: keys: %w", err)
	}
	t, n := tar.NewWriter(w), 0
	for _, f := range files {
		if !isKey(f.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return n, fmt.Errorf("backup: keys: %w", err)
		}
		if len(bytes.Trim(text, "\x00")) == 0 {
			return n, fmt.Errorf("backup: keys: %s is empty: if the master key is being sealed wait for the end, else see \"lodd keys status\" and remove the file if the key is kept in another", filepath.Join(dir, f.Name()))
		}
		err = t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Name(), Size: int64(len(text)), Mode: 0o600, ModTime: at})
		if err == nil {
			_, err = t.Write(text)
		}
		if err != nil {
			return n, fmt.Errorf("backup: keys: %w", err)
		}
		n++
	}
	if n == 0 {
		return 0, fmt.Errorf("backup: there are no keys in %s", dir)
	}
	return n, t.Close()
}

// ReadKeys reads what WriteKeys wrote to its end, and writes each key into the
// folder dir, which must not exist.
func ReadKeys(r io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("backup: keys: %w", err)
	}
	if err := readKeys(r, func(name string, text []byte) error { return durable.Create(filepath.Join(dir, name), text) }); err != nil {
		return fmt.Errorf("backup: keys: %w", err)
	}
	return nil
}

func readKeys(r io.Reader, keep func(name string, text []byte) error) error {
	t := tar.NewReader(r)
	var seen []string
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			if len(seen) == 0 {
				return errors.New("there is no key in it: it is no backup of keys")
			}
			return end(t, r)
		case err != nil:
			return err
		case !isKey(h.Name) || h.Typeflag != tar.TypeReg || h.Size > maxKey || len(seen) == maxKeys || slices.Contains(seen, h.Name):
			return fmt.Errorf("it holds %q, which is no key: it is no backup of keys", h.Name)
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return err
		}
		if err := keep(h.Name, text); err != nil {
			return err
		}
		seen = append(seen, h.Name)
	}
}
