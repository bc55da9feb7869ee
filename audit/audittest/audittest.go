// Package audittest keeps the archives that tests make, so that the second verifier
// can judge them, too.
package audittest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// Folder is the environment variable that names the folder of the archives.
const Folder = "LODD_ARCHIVES"

// Keep keeps an archive, good or bad, in the folder that the environment names, or
// does nothing if it names none. Tests of several packages may keep at once.
func Keep(t testing.TB, archive []byte) {
	t.Helper()
	dir := os.Getenv(Folder)
	if dir == "" {
		return
	}
	sum := sha256.Sum256(archive)
	path := filepath.Join(dir, hex.EncodeToString(sum[:16])+".zip")
	if _, err := os.Stat(path); err == nil { //nolint:gosec // whoever runs the tests says where it is
		return
	}
	f, err := os.CreateTemp(dir, "*.part")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(archive)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path) //nolint:gosec // as above
	}
	if err != nil {
		t.Fatal(err)
	}
}
