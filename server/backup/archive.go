package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// write writes a backup, not yet encrypted: a tar archive of the manifest and the
// snapshot.
func write(w io.Writer, m Manifest, snapshot io.Reader) error {
	text, err := m.marshal()
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	if err := member(t, m, manifestName, int64(len(text))); err != nil {
		return err
	}
	if _, err := t.Write(text); err != nil {
		return err
	}
	if err := member(t, m, storeName, m.Size); err != nil {
		return err
	}
	if _, err := io.Copy(t, snapshot); err != nil {
		return err
	}
	return t.Close()
}

func member(t *tar.Writer, m Manifest, name string, size int64) error {
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: m.Time})
}

// Read reads a backup, no longer encrypted, to its end, and writes the snapshot
// to store. It refuses a snapshot that isn't the one of the manifest, and
// whatever else a backup doesn't hold.
func Read(r io.Reader, store io.Writer) (Manifest, error) {
	m, err := read(r, store)
	if err != nil {
		return Manifest{}, fmt.Errorf("backup: %w", err)
	}
	return m, nil
}

func read(r io.Reader, store io.Writer) (Manifest, error) {
	t := tar.NewReader(r)
	size, err := next(t, manifestName)
	if err != nil {
		return Manifest{}, err
	}
	if size > maxManifest {
		return Manifest{}, fmt.Errorf("%s has %d bytes, at most %d are read", manifestName, size, maxManifest)
	}
	text, err := io.ReadAll(t)
	if err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w", manifestName, err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return Manifest{}, err
	}
	if size, err = next(t, storeName); err != nil {
		return Manifest{}, err
	}
	if size != m.Size {
		return Manifest{}, fmt.Errorf("%s has %d bytes, %s says %d", storeName, size, manifestName, m.Size)
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(store, sum), t, size); err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w", storeName, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != m.SHA256 {
		return Manifest{}, fmt.Errorf("%s isn't the one that was backed up: its SHA-256 is %s, want %s", storeName, got, m.SHA256)
	}
	return m, end(t, r)
}

// next returns the size of the next member, which must have this name.
func next(t *tar.Reader, name string) (int64, error) {
	h, err := t.Next()
	switch {
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("there is no %s in it: it is no backup", name)
	case err != nil:
		return 0, fmt.Errorf("read %s: %w", name, err)
	case h.Name != name || h.Typeflag != tar.TypeReg:
		return 0, fmt.Errorf("it holds %q where %s should be", h.Name, name)
	}
	return h.Size, nil
}

// end refuses what comes after the last member, and reads to the end, where the
// decryption tells whether it is the true end.
func end(t *tar.Reader, r io.Reader) error {
	h, err := t.Next()
	if err == nil {
		return fmt.Errorf("it holds %q, which no backup does", h.Name)
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the end: %w", err)
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d bytes follow its end", n)
	}
	return err
}
